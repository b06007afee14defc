// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// Chains of the frame that exist for host endpoints.
const (
	chainRawIn       = "raw-in"
	chainRawOut      = "raw-output"
	chainPreDNAT     = "mangle-prerouting"
	chainHostIn      = "host-in"
	chainForwardOut  = "forward-out"
	chainOutput      = "output"
	chainPostrouting = "postrouting"
)

func forwardChain(f *family) string  { return "forward" + f.tag }
func receiverChain(f *family) string { return "receiver" + f.tag }

func failsafeChain(name string) string { return "failsafe/" + name }

// hostSets are the maps of all places.
func (f frame) hostSets() []*nft.Set {
	out := []*nft.Set{hostInterfaces}
	for _, p := range places {
		for _, fam := range families {
			out = append(out, p.set(fam))
		}
	}
	return out
}

func (f frame) hostChains() []frameChain {
	chains := []frameChain{f.hostIn(), f.output(), f.postrouting(),
		{nft.Chain{Name: failsafeChain("in")}, failsafes(f.settings, rule.Ingress, false)},
		{nft.Chain{Name: failsafeChain("out")}, failsafes(f.settings, rule.Egress, false)},
	}
	for _, fam := range families {
		chains = append(chains, f.forwardIn(fam), frameChain{nft.Chain{Name: receiverChain(fam)}, f.receiver(fam)})
	}
	if f.forwardPolicy {
		chains = append(chains, f.forwardOut())
	}
	if f.marks() {
		chains = append(chains, f.rawOutput())
	}
	if f.preDNAT {
		chains = append(chains, f.manglePrerouting())
	}
	if f.untracked {
		chains = append(chains,
			frameChain{nft.Chain{Name: chainRawIn}, f.meet(placeRawIn, iifname, "raw-in")},
			frameChain{nft.Chain{Name: failsafeChain("raw-in")}, failsafes(f.settings, rule.Ingress, true)},
			frameChain{nft.Chain{Name: failsafeChain("raw-out")}, failsafes(f.settings, rule.Egress, true)},
		)
	}
	return chains
}

// meet leads packets that are not for failsafe ports to the policy of a place. What comes back goes on.
func (f frame) meet(p *place, name *field, failsafe string) []ruleSpec {
	rules := []ruleSpec{ruleOf(jump(failsafeChain(failsafe)))}
	for _, fam := range families {
		rules = append(rules, ruleOf(is{f: nfproto, value: []byte{fam.nfproto}}, vmap{name, p.set(fam).Name}))
	}
	for _, fam := range families {
		rules = append(rules, f.elsewhere(p, fam, is{f: nfproto, value: []byte{fam.nfproto}})...)
	}
	return rules
}

// elsewhere leads packets at interfaces that are in no map to the host endpoint for any interface.
func (f frame) elsewhere(p *place, fam *family, tests ...stmt) []ruleSpec {
	if chain := f.any.leads(p.set(fam)); chain != "" {
		return []ruleSpec{ruleOf(append(tests, jump(chain))...)}
	}
	return nil
}

// forwardIn asks forward policy of the interface in, and goes on with the sender.
func (f frame) forwardIn(fam *family) frameChain {
	var rules []ruleSpec
	if f.marks() {
		rules = append(rules, ruleOf(marked{bits: own.AcceptMark}, goTo(fromChain(fam))))
	}
	rules = append(rules, ruleOf(vmap{iifname, placeForwardIn.set(fam).Name}))
	rules = append(rules, f.elsewhere(placeForwardIn, fam)...)
	return frameChain{nft.Chain{Name: forwardChain(fam)}, append(rules, ruleOf(goTo(fromChain(fam))))}
}

// forwardOut asks forward policy of the interface out, and goes on with the receiver. It and hostIn are base chains of their own because
// the kernel follows at most 16 chains in a row.
func (f frame) forwardOut() frameChain {
	rules := []ruleSpec{ruleOf(state(ctEstablished|ctRelated), accept)}
	for _, fam := range families {
		here := is{f: nfproto, value: []byte{fam.nfproto}}
		rules = append(rules, ruleOf(here, vmap{oifname, placeForwardOut.set(fam).Name}))
		rules = append(rules, f.elsewhere(placeForwardOut, fam, here)...)
		rules = append(rules, ruleOf(here, goTo(receiverChain(fam))))
	}
	return frameChain{base(chainForwardOut, nft.HookForward, nft.PriorityFilter+1), rules}
}

// rawOutput is where packets of the host's processes begin.
func (f frame) rawOutput() frameChain {
	rules := []ruleSpec{ruleOf(clearMark(own.AcceptMark))}
	if f.untracked {
		rules = append(rules, f.meet(placeRawOut, oifname, "raw-out")...)
	}
	return frameChain{base(chainRawOut, nft.HookOutput, nft.PriorityRaw), rules}
}

func (f frame) manglePrerouting() frameChain {
	rules := []ruleSpec{
		ruleOf(state(ctEstablished|ctRelated), accept),
		ruleOf(marked{bits: own.AcceptMark}, accept),
	}
	return frameChain{base(chainPreDNAT, nft.HookPrerouting, nft.PriorityMangle), append(rules, f.meet(placePreDNAT, iifname, "in")...)}
}

// hostIn judges what comes to processes of the host. What comes from a workload, whose policy has allowed it in input, is left to the host
// endpoint for any interface only where Calico has it return to the rules of others.
func (f frame) hostIn() frameChain {
	rules := []ruleSpec{ruleOf(state(ctEstablished|ctRelated), accept)}
	if f.settings.EndpointToHost != desired.HostReturn {
		rules = append(rules, ruleOf(fromWorkload, accept))
	}
	rules = slices.Concat(rules, f.tunnelled(accept), // input has dropped those of unknown hosts
		f.encrypted(source), f.sizeReports(), f.acceptedBefore())
	return frameChain{base(chainHostIn, nft.HookInput, nft.PriorityFilter+1), append(rules, f.meet(placeIn, iifname, "in")...)}
}

// acceptedBefore ends the way of what earlier policy has accepted, and of what IPv6 cannot do without.
func (f frame) acceptedBefore() []ruleSpec {
	var rules []ruleSpec
	if f.marks() {
		rules = append(rules, ruleOf(marked{bits: own.AcceptMark}, accept))
	}
	return append(rules, ruleOf(isICMPv6, hostDiscovery, accept))
}

// output judges what comes from processes of the host. They may always talk to workloads. Where an address was translated the output interface
// is not known yet: that is judged in postrouting.
func (f frame) output() frameChain {
	rules := slices.Concat([]ruleSpec{ruleOf(toWorkload, accept)}, f.known(), f.tunnelled(jump(chainToPeers)), f.encrypted(destination), f.acceptedBefore(),
		[]ruleSpec{ruleOf(translated{}, setMark(own.NATMark), accept)}, f.meet(placeOut, oifname, "out"))
	return frameChain{base(chainOutput, nft.HookOutput, nft.PriorityFilter), rules}
}

func (f frame) postrouting() frameChain {
	rules := []ruleSpec{
		ruleOf(marked{bits: own.NATMark, not: true}, accept),
		ruleOf(clearMark(own.NATMark)),
		ruleOf(toWorkload, accept),
	}
	return frameChain{base(chainPostrouting, nft.HookPostrouting, nft.PriorityMangle), append(rules, f.meet(placeNATOut, oifname, "out")...)}
}

// failsafes accept packets to failsafe ports. Before connection tracking nothing is known of replies: there the ports of the other direction
// are accepted as source ports.
func failsafes(settings *desired.Settings, dir rule.Direction, untracked bool) []ruleSpec {
	other := func(f *family) *field { return f.saddr }
	if dir == rule.Egress {
		other = func(f *family) *field { return f.daddr }
	}
	rules := failsafePorts(settings.Failsafe[dir], dport, other)
	if untracked {
		rules = append(rules, failsafePorts(settings.Failsafe[1-dir], sport, other)...)
	}
	return rules
}

func failsafePorts(list []desired.Failsafe, port *field, other func(*family) *field) []ruleSpec {
	var rules []ruleSpec
	var keys [][]byte
	for _, s := range list {
		if !s.Net.IsValid() {
			keys = append(keys, append([]byte{s.Protocol, 0, 0, 0}, append(be16(s.Port), 0, 0)...))
			continue
		}
		fam := familyOf(s.Net.Addr())
		rules = append(rules, ruleOf(is{f: l4proto, value: []byte{s.Protocol}}, is{f: port, value: be16(s.Port)},
			is{f: nfproto, value: []byte{fam.nfproto}}, within{f: other(fam), prefix: s.Net.Masked()}, accept))
	}
	if len(keys) > 0 {
		k := concatSet([]nft.Field{nft.FieldProto, nft.FieldPort}, keys)
		rules = append(rules, ruleOf(in{fields: []*field{l4proto, port}, set: k.set.Name, konst: k}, accept))
	}
	return rules
}
