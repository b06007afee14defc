// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Loopback is the link between processes of one node.
const Loopback = "lo"

// Node is a node that a packet passes: its desired state, and what happens to packets there besides policy.
type Node struct {
	View desired.View
	// WorkloadPrefix begins the names of workloads' links.
	WorkloadPrefix string
	// Route returns the link by which packets to an address leave; "" means that the address is the node's own.
	Route func(netip.Addr) string
	// NAT returns the packet after destination NAT; nil stands for none.
	NAT func(Packet) Packet
	// Thorough asks at every place of the way, even if one denies, so that an explanation is complete.
	Thorough bool
}

// Place is one point on a packet's way through a node.
type Place struct {
	Link    string
	ID      desired.EndpointID // zero at a guard
	Host    bool               // a host endpoint, of which Traffic was asked
	Traffic Traffic
	Dir     rule.Direction
	Packet  Packet // as it is seen here
	Result
}

// Passage is what became of a packet.
type Passage struct {
	Verdict rule.Action // Allow or Deny
	// Out is the link by which the packet leaves; "" when a process of the node gets it. Of a denied packet it is as far as known.
	Out string
	// Packet is the packet as it leaves.
	Packet Packet
	// Untracked tells that the packet goes without connection tracking, and so without NAT.
	Untracked bool
	// Places are the points where something was asked, in order; if the packet is denied, the last one decided, or with Node.Thorough the first that denies.
	Places []Place
}

// String renders the places, each with its trace, and the verdict.
func (p *Passage) String() string {
	var b strings.Builder
	for _, at := range p.Places {
		b.WriteString(at.title() + "\n")
		for line := range strings.Lines(at.Result.String()) {
			b.WriteString("  " + line)
		}
		b.WriteByte('\n')
	}
	b.WriteString(p.Verdict.String())
	return b.String()
}

func (p *Place) title() string {
	switch {
	case p.Host:
		return fmt.Sprintf("%v %v at host endpoint %s, link %s", p.Traffic, p.Dir, p.ID.Name, p.Link)
	case p.ID != desired.EndpointID{}:
		return fmt.Sprintf("%v at workload %s/%s, link %s", p.Dir, p.ID.Namespace, p.ID.Name, p.Link)
	}
	return fmt.Sprintf("%v at link %s", p.Dir, p.Link)
}

// Pass judges the first packet of a flow on its whole way through the node. It enters by the link in, or "" for a process of the node. The
// order is that of the kernel: source check of a workload, untracked and pre-DNAT policy of the host endpoint it arrives at; then, to the
// node itself, normal policy of the host endpoint, or egress policy of the workload and Settings.EndpointToHost; or through the node: forward
// policy of the host endpoint, egress policy of the workload, forward policy of the host endpoint it leaves by, ingress policy of the workload.
//
// A named host endpoint goes before the one for any interface. That one has no untracked policy. It speaks for links of workloads too, between
// two workloads of the node as well, with its pre-DNAT and forward policy; with its normal policy only for what workloads send to the node, and
// with HostReturn (Felix's dispatch chains except workloads' links from normal egress policy alone). The node may always talk to its workloads.
func (n Node) Pass(in string, p Packet) Passage {
	p.Src, p.Dst = p.Src.Unmap(), p.Dst.Unmap()
	w := walk{Node: n, world: FromView(n.View), in: in, passage: Passage{Verdict: rule.Allow, Packet: p}}
	if in == "" {
		w.sent()
	} else {
		w.arrives()
	}
	return w.passage
}

// walk is a packet on its way.
type walk struct {
	Node
	world   World
	in      string
	final   bool // an early policy of the host endpoint it arrived at has allowed it
	passage Passage
}

func (w *walk) workload(link string) bool {
	return link != "" && strings.HasPrefix(link, w.WorkloadPrefix)
}

// sent is the way of what a process of the node sends.
func (w *walk) sent() {
	w.route()
	if w.passage.Out == "" {
		w.passage.Out = Loopback
	}
	if !w.early(Untracked, w.passage.Out, rule.Egress) {
		return
	}
	w.translate()
	if w.workload(w.passage.Out) {
		w.guard(w.passage.Out, rule.Ingress, rule.Allow, "the node may always talk to its workloads")
		return
	}
	if w.passage.Out == "" {
		w.passage.Out = Loopback
	}
	if w.known(w.passage.Packet.Dst) {
		w.guard(w.passage.Out, rule.Egress, rule.Allow, "a tunnelled packet to a known host")
		return
	}
	if !w.passage.Untracked && !w.normal(w.passage.Out, rule.Egress) {
		return
	}
	if w.passage.Out == Loopback {
		w.in, w.final = Loopback, false
		w.arrives()
	}
}

// arrives is the way of what comes in by a link.
func (w *walk) arrives() {
	switch {
	case w.workload(w.in):
		if !w.sourceKnown() {
			return
		}
	case !w.early(Untracked, w.in, rule.Ingress):
		return
	}
	if !w.final && !w.early(PreDNAT, w.in, rule.Ingress) {
		return
	}
	w.translate()
	switch decided, known := w.fromPeer(); {
	case w.passage.Out != "":
		w.forward()
	case decided && !known:
		w.guard(w.in, rule.Ingress, rule.Deny, "a tunnelled packet of an unknown host")
	case decided && !w.workload(w.in):
		w.guard(w.in, rule.Ingress, rule.Allow, "a tunnelled packet of a known host")
	case w.sizeReport() && !w.workload(w.in):
		w.guard(w.in, rule.Ingress, rule.Allow, "says that packets are too big for their path, as tunnels need to know")
	case w.workload(w.in):
		w.workloadToHost()
	case !w.final:
		w.normal(w.in, rule.Ingress)
	}
}

func (w *walk) workloadToHost() {
	if w.discovery() {
		w.guard(w.in, rule.Egress, rule.Allow, "neighbour discovery is not judged")
		return
	}
	if !w.egress() {
		return
	}
	switch w.View.Settings().EndpointToHost {
	case desired.HostDrop:
		w.guard(w.in, rule.Ingress, rule.Deny, "a workload may not talk to its own host (defaultEndpointToHostAction Drop)")
	case desired.HostAccept:
		w.guard(w.in, rule.Ingress, rule.Allow, "a workload may talk to its own host (defaultEndpointToHostAction Accept)")
	case desired.HostReturn:
		if !w.final {
			w.normal(w.in, rule.Ingress)
		}
	}
}

func (w *walk) forward() {
	out := w.passage.Out
	_ = (w.final || w.host(Forward, w.in, rule.Ingress)) &&
		(!w.workload(w.in) || w.egress()) &&
		w.host(Forward, out, rule.Egress) &&
		(!w.workload(out) || w.ingress())
}

// early asks untracked or pre-DNAT policy and tells whether the packet goes on.
func (w *walk) early(t Traffic, link string, dir rule.Direction) bool {
	ep := w.hostEndpoint(link)
	if ep == nil || t == Untracked && ep.Interface == desired.AnyInterface || len(hostTiers(ep, t, dir)) == 0 {
		return true
	}
	switch w.ask(ep, t, link, dir) {
	case rule.Allow:
		w.final = true
		w.passage.Untracked = w.passage.Untracked || t == Untracked
	case rule.Deny:
		return w.Thorough
	}
	return true
}

// normal asks the policy for processes of the node, and tells whether the packet goes on. Neighbour discovery passes, with what routers advertise: without it
// there is no IPv6 on the link, and so no failsafe port.
func (w *walk) normal(link string, dir rule.Direction) bool {
	if w.hostEndpoint(link) != nil && w.hostDiscovery() {
		return w.guard(link, dir, rule.Allow, "neighbour discovery is not judged")
	}
	return w.host(Normal, link, dir)
}

// host asks policy that decides, and tells whether the packet goes on.
func (w *walk) host(t Traffic, link string, dir rule.Direction) bool {
	ep := w.hostEndpoint(link)
	return ep == nil || w.goesOn(w.ask(ep, t, link, dir))
}

// goesOn tells whether a packet goes on behind a place with a verdict.
func (w *walk) goesOn(verdict rule.Action) bool { return verdict != rule.Deny || w.Thorough }

func (w *walk) ask(ep *desired.HostEndpoint, t Traffic, link string, dir rule.Direction) rule.Action {
	r := EvaluateHost(w.world, w.View.Settings(), ep, t, dir, w.passage.Packet)
	w.add(Place{Link: link, ID: ep.ID, Host: true, Traffic: t, Dir: dir, Result: r})
	return r.Verdict
}

// hostEndpoint returns the host endpoint that speaks for a link, or nil.
func (w *walk) hostEndpoint(link string) *desired.HostEndpoint {
	var anywhere *desired.HostEndpoint
	for ep := range w.View.HostEndpoints() {
		switch ep.Interface {
		case link:
			return ep
		case desired.AnyInterface:
			anywhere = ep
		}
	}
	return anywhere
}

func (w *walk) egress() bool {
	rules, kind := w.View.Settings().Tunnels, w.tunnelled()
	if kind == vxlan && !rules.AllowVXLAN || kind == ipip && !rules.AllowIPIP {
		return w.guard(w.in, rule.Egress, rule.Deny, "workloads may not send tunnelled packets (allowVXLANPacketsFromWorkloads, allowIPIPPacketsFromWorkloads)")
	}
	return w.evaluate(endpointAt(w.View, w.in), w.in, rule.Egress)
}

// ingress demands a workload of the packet's family.
func (w *walk) ingress() bool {
	ep := endpointAt(w.View, w.passage.Out)
	if ep == nil || !hasFamily(ep, w.passage.Packet.Dst) {
		return w.guard(w.passage.Out, rule.Ingress, rule.Deny, "no workload of this family is known at the link")
	}
	return w.evaluate(ep, w.passage.Out, rule.Ingress)
}

func (w *walk) evaluate(ep *desired.Endpoint, link string, dir rule.Direction) bool {
	if ep == nil {
		return w.guard(link, dir, rule.Deny, "no workload is known at the link")
	}
	r := Evaluate(w.world, ep, dir, w.passage.Packet)
	w.add(Place{Link: link, ID: ep.ID, Dir: dir, Result: r})
	return w.goesOn(r.Verdict)
}

// sourceKnown checks the source address of what a workload sends.
func (w *walk) sourceKnown() bool {
	ep, src := endpointAt(w.View, w.in), w.passage.Packet.Src
	switch {
	case ep != nil && maySend(ep, src), w.discovery() && autoconfigured(src):
		return true
	}
	return w.guard(w.in, rule.Egress, rule.Deny, "the source address is not the workload's")
}

// guard notes a decision outside of policy, and tells whether the packet goes on.
func (w *walk) guard(link string, dir rule.Direction, verdict rule.Action, why string) bool {
	w.add(Place{Link: link, Dir: dir, Result: Result{Verdict: verdict, Trace: []Step{{Kind: Guard, Action: verdict, Text: why}}}})
	return w.goesOn(verdict)
}

func (w *walk) add(p Place) {
	p.Packet = w.passage.Packet
	w.passage.Places = append(w.passage.Places, p)
	if p.Verdict == rule.Deny {
		w.passage.Verdict = rule.Deny
	}
}

// translate applies destination NAT to a tracked packet, and routes it.
func (w *walk) translate() {
	if w.NAT != nil && !w.passage.Untracked {
		w.passage.Packet = w.NAT(w.passage.Packet)
	}
	w.route()
}

func (w *walk) route() { w.passage.Out = w.Route(w.passage.Packet.Dst) }

// discovery tells whether the packet is one that IPv6 cannot do without on a link: MLD, router solicitation, neighbour discovery.
func (w *walk) discovery() bool {
	const icmpv6 = 58
	p := w.passage.Packet
	return p.Protocol == icmpv6 && slices.Contains([]uint8{130, 131, 132, 133, 135, 136}, p.ICMPType)
}

// hostDiscovery tells whether the packet is one that a host cannot do without on its own links: besides discovery, router advertisements, from which it
// has its default route, and MLDv2 reports, without which switches keep neighbour discovery from it. From workloads these two are judged like others.
func (w *walk) hostDiscovery() bool {
	const icmpv6, routerAdvertisement, reportV2 = 58, 134, 143
	p := w.passage.Packet
	return w.discovery() || p.Protocol == icmpv6 && (p.ICMPType == routerAdvertisement || p.ICMPType == reportV2)
}

// autoconfigured tells whether an address is one that a link gets without anyone's assigning it, or none.
func autoconfigured(a netip.Addr) bool {
	return a.Is6() && (a.IsLinkLocalUnicast() || a.IsUnspecified())
}

func endpointAt(view desired.View, link string) *desired.Endpoint {
	for ep := range view.Endpoints() {
		if ep.Interface == link {
			return ep
		}
	}
	return nil
}

func maySend(ep *desired.Endpoint, src netip.Addr) bool {
	inPrefix := func(p netip.Prefix) bool { return p.Contains(src) }
	return slices.Contains(ep.Addrs, src) || slices.ContainsFunc(ep.SpoofPrefixes, inPrefix)
}

func hasFamily(ep *desired.Endpoint, dst netip.Addr) bool {
	same := func(a netip.Addr) bool { return a.Is4() == dst.Is4() }
	return slices.ContainsFunc(ep.Addrs, same) || slices.ContainsFunc(ep.SpoofPrefixes, func(p netip.Prefix) bool { return same(p.Addr()) })
}
