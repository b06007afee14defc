// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestLogIsQuiet: everyday news of the engine do not show at level info, and the reason of a failed connection is kept.
func TestLogIsQuiet(t *testing.T) {
	var out bytes.Buffer
	book := newLogBook(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	log := book.logger().With(slog.String("Topic", "Peer"), slog.String("Key", "172.30.1.12"))
	log.Debug("received update")
	log.Debug(dialMessage, slog.String("Error", "connection refused"))
	log.Info("Peer Up")
	log.Warn("Closed an accepted connection")
	log.Error("out of order")
	got := out.String()
	for _, line := range []string{"level=ERROR msg=\"out of order\" component=bgp"} {
		if !strings.Contains(got, line) {
			t.Errorf("log lacks %q:\n%s", line, got)
		}
	}
	if strings.Count(got, "\n") != 1 {
		t.Errorf("log:\n%s", got)
	}
	if err := book.dialError(addr("172.30.1.12")); err != "connection refused" {
		t.Errorf("dial error %q", err)
	}
}
