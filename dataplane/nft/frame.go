// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// Names of the frame: base chains, dispatch maps and source address sets.
const (
	tableName       = own.NFTable
	chainPrerouting = "prerouting"
	chainForward    = "forward"
	chainInput      = "input"
	chainOthers     = "others"
	chainInvalid    = "invalid"
	chainToHost     = "to-host"
	chainDeny       = "deny"
)

func fromChain(f *family) string { return "from" + f.tag }
func toChain(f *family) string   { return "to" + f.tag }

// egressMap and ingressMap lead from interface names to the chains for what is forwarded from and to them; egressMap also for what workloads
// send to the host.
func egressMap(f *family) *nft.Set  { return hostMap("egress")(f) }
func ingressMap(f *family) *nft.Set { return hostMap("ingress")(f) }

// sourceSet holds the addresses that each workload interface may send from; sourceNetSet the prefixes, unless guards know them.
func sourceSet(f *family) *nft.Set {
	return &nft.Set{Name: "source" + f.tag, Key: []nft.Field{nft.FieldIfname, f.addr}}
}

func sourceNetSet(f *family) *nft.Set {
	return &nft.Set{Name: "source-net" + f.tag, Key: []nft.Field{nft.FieldIfname, f.addr}, Interval: true}
}

// frame is what the chains around the endpoints' depend on.
type frame struct {
	settings *desired.Settings
	// hosts: there are host endpoints, some with untracked, pre-DNAT or forward policy.
	hosts, untracked, preDNAT, forwardPolicy bool
	// any is the host endpoint for any interface; nil: none.
	any *endpoint
	// shapes are those of the IP sets that settings refer to.
	shapes map[rule.SetID]shape
	// translated: addresses lead to workloads by translation.
	translated bool
	// guarded: workloads' interfaces have chains of their own that check sources.
	guarded bool
}

// members look an address up in the kernel's sets for an IP set that the settings refer to; none if it is not there.
func (f frame) members(id rule.SetID, fam *family, addr *field) []stmt {
	known, ok := f.shapes[id]
	if !ok {
		return nil
	}
	out := []stmt{in{fields: []*field{addr}, set: known.hostSet(id, fam)}}
	if known.nets[fam.index()] {
		out = append(out, in{fields: []*field{addr}, set: known.netSet(id, fam)})
	}
	return out
}

// marks reports whether policy before that for host processes can accept packets for all host endpoints.
func (f frame) marks() bool { return f.untracked || f.preDNAT }

// frameChain is a chain of the frame.
type frameChain struct {
	chain nft.Chain
	rules []ruleSpec
}

// ICMPv6 types that a workload needs to talk to its router at all: MLD and neighbour discovery, accepted before policy as Calico does. Without
// them the host's failsafe ports were of no use either.
var discoveryTypes = [][]byte{{130}, {131}, {132}, {133}, {135}, {136}}

// hostDiscoveryTypes are those that the host needs on its own links: router advertisements (134) and MLDv2 reports (143) as well.
var hostDiscoveryTypes = append(slices.Clone(discoveryTypes), []byte{134}, []byte{143})

// Statements that occur often.
var (
	isIPv4    = is{f: nfproto, value: []byte{ipv4.nfproto}}
	isIPv6    = is{f: nfproto, value: []byte{ipv6.nfproto}}
	isICMPv6  = is{f: l4proto, value: []byte{protoICMPv6}}
	discovery = inConst(icmp6, false, hostSet(icmp6.kind, discoveryTypes))

	hostDiscovery = inConst(icmp6, false, hostSet(icmp6.kind, hostDiscoveryTypes))

	fromWorkload    = named{iifname, false, own.InterfacePrefix}
	notFromWorkload = named{iifname, true, own.InterfacePrefix}
	toWorkload      = named{oifname, false, own.InterfacePrefix}
)

// rejection answers what policy denies. A variable for tests of a kernel that cannot.
var rejection = []ruleSpec{ruleOf(is{f: l4proto, value: []byte{protoTCP}}, rejectTCP{}), ruleOf(rejectOther{})}

func ruleOf(stmts ...stmt) ruleSpec { return ruleSpec{stmts: stmts} }

// sets are the sets and maps that are always there.
func (f frame) sets() []*nft.Set {
	var out []*nft.Set
	for _, fam := range families {
		out = append(out, egressMap(fam), ingressMap(fam), sourceSet(fam))
		if !f.guarded {
			out = append(out, sourceNetSet(fam))
		}
	}
	if f.hosts {
		out = append(out, f.hostSets()...)
	}
	if f.translated {
		out = append(out, natSets()...)
	}
	return out
}

// chains renders the chains around the endpoints'.
//
// Where tunnels are, what opens a TCP connection, from either side, is fitted to its path first. A packet of a known connection ends with the next
// rule of forward. A TCP segment from the middle of an unknown one is invalid, though connection tracking takes it for new (nf_conntrack_tcp_loose):
// it does not tell who opened the connection. A new packet goes through its sender's egress chain if it comes from a workload and, when that allows
// it, through to4 or to6 to the receiver's ingress chain. Names that no map knows are dropped if they are workloads' names: a workload without its
// policy in place is closed.
func (f frame) chains() []frameChain {
	chains := []frameChain{
		{base(chainForward, nft.HookForward, nft.PriorityFilter), slices.Concat(f.clamp(), f.known(), f.midway(), []ruleSpec{
			ruleOf(isIPv4, goTo(f.forwarded(ipv4))),
			ruleOf(isIPv6, goTo(f.forwarded(ipv6))),
		})},
		f.input(),
		{nft.Chain{Name: chainToHost}, f.workloadToHost()},
		{nft.Chain{Name: chainDeny}, f.denial()},
	}
	if rules := f.prerouting(); len(rules) > 0 {
		chains = append(chains, frameChain{base(chainPrerouting, nft.HookPrerouting, nft.PriorityRaw), rules})
	}
	if !f.settings.AllowInvalid {
		chains = append(chains, frameChain{nft.Chain{Name: chainInvalid}, f.invalid()})
	}
	for _, fam := range families {
		chains = append(chains, f.from(fam), f.to(fam))
	}
	if f.hosts {
		chains = append(chains, f.hostChains()...)
	}
	if len(f.settings.Tunnels.Sets()) > 0 {
		chains = append(chains, f.tunnelChains()...)
	}
	if others := f.others(); len(others) > 0 {
		chains = append(chains, frameChain{nft.Chain{Name: chainOthers}, others})
	}
	if f.settings.ClampMSS {
		chains = append(chains, frameChain{nft.Chain{Name: chainClamp}, []ruleSpec{ruleOf(clampMSS{})}})
	}
	return append(chains, f.natChains()...)
}

func base(name string, hook uint32, priority int32) nft.Chain {
	return nft.Chain{Name: name, Hook: &nft.Hook{Num: hook, Priority: priority}}
}

// prerouting renders what packets meet before connection tracking: unless their interfaces are guarded, the sources of workloads are checked.
func (f frame) prerouting() []ruleSpec {
	var rules []ruleSpec
	if f.marks() {
		rules = append(rules, ruleOf(clearMark(own.AcceptMark)))
	}
	switch {
	case len(f.others()) > 0:
		rules = append(rules, ruleOf(notFromWorkload, goTo(chainOthers)))
	case !f.guarded:
		rules = append(rules, ruleOf(notFromWorkload, accept))
	}
	if f.guarded {
		return rules
	}
	return append(rules,
		ruleOf(isIPv4, in{fields: []*field{iifname, ipv4.saddr}, set: sourceSet(ipv4).Name}, accept),
		ruleOf(isIPv6, in{fields: []*field{iifname, ipv6.saddr}, set: sourceSet(ipv6).Name}, accept),
		ruleOf(isIPv4, in{fields: []*field{iifname, ipv4.saddr}, set: sourceNetSet(ipv4).Name}, accept),
		ruleOf(isIPv6, in{fields: []*field{iifname, ipv6.saddr}, set: sourceNetSet(ipv6).Name}, accept),
		configuring(), foreign,
	)
}

// others renders what packets that come from no workload meet before connection tracking; workloads' own do not pay for it.
func (f frame) others() []ruleSpec {
	var rules []ruleSpec
	if len(f.settings.Tunnels.Sets()) > 0 {
		rules = f.tunnelled(jump(chainTunnelsIn))
	}
	if f.untracked {
		rules = append(rules, ruleOf(goTo(chainRawIn)))
	}
	return rules
}

// known ends the way of packets that connection tracking knows.
func (f frame) known() []ruleSpec {
	rules := []ruleSpec{
		ruleOf(state(ctEstablished|ctRelated), ended{not: true}, accept),
		{[]stmt{ended{}, counter{}, drop}, "connection ended by policy"},
	}
	if !f.settings.AllowInvalid {
		rules = append(rules, ruleOf(state(ctInvalid), goTo(chainInvalid)))
	}
	return rules
}

// midway takes TCP segments from the middle of unknown connections for invalid. Those of the host's own are spared: connection tracking may be
// younger than they are, and failsafe ports keep them going.
func (f frame) midway() []ruleSpec {
	if f.settings.AllowInvalid {
		return nil
	}
	return []ruleSpec{ruleOf(state(ctNew), is{f: l4proto, value: []byte{protoTCP}}, midway{}, jump(chainInvalid))}
}

func (f frame) input() frameChain {
	others := []ruleSpec{ruleOf(notFromWorkload, accept)}
	rules := slices.Concat(f.tunnelled(goTo(chainTunnels)), others, f.known())
	if f.hosts {
		rules = slices.Concat(f.tunnelled(goTo(chainTunnels)), f.sizeReports(), f.known(), others)
	}
	return frameChain{base(chainInput, nft.HookInput, nft.PriorityFilter), slices.Concat(rules, f.midway(), []ruleSpec{
		ruleOf(isICMPv6, discovery, accept),
		ruleOf(isIPv4, goTo(fromChain(ipv4))),
		ruleOf(isIPv6, goTo(fromChain(ipv6))),
		ruleOf(drop),
	})}
}

// invalid drops packets of no valid connection state of all interfaces with policy.
func (f frame) invalid() []ruleSpec {
	end := func(stmts ...stmt) ruleSpec {
		return ruleSpec{append(stmts, counter{}, drop), "invalid connection state"}
	}
	if f.any != nil {
		return []ruleSpec{end()}
	}
	rules := []ruleSpec{end(fromWorkload), end(toWorkload)}
	if f.hosts {
		rules = append(rules, end(in{fields: []*field{iifname}, set: hostInterfaces.Name}), end(in{fields: []*field{oifname}, set: hostInterfaces.Name}))
	}
	return rules
}

// denial ends the way of all packets that policy denies.
func (f frame) denial() []ruleSpec {
	if !f.settings.Reject {
		return []ruleSpec{ruleOf(drop)}
	}
	return rejection
}

// workloadToHost ends the way from a workload to its own host. As nftables lets every table decide, accepting a packet leaves it to the rules of
// others, as returning it does.
func (f frame) workloadToHost() []ruleSpec {
	end := accept
	if f.settings.EndpointToHost == desired.HostDrop {
		end = drop
	}
	return []ruleSpec{{[]stmt{counter{}, end}, "workload to its own host"}}
}

// forwarded is the chain where forwarded packets begin.
func (f frame) forwarded(fam *family) string {
	if f.forwardPolicy {
		return forwardChain(fam)
	}
	return fromChain(fam)
}

// from renders the chain that finds the sender of a packet, by its input interface.
func (f frame) from(fam *family) frameChain {
	return frameChain{nft.Chain{Name: fromChain(fam)}, append(f.noTunnels(fam),
		ruleOf(vmap{iifname, egressMap(fam).Name}),
		ruleSpec{[]stmt{fromWorkload, counter{}, drop}, "no policy in place for the interface"},
		ruleOf(goTo(toChain(fam))),
	)}
}

// to renders the chain that finds the receiver of a packet that is allowed so far. A packet to the host has no output interface.
func (f frame) to(fam *family) frameChain {
	receiver := []ruleSpec{ruleOf(accept)} // the next base chain finds it
	if !f.forwardPolicy {
		receiver = f.receiver(fam)
	}
	own := ruleOf(is{f: oif, value: make([]byte, 4)}, goTo(chainToHost))
	return frameChain{nft.Chain{Name: toChain(fam)}, slices.Insert(receiver, len(receiver)-1, own)}
}

// receiver finds the receiver by the output interface.
func (f frame) receiver(fam *family) []ruleSpec {
	return []ruleSpec{
		ruleOf(vmap{oifname, ingressMap(fam).Name}),
		{[]stmt{toWorkload, counter{}, drop}, "no policy in place for the interface"},
		ruleOf(accept),
	}
}

// frameState is the frame as it was written.
type frameState struct {
	stale  bool
	chains map[string]framed
	sets   map[string]*nft.Set
}

type framed struct {
	sum    [sha256.Size]byte
	consts []string
}

// frameNow is the frame that settings and host endpoints ask for.
func (l *ledger) frameNow() frame {
	f := frame{settings: l.view.Settings(), hosts: len(l.hosts) > 0}
	f.guarded = l.options.guarded
	f.shapes, f.translated = map[rule.SetID]shape{}, l.translated > 0
	for _, id := range frameSets {
		if known, ok := l.shape(id); ok {
			f.shapes[id] = known
		}
	}
	for _, h := range l.hosts {
		f.untracked = f.untracked || placeRawIn.has(h.host) || placeRawOut.has(h.host)
		f.preDNAT = f.preDNAT || placePreDNAT.judges(h.host)
		f.forwardPolicy = f.forwardPolicy || placeForwardIn.judges(h.host) || placeForwardOut.judges(h.host)
		if h.iface == desired.AnyInterface {
			f.any = h
		}
	}
	return f
}

// tag is whose a chain of the frame is: a setting's, or that of all.
func (f frame) tag(name string) unit {
	if tag, ok := f.natTag(name); ok {
		return tag
	}
	switch {
	case name == chainDeny:
		return ofSetting(dataplane.DenyAction)
	case strings.HasPrefix(name, failsafeChain("")):
		return ofSetting(dataplane.FailsafePorts)
	case name == chainToHost:
		return ofSetting(dataplane.HostAction)
	case name == chainClamp:
		return ofSetting(dataplane.MSSClamp)
	}
	return unit{}
}

// settleFrame brings the frame to what settings and host endpoints ask for.
func (l *ledger) settleFrame() {
	if !l.frame.stale {
		return
	}
	old, now := l.frame, frameState{chains: map[string]framed{}, sets: map[string]*nft.Set{}}
	f := l.frameNow()
	for _, s := range f.sets() {
		now.sets[s.Name] = s
		if old.sets[s.Name] == nil {
			l.next.addSets = append(l.next.addSets, setAdd{set: s})
		}
	}
	for name := range old.sets {
		if now.sets[name] == nil {
			l.next.dropSets = append(l.next.dropSets, name)
		}
	}
	for _, c := range f.chains() {
		now.chains[c.chain.Name] = l.settleFramed(c, f.tag(c.chain.Name), old.chains)
	}
	for name, was := range old.chains {
		for _, k := range was.consts {
			l.releaseConst(k)
		}
		if _, ok := now.chains[name]; !ok {
			l.next.dropChains = append(l.next.dropChains, name)
		}
	}
	l.frame = now
}

func (l *ledger) settleFramed(c frameChain, tag unit, old map[string]framed) framed {
	now := framed{sum: sumOf(c.rules)}
	for _, k := range constsOf(c.rules) {
		l.holdConst(k, tag)
		now.consts = append(now.consts, k.set.Name)
	}
	if was, ok := old[c.chain.Name]; !ok || was.sum != now.sum {
		l.writes[c.chain.Name] = chainWrite{chain: c.chain, fresh: !ok, rules: c.rules, tag: tag}
	}
	return now
}
