// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ipam"
)

// TestIPAMCheck lists a leak without alarm, and ends with status 3 once something is wrong.
func TestIPAMCheck(t *testing.T) {
	u := newUser(t)
	if out := u.must("", "ipam", "check"); out != "0 wrong, 0 leftovers, 0 addresses without owner\n" {
		t.Errorf("nothing there: %s", out)
	}
	u.must(copied, "apply", "-f", "-")
	a := ipam.New(u.store, ipam.Options{Node: "n1"})
	defer a.Close()
	if _, err := a.Assign(t.Context(), ipam.Request{Handle: "h", IPv4: true, Attrs: map[string]string{"node": "n1", "namespace": "prod"}}); err != nil {
		t.Fatal(err)
	}
	if out := u.must("", "ipam", "check"); !strings.Contains(out, "of handle h, node n1: its node is gone") || !strings.Contains(out, "0 wrong, 0 leftovers, 1 address without owner") {
		t.Errorf("with a leak: %s", out)
	}
	u.store.Inject(api.Key{Resource: api.IPAMBlocks, Name: "x"}, []byte("no JSON"))
	if _, err := u.store.Create(t.Context(), &v3.BlockAffinity{ObjectMeta: v3.ObjectMeta{Name: "y"}, Spec: v3.BlockAffinitySpec{State: "confirmed", Node: "n1", CIDR: "z"}}); err != nil {
		t.Fatal(err)
	}
	if out, _, code := u.run("", "ipam", "check"); code != ExitVerdict || strings.Count(out, "wrong: ") != 2 {
		t.Errorf("code %d: %s", code, out)
	}
}
