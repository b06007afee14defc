// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/ctl/install"
)

// Writes returns how often the agents have written to the API so far, by verb and kind.
func (c *Cluster) Writes(t testing.TB) map[string]int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(c.control.dir, "var/log/audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for line := range bytes.Lines(log) {
		var event struct {
			Verb      string
			User      struct{ Username string }
			ObjectRef struct{ Resource, Subresource string }
		}
		if json.Unmarshal(line, &event) != nil {
			continue // the last line may be half written
		}
		if event.User.Username == "system:serviceaccount:"+install.DefaultNamespace+":weft-agent" {
			out[event.Verb+" "+path.Join(event.ObjectRef.Resource, event.ObjectRef.Subresource)]++
		}
	}
	return out
}
