// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Verdict is "allow" or "deny".
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow"
	Deny  Verdict = "deny"
)

func verdictOf(allowed bool) Verdict {
	if allowed {
		return Allow
	}
	return Deny
}

// Answer is what becomes of a flow and why.
type Answer struct {
	Verdict     Verdict `json:"verdict"`
	Source      Party   `json:"source"`
	Destination Party   `json:"destination"`
	// Translation is how packets come to the destination; absent if they are sent to its own address.
	Translation *Translation `json:"translation,omitempty"`
	// Protocol is a name or a number.
	Protocol string `json:"protocol"`
	// Port is 0 if the question is not about one; Ports then lists what each gets, unless all get the same.
	Port     uint16  `json:"port,omitempty"`
	PortName string  `json:"portName,omitempty"`
	Ports    []Ports `json:"ports,omitempty"`
	ICMP     string  `json:"icmp,omitempty"` // "8/0": type and code
	Egress   End     `json:"egress"`
	Ingress  End     `json:"ingress"`
	// Changes together would allow a denied flow.
	Changes []Change `json:"changes,omitempty"`
	Notes   []string `json:"notes,omitempty"`

	packet eval.Packet // as the destination gets it
	sent   eval.Packet // as it is sent, before any translation
}

// outgoing notes that the source's node gives packets another source.
func (q *question) outgoing(a *Answer) {
	addr := q.cluster.Outgoing(q.src, q.target(), a.sent)
	if !addr.IsValid() {
		return
	}
	a.packet.Src = addr
	to := "the destination"
	if q.dst.Node != "" {
		to = "node " + q.dst.Node
	}
	a.Notes = append(a.Notes, fmt.Sprintf("packets leave the IP pools, and node %s gives them the source %s (natOutgoing): that is what %s sees", q.src.Node, addr, to))
}

// Translation is that of the destination of packets, at the workload's node, before policy.
type Translation struct {
	// Kind is "floating IP" or "host port".
	Kind string `json:"kind"`
	// From and To are addresses, with a host port also the ports: "192.0.2.1:8080".
	From string `json:"from"`
	To   string `json:"to"`
	Node string `json:"node"`
}

// String renders a translation on a line.
func (t *Translation) String() string {
	return fmt.Sprintf("%s %s: node %s translates it to %s before it asks policy", t.Kind, t.From, t.Node, t.To)
}

// Party is one end of the flow. Address is empty if it is not known.
type Party struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	Node    string `json:"node,omitempty"`
}

// Ports is a range of ports, "443" or "8000-8080", and its verdict.
type Ports struct {
	Ports   string  `json:"ports"`
	Verdict Verdict `json:"verdict"`
}

// End is the verdict at one end of the flow. Fields are empty where they do not apply: without policy there is no tier.
type End struct {
	Verdict Verdict `json:"verdict"`
	Tier    string  `json:"tier"`
	// Policy is the one that decided; where none did, those that isolate the endpoint.
	Policy string `json:"policy"`
	// Rule is the text of the rule that decided, empty if none did.
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	// RuleID is the rule's name in counters and flow records.
	RuleID rule.ID `json:"ruleID,omitempty"`
	// HostEndpoint and Hook are set if the policy of a host endpoint decided, for traffic of that sort.
	HostEndpoint string `json:"hostEndpoint,omitempty"`
	Hook         Hook   `json:"hook,omitempty"`
	// HostEndpoints are what the host endpoints said that the flow meets at the node of this end, in order; without those that have no policy for it.
	HostEndpoints []Crossing `json:"hostEndpoints,omitempty"`
	// Matches say by which labels the rule meant the packet.
	Matches []Match `json:"matches,omitempty"`
	// Nearest is the rule that would have allowed the flow with the fewest differences, of the policies that isolate the endpoint.
	Nearest *Nearest `json:"nearest,omitempty"`
	// Staged is the verdict with all staged policies in force, nil if that would be the same.
	Staged *Staged `json:"staged,omitempty"`
	// Kernel is what the node's kernel says, nil if it was not asked.
	Kernel *Kernel `json:"kernel,omitempty"`
	// Steps are all that happened before the verdict, the last one decided.
	Steps []string `json:"steps,omitempty"`
}

// Staged is what would become of the flow at one end with staged policies in force.
type Staged struct {
	Verdict Verdict `json:"verdict"`
	Tier    string  `json:"tier"`
	Policy  string  `json:"policy"`
	Rule    string  `json:"rule"`
	Reason  string  `json:"reason"`
}

// Kernel is what the kernel of an end's node says about the flow.
type Kernel struct {
	Node string `json:"node"`
	// Hits is how many packets the rule that decides has decided there since it was programmed; absent if no rule decides.
	Hits *uint64 `json:"hits,omitempty"`
	// Connections are those of the flow that are open: they were allowed when they began.
	Connections []string `json:"connections"`
}

// Match is a selector of a rule and the labels by which it chose an object, or "service namespace/name" that lists it.
type Match struct {
	Object   string            `json:"object"`
	Selector string            `json:"selector"`
	Labels   map[string]string `json:"labels"`
}

func (q *question) answer() *Answer {
	a := &Answer{Source: q.party(q.src, true), Destination: q.party(q.dst, false), Protocol: v3.ProtocolName(q.packet.Protocol), PortName: q.portName}
	if q.anyPort {
		a.Ports = q.settleAnyPort()
	} else {
		a.Port = q.packet.DstPort
	}
	if q.packet.Protocol == protoICMP || q.packet.Protocol == protoICMPv6 {
		a.ICMP = fmt.Sprintf("%d/%d", q.packet.ICMPType, q.packet.ICMPCode)
	}
	a.packet, a.sent = q.packet, q.packet
	if t := q.via; t != nil {
		a.sent = t.Undo(q.packet)
		a.Translation = &Translation{Kind: "floating IP", From: t.From.Addr().String(), To: t.To.Addr().String(), Node: t.End.Node}
		if t.HostPort {
			a.Translation = &Translation{Kind: "host port", From: t.From.String(), To: t.To.String(), Node: t.End.Node}
		}
	}
	j := q.judge(q.packet)
	a.Verdict = verdictOf(j.Allowed())
	a.Egress, a.Ingress = q.explain(j, rule.Egress), q.explain(j, rule.Ingress)
	if !j.Allowed() && len(a.Ports) == 0 {
		a.Changes = q.changes()
	}
	a.Notes = append(q.notes(j), q.cluster.Notes()...)
	q.outgoing(a)
	return a
}

// settleAnyPort makes the question one about a port that no rule means, and lists what the others get if that is something else.
func (q *question) settleAnyPort() []Ports {
	all := q.spans()
	q.packet.DstPort = widest(all).Min
	if len(all) == 1 {
		return nil
	}
	var out []Ports
	for _, s := range all {
		out = append(out, Ports{s.String(), verdictOf(s.allowed)})
	}
	return out
}

func (q *question) party(end *cluster.End, source bool) Party {
	addr := q.packet.Dst
	if source {
		addr = q.packet.Src
	}
	p := Party{Name: end.Name, Node: end.Node}
	if !q.cluster.Made(addr) {
		p.Address = addr.String()
	}
	if end.Node == cluster.Unscheduled {
		p.Node = ""
	}
	return p
}

// explain words the judgement at one end.
func (q *question) explain(j cluster.Judgement, dir rule.Direction) End {
	side := j[dir]
	out := End{Verdict: verdictOf(side.Allowed), Reason: side.Reason}
	for i := range side.Hosts {
		if at := &side.Hosts[i]; at.Result.Trace[0].Kind != eval.NothingDecides { // without policy of that sort
			out.HostEndpoints = append(out.HostEndpoints, crossing(at))
		}
	}
	if side.Result == nil {
		return out
	}
	if side.Host() {
		out.HostEndpoint, out.Hook = side.At.ID.Name, hooks[side.At.Traffic]
	}
	for _, step := range side.Result.Trace {
		out.Steps = append(out.Steps, step.String())
	}
	d := side.Result.Decision()
	out.Tier, out.RuleID = d.Tier, d.RuleID
	out.Policy, out.Rule = decidedBy(d)
	out.Reason = q.reason(side, dir)
	out.Staged = q.staged(side, dir)
	out.Matches = q.matches(side, d)
	if d.Kind == eval.TierEnd {
		out.Nearest = q.nearest(side, side.At.Dir, d.Applied)
	}
	return out
}

// decidedBy returns the policy, or policies, and the text of the rule behind a decision, each empty if there is none.
func decidedBy(d eval.Step) (policy, text string) {
	switch d.Kind {
	case eval.TierEnd, eval.ProfilesEnd:
		return names(d.Applied), ""
	case eval.RuleMatched, eval.Missing:
		return d.Policy.String(), d.Text
	}
	return "", ""
}

// staged words what staged policies would change, nil if nothing.
func (q *question) staged(side cluster.Side, dir rule.Direction) *Staged {
	if side.Staged == nil || side.Staged.Verdict == side.Result.Verdict {
		return nil
	}
	var j cluster.Judgement
	j[dir] = cluster.Side{Allowed: side.Staged.Verdict == rule.Allow, At: side.At, Result: side.Staged, World: side.World}
	then := q.explain(j, dir)
	return &Staged{then.Verdict, then.Tier, then.Policy, then.Rule, then.Reason}
}

// reason tells in a sentence why an end came to its verdict.
func (q *question) reason(side cluster.Side, dir rule.Direction) string {
	if side.Host() {
		return hostReason(side.At)
	}
	d, name := side.Result.Decision(), q.end(dir).Name
	switch d.Kind {
	case eval.TierEnd:
		return fmt.Sprintf("%s isolated for %s by %s, and no rule there allows this flow", name+" is", dir, names(d.Applied))
	case eval.ProfilesEnd:
		if len(d.Applied) == 0 {
			return fmt.Sprintf("%s for %s, and %s has no profile that would allow it", noPolicy(side), dir, name)
		}
		return fmt.Sprintf("%s for %s, and no rule of %s allows this flow", noPolicy(side), dir, names(d.Applied))
	case eval.Missing:
		return fmt.Sprintf("%s of %s cannot be judged, so nothing passes: %s", dir, name, d.Text)
	case eval.RuleMatched:
		text := ruleReason(d, dir)
		if d.Policy.Kind == rule.KindProfile {
			text = fmt.Sprintf("%s for %s, and %s", noPolicy(side), dir, text)
		}
		return text
	}
	return d.String()
}

func ruleReason(d eval.Step, dir rule.Direction) string {
	verb := map[rule.Action]string{rule.Allow: "allows", rule.Deny: "denies"}[d.Action]
	return fmt.Sprintf("%s rule %d of %s %s it", dir, d.Index, d.Policy, verb)
}

// noPolicy says that the decision was left to the profiles.
func noPolicy(side cluster.Side) string {
	inTier := func(s eval.Step) bool { return s.Tier != "" }
	if !slices.ContainsFunc(side.Result.Trace, inTier) {
		return "no policy selects it"
	}
	return "the policies that select it pass it on"
}

// matches finds the labels by which the rule that decided meant the two ends.
func (q *question) matches(side cluster.Side, d eval.Step) []Match {
	r := ruleOf(side, d)
	if r == nil {
		return nil
	}
	var out []Match
	for _, end := range []struct {
		sets []rule.Set
		own  *cluster.End
		dst  bool
	}{{r.Match.Src.Sets, q.src, false}, {r.Match.Dst.Sets, q.dst, true}} {
		addr := side.At.Packet.Src
		if end.dst {
			addr = side.At.Packet.Dst // at the source's node, before a translation elsewhere
		}
		for _, set := range end.sets {
			if set.Selector == nil {
				out = append(out, Match{Object: end.own.Name, Selector: set.Service.String()})
				continue
			}
			for _, t := range q.cluster.At(addr) {
				if t.SeenBy(set) && set.Selector.Matches(t.Labels) {
					out = append(out, matchOf(t, set, end.own))
				}
			}
		}
	}
	return out
}

// ruleOf finds the rule that a step is about, nil if it is about none.
func ruleOf(side cluster.Side, d eval.Step) *rule.Rule {
	if d.RuleID == "" {
		return nil
	}
	p, ok := side.World.Policy(d.Policy)
	if !ok {
		return nil
	}
	return find(p, d.RuleID)
}

func find(p *desired.Policy, id rule.ID) *rule.Rule {
	for _, rules := range p.Rules {
		for i := range rules {
			if rules[i].ID == id {
				return &rules[i]
			}
		}
	}
	return nil
}

func matchOf(t *cluster.Thing, set rule.Set, end *cluster.End) Match {
	m := Match{Object: end.Name, Selector: set.Selector.String(), Labels: map[string]string{}}
	if t.Key.Resource != api.WorkloadEndpoints {
		m.Object = t.Key.Resource.Kind().Kind + " " + strings.TrimPrefix(t.Key.Namespace+"/"+t.Key.Name, "/")
	}
	for _, name := range set.Selector.LabelNames() {
		if value, ok := t.Labels.Get(name); ok {
			m.Labels[name] = value
		}
	}
	return m
}

// notes says what the reader should know beside the verdict.
func (q *question) notes(j cluster.Judgement) []string {
	var out []string
	for _, end := range []*cluster.End{q.src, q.dst} {
		if end.Note != "" {
			out = append(out, end.Note)
		}
	}
	for _, side := range j {
		for _, at := range side.Hosts {
			if at.Traffic == eval.Untracked && at.Verdict == rule.Allow {
				out = append(out, "the flow is not tracked at host endpoint "+at.ID.Name+" (doNotTrack): its answers are judged by themselves; ask about them the other way round")
			}
		}
	}
	for _, end := range []struct {
		made bool
		name string
		dir  rule.Direction
	}{{q.cluster.Made(q.packet.Src), q.src.Name, rule.Egress}, {q.cluster.Made(q.packet.Dst), q.dst.Name, rule.Ingress}} {
		if end.made && blocksAsked(j, end.dir) {
			out = append(out, "the address of "+end.name+" is not known (status.podIP): it is taken to be outside every address block that policies list, "+
				"except those of all addresses")
		}
	}
	return out
}

// blocksAsked tells whether a policy in front of either end looks at address blocks on the side of the source or destination.
func blocksAsked(j cluster.Judgement, end rule.Direction) bool {
	for _, side := range j {
		if side.Result == nil {
			continue
		}
		for _, step := range side.Result.Trace {
			p, ok := side.World.Policy(step.Policy)
			if !ok {
				continue
			}
			for _, rules := range p.Rules {
				for i := range rules {
					s := &rules[i].Match.Dst
					if end == rule.Egress {
						s = &rules[i].Match.Src
					}
					if len(s.Nets)+len(s.NotNets) > 0 {
						return true
					}
				}
			}
		}
	}
	return false
}

func names(ids []rule.PolicyID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return strings.Join(out, ", ")
}
