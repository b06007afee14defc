// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"log/slog"
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/sys/xtables"
)

func TestConformance(t *testing.T) {
	for _, flavour := range []xtables.Flavour{xtables.NFT, xtables.Legacy} {
		t.Run(string(flavour), func(t *testing.T) {
			drivertest.Run(t, func(t testing.TB) (drivertest.Driver, error) {
				return New(Options{Flavour: flavour, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), groupFrom: 3})
			})
		})
	}
}
