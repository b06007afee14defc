// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
)

const openHost = `apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1-eth0, labels: {role: host}}
spec: {node: n1, expectedIPs: [192.0.2.1], profiles: [projectcalico-default-allow]}
---
`

const denyHosts = `apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-hosts}
spec: {selector: role == 'host', types: [Ingress], ingress: [{action: Deny}]}
`

// TestApplyWarnsOfClosedFailsafes: who would lock the host but for the failsafe ports is told so once, by a dry run as well.
func TestApplyWarnsOfClosedFailsafes(t *testing.T) {
	u := newUser(t)
	if _, errOut, code := u.run(denyHosts+"---\n", "apply", "-f", "-", "--dry-run"); code != 0 || errOut != "" {
		t.Errorf("without host endpoints: exit %d, %q", code, errOut)
	}
	if _, errOut, code := u.run(openHost, "apply", "-f", "-"); code != 0 || errOut != "" {
		t.Errorf("an open host endpoint: exit %d, %q", code, errOut)
	}
	if u.listed[api.WorkloadEndpoints] || !u.listed[api.GlobalNetworkPolicies] {
		t.Errorf("where nothing is closed, read: %v; want policies, and no workloads", u.listed)
	}
	for _, dry := range [][]string{{"--dry-run"}, nil} {
		_, errOut, code := u.run(denyHosts, append([]string{"apply", "-f", "-"}, dry...)...)
		want := "warning: globalnetworkpolicy deny-hosts: on node n1: would close host endpoint n1-eth0 for ingress TCP 22, TCP 179, "
		if code != 0 || !strings.HasPrefix(errOut, want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%v: exit %d, %q, want %q", dry, code, errOut, want)
		}
	}
	if !u.listed[api.WorkloadEndpoints] {
		t.Error("workloads, which may be let through, are not read where something is closed")
	}
	if _, errOut, _ := u.run(denyHosts, "apply", "-f", "-"); errOut != "" {
		t.Errorf("what was so before: %q", errOut)
	}
}
