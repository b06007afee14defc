// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestProtocolNumber(t *testing.T) {
	for text, want := range map[string]uint8{"TCP": 6, "tcp": 6, "Udp": 17, "ICMP": 1, "icmpv6": 58, "SCTP": 132, "UDPLite": 136, "47": 47, "255": 255} {
		if got, err := ProtocolNumber(intstr.FromString(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	if got, err := ProtocolNumber(intstr.FromInt32(89)); err != nil || got != 89 {
		t.Errorf("89: %d, %v", got, err)
	}
	for _, bad := range []intstr.IntOrString{intstr.FromInt32(0), intstr.FromInt32(256), intstr.FromInt32(-1), intstr.FromString(""), intstr.FromString("IP"), intstr.FromString("0")} {
		if got, err := ProtocolNumber(bad); err == nil {
			t.Errorf("%q: %d without an error", bad.String(), got)
		}
	}
	for n := range 256 {
		back, err := ProtocolNumber(intstr.FromString(ProtocolName(uint8(n))))
		if n > 0 && (err != nil || back != uint8(n)) {
			t.Errorf("protocol %d is named %s, which is %d, %v", n, ProtocolName(uint8(n)), back, err)
		}
	}
}

func TestParsePort(t *testing.T) {
	for _, c := range []struct {
		in          intstr.IntOrString
		first, last uint16
		name        string
	}{
		{intstr.FromInt32(80), 80, 80, ""}, {intstr.FromString("80"), 80, 80, ""}, {intstr.FromString("1:65535"), 1, 65535, ""},
		{intstr.FromString("http"), 0, 0, "http"}, {intstr.FromString("a-1"), 0, 0, "a-1"}, {intstr.FromString("8080-tcp"), 0, 0, "8080-tcp"},
	} {
		first, last, name, err := ParsePort(c.in)
		if err != nil || first != c.first || last != c.last || name != c.name {
			t.Errorf("%q: %d-%d %q, %v", c.in.String(), first, last, name, err)
		}
	}
	for _, bad := range []string{"", "0", "65536", "-1", "2:1", "1:", ":1", "1:2:3", "a b", "a:b", strings.Repeat("a", 129)} {
		if first, last, name, err := ParsePort(intstr.FromString(bad)); err == nil {
			t.Errorf("%q: %d-%d %q without an error", bad, first, last, name)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	for text, want := range map[string]string{"10.0.0.1": "10.0.0.1/32", "10.1.2.3/8": "10.0.0.0/8", "fd00::1": "fd00::1/128", "fd00::1/64": "fd00::/64", "0.0.0.0/0": "0.0.0.0/0"} {
		if got, err := ParseCIDR(text); err != nil || got.String() != want {
			t.Errorf("ParseCIDR(%s) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "10.0.0", "10.0.0.1/33", "10.0.0.1/-1", "fe80::1%eth0", "::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "010.0.0.1", "10.0.0.0/08"} {
		if got, err := ParseCIDR(bad); err == nil {
			t.Errorf("ParseCIDR(%q) = %s without an error", bad, got)
		}
		if got, err := ParseInterfaceCIDR(bad); err == nil {
			t.Errorf("ParseInterfaceCIDR(%q) = %s without an error", bad, got)
		}
	}
	if got, err := ParseInterfaceCIDR("192.0.2.7/24"); err != nil || got.String() != "192.0.2.7/24" {
		t.Errorf("ParseInterfaceCIDR keeps host bits: %s, %v", got, err)
	}
	for text, port := range map[string]uint16{"192.0.2.1": 0, "192.0.2.1:1790": 1790, "2001:db8::1": 0, "[2001:db8::1]:179": 179} {
		if addr, got, err := ParsePeerIP(text); err != nil || got != port || !addr.IsValid() {
			t.Errorf("ParsePeerIP(%s) = %s %d, %v", text, addr, got, err)
		}
	}
	for _, bad := range []string{"", "host", "192.0.2.1:0", "192.0.2.1:", "[192.0.2.1]", "[fe80::1%a]:1"} {
		if addr, port, err := ParsePeerIP(bad); err == nil {
			t.Errorf("ParsePeerIP(%q) = %s %d without an error", bad, addr, port)
		}
	}
}

func TestASNumberKeepsItsForm(t *testing.T) {
	for in, out := range map[string]string{"64512": "64512", `"64512"`: "64512", `"1.10"`: `"1.10"`, `"0.0"`: `"0.0"`, "4294967295": "4294967295"} {
		var a ASNumber
		if err := json.Unmarshal([]byte(in), &a); err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if got, err := json.Marshal(a); err != nil || string(got) != out {
			t.Errorf("%s comes back as %s, %v", in, got, err)
		}
	}
	for _, bad := range []string{"-1", "4294967296", `"1.65536"`, `"1.2.3"`, `"a"`, "true", `""`} {
		var a ASNumber
		if err := json.Unmarshal([]byte(bad), &a); err == nil {
			t.Errorf("%s is read as %s", bad, a)
		}
	}
	var dotted ASNumber
	if err := json.Unmarshal([]byte(`"1.10"`), &dotted); err != nil || dotted.Value != 65546 {
		t.Errorf("1.10 is %d, %v; want 65546", dotted.Value, err)
	}
}

// TestEndpointNamesAreUnique: different parts give different names, dashes or not.
func TestEndpointNamesAreUnique(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	part := func() string {
		b := []byte{"ab"[random.IntN(2)]}
		for range random.IntN(4) {
			b = append(b, "ab-"[random.IntN(3)])
		}
		return strings.TrimRight(string(b), "-") + "z"
	}
	seen := map[string]WorkloadEndpointSpec{}
	for range 50_000 {
		s := WorkloadEndpointSpec{Node: part(), Orchestrator: "x", Workload: part(), Endpoint: part()}
		name := WorkloadEndpointName(&s)
		if before, ok := seen[name]; ok && (before.Node != s.Node || before.Workload != s.Workload || before.Endpoint != s.Endpoint) {
			t.Fatalf("%s is made by %+v and %+v", name, before, s)
		}
		seen[name] = s
	}
	for want, s := range map[string]WorkloadEndpointSpec{
		"node--a-k8s-web--7f-eth0": {Node: "node-a", Orchestrator: "k8s", Pod: "web-7f", Workload: "ignored", Endpoint: "eth0"},
		"n-cni-0123-eth0":          {Node: "n", Orchestrator: "cni", ContainerID: "0123", Endpoint: "eth0"},
		"n-vm-w-e":                 {Node: "n", Orchestrator: "vm", Workload: "w", Pod: "ignored", Endpoint: "e"},
	} {
		if got := WorkloadEndpointName(&s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
