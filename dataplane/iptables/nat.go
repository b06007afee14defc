// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/own"
)

// Chains of address translation. They are there only where something is to be translated.
const (
	chainFloating    = own.ChainPrefix + "floating"
	chainHostPorts   = own.ChainPrefix + "host-ports"
	chainLocalPorts  = own.ChainPrefix + "local-ports"
	chainNATOutgoing = own.ChainPrefix + "nat-outgoing"
)

// natOutgoingComment tells that a rule stands for the setting.
const natOutgoingComment = "nat outgoing"

// masquerade is the target that gives the address of the interface that packets leave by.
const masquerade = "-j MASQUERADE"

const randomly = " --random-fully"

// nat renders the translation of addresses. Only the first packet of a connection comes to this table.
func (b *builder) nat(endpoints []*desired.Endpoint) {
	leads := b.leads(endpoints)
	outgoing := b.natOutgoing()
	if leads { // a kernel that cannot do this closes the endpoints behind, see closed
		b.hook("PREROUTING", b.toWorkloads())
		b.hook("OUTPUT", slices.Concat(b.loopbackPorts(), b.toWorkloads()))
	}
	if !leads && !outgoing {
		return
	}
	var rules []string
	if leads { // what a workload has sent to itself has to come back by way of the host, as what a process has sent to a loopback address
		toItself := out(workloads).and(module("-m set --match-set " + b.fam.sourceSet().Name + " src,dst"))
		rules = append(rules, toItself.rule("workload to itself", masquerade+randomly))
		if !b.fam.v6 {
			rules = append(rules, out(workloads).and(loopback("-s")).rule("from a loopback address", masquerade+randomly))
		}
	}
	if outgoing {
		from := b.outgoing().and(b.member(desired.NATSources, "src"))
		rules = append(rules, from.rule(natOutgoingComment, jump(chainNATOutgoing)))
	}
	b.hook("POSTROUTING", rules)
}

// loopbackPorts is for processes of the host alone: nothing else may reach what listens at a loopback address. IPv6 has no such ports, as the kernel
// lets no packet from its loopback address leave the host.
func (b *builder) loopbackPorts() []string {
	if b.fam.v6 {
		return nil
	}
	return []string{branch{loopback("-d")}.rule("", jump(chainLocalPorts))}
}

// loopback tests that a side of a packet, -s or -d, is a loopback address of IPv4.
func loopback(side string) criterion {
	rank := rankSource
	if side == "-d" {
		rank = rankDestination
	}
	return criterion{rank: rank, text: side + " " + ipv4.loopback}
}

// toWorkloads finds the workload that a floating address or a port of the host leads to. What runs on the host keeps the loopback addresses but for
// loopbackPorts.
func (b *builder) toWorkloads() []string {
	notLoopback := criterion{rank: rankDestination, text: "! -d " + b.fam.loopback}
	return []string{
		branch{}.rule("", jump(chainFloating)),
		branch{notLoopback, module("-m addrtype --dst-type LOCAL")}.rule("", jump(chainHostPorts)),
	}
}

// leads renders what leads to the endpoints of the family, the ports of one address before those of all, and reports whether something does.
func (b *builder) leads(endpoints []*desired.Endpoint) bool {
	var floating, local, one, all []string
	for _, e := range endpoints {
		for _, f := range e.FloatingIPs {
			if familyOf(f.External) == b.fam {
				floating = append(floating, branch{destination(f.External)}.rule("", "-j DNAT --to-destination "+f.Internal.String()))
			}
		}
		for _, p := range e.HostPorts {
			if familyOf(p.To.Addr()) != b.fam {
				continue
			}
			port := []rule.PortRange{{Min: p.Port, Max: p.Port}}
			test := branch{protocol(false, p.Protocol), (&end{port: "dport"}).portTest(false, port, p.Protocol)}
			target := "-j DNAT --to-destination " + p.To.String()
			switch {
			case p.Host.IsLoopback():
				local = append(local, test.and(destination(p.Host)).rule("", target))
			case p.Host.IsValid():
				one = append(one, test.and(destination(p.Host)).rule("", target))
			default:
				all = append(all, test.rule("", target))
			}
		}
	}
	rules := slices.Concat(one, all)
	if len(floating)+len(local)+len(rules) == 0 {
		return false
	}
	if !b.fam.v6 {
		b.pin(chainLocalPorts, local)
	}
	b.pin(chainFloating, floating)
	b.pin(chainHostPorts, rules)
	return true
}

func destination(a netip.Addr) criterion {
	return criterion{rank: rankDestination, text: "-d " + desired.HostPrefix(a).String()}
}

// member tests that a side of a packet, src or dst, is in an IP set.
func (b *builder) member(id rule.SetID, side string) criterion {
	return module("-m set --match-set " + b.fam.setName(id) + " " + side)
}

// there reports whether an IP set is in the kernel.
func (b *builder) there(id rule.SetID) bool { return b.sets.byName[b.fam.setName(id)] != nil }

// natOutgoing renders what gives packets out of the pools an address of the node, and reports whether something does. Without the sets it is
// not known which.
func (b *builder) natOutgoing() bool {
	nat := b.settings.SourceNAT
	if nat.Sources == "" || !b.there(nat.Sources) || !b.there(nat.Inside) {
		return false
	}
	rules := []string{branch{b.member(nat.Inside, "dst")}.rule("", returns)}
	target, ports := masquerade, " --to-ports "+portRange(nat.MinPort, nat.MaxPort, "-")
	if nat.Address.IsValid() && !b.fam.v6 {
		target, ports = "-j SNAT --to-source "+nat.Address.String(), ":"+portRange(nat.MinPort, nat.MaxPort, "-")
	}
	if nat.MinPort != 0 {
		for _, p := range []uint8{protoTCP, protoUDP, protoSCTP} {
			rules = append(rules, branch{protocol(false, p)}.rule(natOutgoingComment, target+ports+randomly))
		}
	}
	b.pin(chainNATOutgoing, append(rules, branch{}.rule(natOutgoingComment, target+randomly)))
	return true
}

// outgoing tests the interface that packets leave by.
func (b *builder) outgoing() branch {
	if name := b.settings.SourceNAT.Interface; name != "" {
		return out(name)
	}
	return nil
}

func portRange(from, to uint16, dash string) string {
	return strconv.Itoa(int(from)) + dash + strconv.Itoa(int(to))
}
