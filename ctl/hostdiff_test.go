// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strings"
	"testing"
)

const stagedDenyHosts = `apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: deny-hosts}
spec: {selector: role == 'host', types: [Ingress], ingress: [{action: Deny, protocol: TCP, destination: {ports: [22, 8080]}}, {action: Allow}]}
`

// TestDiffOfHosts previews policy in front of a node, written and staged: what closes a port is shown, a failsafe port stays open.
func TestDiffOfHosts(t *testing.T) {
	u := newUser(t)
	base := u.file("base.yaml", openHost+shopPods)
	staged := u.file("staged.yaml", stagedDenyHosts)
	written := u.file("written.yaml", strings.Replace(stagedDenyHosts, "Staged", "", 1))
	for _, tc := range []struct{ by, args string }{
		{"GlobalNetworkPolicy deny-hosts", "policy diff --base " + base + " -f " + written},
		{"StagedGlobalNetworkPolicy deny-hosts", "policy diff --staged --base " + base + " -f " + staged},
	} {
		out, errOut, code := u.run("", strings.Fields(tc.args)...)
		var row string
		for line := range strings.Lines(out) {
			if strings.Contains(line, "node n1") {
				row += line
			}
		}
		if code != ExitVerdict || !strings.Contains(row, "node n1   TCP 8080   ") || !strings.Contains(row, "ingress rule 0 of "+tc.by) {
			t.Errorf("%s: exit %d\n%s%s", tc.args, code, out, errOut)
		}
	}
	if out, errOut, code := u.run("", "policy", "diff", "--base", base, "-f", staged); code != 0 {
		t.Errorf("a staged policy alone: exit %d\n%s%s", code, out, errOut)
	}
}
