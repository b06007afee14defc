// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weftnet/weft/internal/agentapi"
)

const pods = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-web-eth0, namespace: shop, labels: {app: web}}
spec: {node: n1, orchestrator: k8s, pod: web, endpoint: eth0, interfaceName: caliweb, ipNetworks: [10.65.0.1/32], profiles: [kns.shop]}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: n1-k8s-db-eth0, namespace: shop, labels: {app: db}}
spec: {node: n1, orchestrator: k8s, pod: db, endpoint: eth0, interfaceName: calidb, ipNetworks: [10.65.0.2/32], profiles: [kns.shop]}
`

const denyTelnet = `apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: no-telnet, namespace: shop}
spec: {selector: app == 'db', types: [Ingress], ingress: [{action: Deny, protocol: TCP, destination: {ports: [23]}}, {action: Allow}]}
`

// TestDiffOfFlows judges flows from a file and from agents, once each, and shows those that change with what decides.
func TestDiffOfFlows(t *testing.T) {
	u := newUser(t)
	u.must(pods, "apply", "-f", "-")
	file := u.file("new.yaml", denyTelnet)
	flows := u.file("flows.jsonl", `{"source": "shop/web", "destination": "10.65.0.2", "port": 23, "count": 3}

{"source": "203.0.113.9", "destination": "shop/db", "protocol": "tcp", "port": 23}
{"source": "shop/web", "destination": "shop/db", "protocol": "UDP", "port": 23}
{"source": "shop/web", "destination": "shop/db", "protocol": "ICMP"}
`)
	telnet := func(source string) agentapi.Connection {
		return agentapi.Connection{Original: "tcp " + source, Flow: agentapi.Flow{
			Source: netip.MustParseAddr("10.65.0.1"), Destination: netip.MustParseAddr("10.65.0.2"), Protocol: 6, Port: 23,
		}}
	}
	local := agentapi.Connection{Original: "lo", Flow: agentapi.Flow{Source: netip.MustParseAddr("127.0.0.1"), Destination: netip.MustParseAddr("127.0.0.1"), Protocol: 6, Port: 23}}
	socket := agentSays(t, agentapi.Status{Node: "n1"}, telnet("port 1"), telnet("port 1"), telnet("port 2"), local)
	const by = "no policy decides; the namespace's profile has: Allow anything   ingress rule 0 of NetworkPolicy shop/no-telnet: Deny TCP to port 23"
	for _, tc := range []struct {
		args string
		want []string // lines of flows
	}{
		{"--flows " + flows, []string{"Of 6 recorded flows these change:", "allow deny shop/web shop/db TCP 23 3 ", "allow deny 203.0.113.9 shop/db TCP 23 1 "}},
		{"--socket " + socket, []string{"Of 2 recorded flows these change:", "allow deny shop/web shop/db TCP 23 2 "}},
	} {
		out, errOut, code := u.run("", strings.Fields("policy diff -f "+file+" "+tc.args)...)
		_, list, _ := strings.Cut(out, "\n\n")
		if code != ExitVerdict || !strings.HasPrefix(list, tc.want[0]) || strings.Count(list, by) != len(tc.want)-1 {
			t.Errorf("%s: exit %d\n%s%s", tc.args, code, out, errOut)
		}
		for _, row := range tc.want[1:] {
			if !strings.Contains(strings.Join(strings.Fields(list), " "), row) {
				t.Errorf("%s: no row %q:\n%s", tc.args, row, list)
			}
		}
	}
	out, errOut, code := u.run(strings.Replace(denyTelnet, "[23]", "[24]", 1), "policy", "diff", "-f", "-", "--flows", flows)
	if code != ExitVerdict || !strings.HasSuffix(out, "\nno verdict changes of 6 recorded flows\n") {
		t.Errorf("flows that stay as they are: exit %d\n%s%s", code, out, errOut)
	}
}

func TestBadFlows(t *testing.T) {
	u := newUser(t)
	u.must(pods, "apply", "-f", "-")
	file := u.file("new.yaml", denyTelnet)
	for line, want := range map[string]string{
		`{"source": "shop/web", "destination": "shop/db"}`:                               "line 1: port is required with protocol TCP",
		`{"destination": "shop/db", "port": 1}`:                                          "line 1: source and destination are required",
		`{"source": "shop/web", "destination": "shop/db", "prot": 1}`:                    `line 1: json: unknown field "prot"; write {`,
		`{"source": "shop/web", "destination": "shop/db", "protocol": "TLS", "port": 1}`: "line 1: protocol: ",
		`{"source": "shop/web", "destination": "shop/db", "port": 1, "count": -1}`:       "line 1: count -1 is less than 0",
		`{"source": "shop/wbe", "destination": "shop/db", "port": 1}`:                    `source of a flow: there is no pod "wbe"`,
		`{"source": "2001:db8::9", "destination": "shop/db", "port": 1}`:                 "they have no addresses of one IP version",
	} {
		_, errOut, code := u.run("", "policy", "diff", "-f", file, "--flows", u.file("flows.jsonl", line))
		if code != ExitError || !strings.Contains(errOut, want) {
			t.Errorf("%s: exit %d: %s; want %q", line, code, errOut, want)
		}
	}
}
