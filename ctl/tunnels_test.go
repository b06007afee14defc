// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strings"
	"testing"
)

// TestImpossibleReachability writes each impossible combination of pools, tunnels and keys: both `weft validate` and `weft apply` refuse it with the
// field, the reason and the remedy, and store nothing. That agents which read it all the same keep the last good version is tested in calc
// (TestBadTunnelInputKeepsTheLastGood), and what only the kernel knows, a VNI or port that somebody else uses, in routing/tunnel.
func TestImpossibleReachability(t *testing.T) {
	const head = "apiVersion: projectcalico.org/v3\nkind: "
	pool := func(name, cidr, more string) string {
		return head + "IPPool\nmetadata: {name: " + name + "}\nspec: {cidr: " + cidr + more + "}\n"
	}
	felix := func(spec string) string {
		return head + "FelixConfiguration\nmetadata: {name: default}\nspec: {" + spec + "}\n"
	}
	node := func(status string) string {
		return head + "Node\nmetadata: {name: n1}\nspec: {wireguard: {interfaceIPv4Address: 10.65.0.9}}\nstatus: {" + status + "}\n"
	}
	for name, c := range map[string]struct{ text, field, reason string }{
		"IPIP and VXLAN":        {pool("p", "10.65.0.0/16", ", ipipMode: Always, vxlanMode: CrossSubnet"), "spec.vxlanMode", "choose one of them"},
		"IPv6 IPIP":             {pool("p", "fd65::/64", ", ipipMode: Always"), "spec.ipipMode", "IP-in-IP carries IPv4 only"},
		"overlapping pools":     {pool("p", "10.65.0.0/16", "") + "---\n" + pool("q", "10.65.128.0/17", ""), "spec.cidr", "overlaps"},
		"VNI too large":         {felix("vxlanVNI: 16777216"), "spec.vxlanVNI", "16777215"},
		"port of two devices":   {felix("wireguardEnabled: true, vxlanPort: 51820"), "spec.wireguardListeningPort", "51820"},
		"one port, both":        {felix("wireguardEnabled: true, wireguardEnabledV6: true, wireguardListeningPortV6: 51820"), "spec.wireguardListeningPortV6", "51820"},
		"MTU for IPv6":          {felix("vxlanMTUV6: 1279"), "spec.vxlanMTUV6", "IPv6 needs at least 1280"},
		"WireGuard's for IPv6":  {felix("wireguardMTUV6: 1279"), "spec.wireguardMTUV6", "IPv6 needs at least 1280"},
		"key that is none":      {node("wireguardPublicKey: hunter2"), "status.wireguardPublicKey", "key"},
		"key too short":         {node("wireguardPublicKey: aHVudGVyMg=="), "status.wireguardPublicKey", "key"},
		"IPv6 key that is none": {node("wireguardPublicKeyV6: \"" + strings.Repeat("A", 44) + "\""), "status.wireguardPublicKeyV6", "key"},
	} {
		t.Run(name, func(t *testing.T) {
			u := newUser(t)
			for _, command := range []string{"validate", "apply"} {
				out, errOut, code := u.run(c.text, command, "-f", "-")
				if said := out + errOut; code != ExitError || !strings.Contains(said, c.field+": ") || !strings.Contains(said, c.reason) {
					t.Errorf("%s: exit %d; want %s and %q\n%s", command, code, c.field, c.reason, said)
				}
			}
			for _, kind := range []string{"ippools", "felixconfigurations", "nodes"} {
				if out := u.must("", "get", kind, "-o", "name"); out != "" {
					t.Errorf("stored: %s", out)
				}
			}
		})
	}
}
