// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// run executes `weft lab` with arguments in this process.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := New()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestWrongCommandLines(t *testing.T) {
	for _, tc := range []struct{ line, want string }{
		{"up", "accepts 1 arg"},
		{"up Big", "lab name"},
		{"up nolab --nodes 0 --subnets 7", "subnets"},
		{"up nolab --nodes 0", "--nodes and --subnets are 1 or more"},
		{"status nolab", "`weft lab up nolab` makes it"},
		{"matrix nolab", "not found"},
		{"matrix nolab --protocol gre", "gre"},
		{"matrix nolab --port 70000", "70000"},
		{"matrix nolab -o xml", "xml"},
		{"ping nolab a b --expect maybe", "maybe"},
		{"ping nolab a", "accepts 3 arg"},
		{"exec nolab n1", "requires at least 3 arg"},
		{"store --socket x", "--dir or --remote"},
	} {
		if _, err := run(t, strings.Fields(tc.line)...); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("weft lab %s: %v, want it to name %q", tc.line, err, tc.want)
		}
	}
	if out, err := run(t, "down", "nolab"); err != nil || !strings.Contains(out, "no lab nolab") {
		t.Errorf("down of a lab that does not exist: %q, %v", out, err)
	}
}

func TestEveryCommandIsExplained(t *testing.T) {
	for _, cmd := range New().Commands() {
		if !cmd.Hidden && (cmd.Short == "" || cmd.Example == "" || cmd.Args == nil) {
			t.Errorf("%s lacks a description, an example or a check of its arguments", cmd.CommandPath())
		}
	}
}

func TestServices(t *testing.T) {
	f := addServiceFlags(&cobra.Command{}, "icmp", "TCP", "sctp")
	f.port = 80
	got, err := f.services()
	if err != nil || joined(got) != "icmp,tcp:80,sctp:80" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestMismatchesAreToldInPart(t *testing.T) {
	flow := probe.Flow{Src: "a", Dst: "b", SrcAddr: netip.MustParseAddr("192.0.2.1"), DstAddr: netip.MustParseAddr("192.0.2.2"), Service: probe.Service{Protocol: probe.ICMP}}
	results := make([]probe.Result, 20)
	for i := range results {
		results[i].Flow = flow
	}
	allow, err := expectation("allow").judge()
	if err != nil {
		t.Fatal(err)
	}
	text := mismatched(probe.NewMatrix(results, allow)).Error()
	if strings.Count(text, "is denied, expected allowed") != mostTold || !strings.Contains(text, "20 of 20") || !strings.Contains(text, "8 more") {
		t.Error(text)
	}
	deny, err := expectation("deny").judge()
	if err != nil || mismatched(probe.NewMatrix(results, deny)) != nil {
		t.Errorf("denied as asked for is an error; %v", err)
	}
}

func TestNodeRow(t *testing.T) {
	n := lab.NodeStatus{
		Name: "n1", Namespace: "weft-x-n1", Addresses: []string{"172.30.1.11/24"}, Process: lab.ProcessStatus{State: "running", PID: 7},
		Agent: &agentapi.Status{
			InSync: true, Endpoints: make([]agentapi.EndpointStatus, 2),
			BGP: agentapi.BGPStatus{Peers: []agentapi.PeerStatus{{State: "Established"}, {State: "Active"}}},
		},
	}
	if got := strings.Join(nodeRow(n), "|"); got != "n1|running|7|172.30.1.11/24|in sync|1 of 2|2|weft-x-n1" {
		t.Error(got)
	}
	n.Agent, n.Error = nil, "connection refused"
	if got := strings.Join(nodeRow(n), "|"); got != "n1|running|7|172.30.1.11/24|connection refused|||weft-x-n1" {
		t.Error(got)
	}
}
