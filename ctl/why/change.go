// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Change is a change of policy that would allow the flow at one end, together with the others for that end. They were tried: with them, that end allows.
type Change struct {
	End       string `json:"end"`       // "egress" at the source, "ingress" at the destination
	Direction string `json:"direction"` // of the policy: at host endpoints not always that of the end
	Policy    string `json:"policy"`
	New       bool   `json:"new"` // the policy does not exist yet
	// Rule to insert at Position of the policy's rules of Direction; absent for a new policy.
	Rule     any `json:"rule,omitempty"`
	Position int `json:"position"`
	// Object is the whole policy after the change.
	Object api.Object `json:"object"`
}

// changes returns the smallest changes found that together allow the flow, one for each place that denies. A denying end for which there is none
// is left out.
func (q *question) changes() []Change {
	var out []Change
	so := *q // with the changes so far: both ends may need a rule in the same policy
	for _, dir := range []rule.Direction{rule.Egress, rule.Ingress} {
		out = append(out, so.endChanges(dir)...)
	}
	return out
}

// maxChanges is how many policies need a change at one end at most: those of a workload and of all sorts of host endpoint policy.
const maxChanges = 5

// endChanges returns the changes for one end, and goes on with them. A place that still denies behind them leaves the end as it was.
func (q *question) endChanges(dir rule.Direction) []Change {
	var out []Change
	so := *q
	for side := so.judge(so.packet)[dir]; !side.Allowed; side = so.judge(so.packet)[dir] {
		change, ok := so.change(side, dir)
		if !ok || len(out) == maxChanges {
			return nil
		}
		change.End = dir.String()
		out = append(out, change)
		so.cluster = so.cluster.With(change.Object)
	}
	q.cluster = so.cluster
	return out
}

// change returns the first candidate that allows the flow where it is denied at an end. Where labels do not tell the other end, as its namespace is not
// known, its address does.
func (q question) change(side cluster.Side, dir rule.Direction) (Change, bool) {
	if side.At == nil {
		return Change{}, false
	}
	q.met = side.At.Packet
	peer, addr := q.peer(side.At.Dir)
	made := q.cluster.Made(addr)
	if peer.Workload == nil && made {
		return Change{}, false
	}
	for _, q.byAddress = range []bool{false, true} {
		for _, candidate := range q.candidates(side, side.At.Dir) {
			if !(q.byAddress && made) && q.helps(candidate, side.At, dir) {
				return candidate, true
			}
		}
	}
	return Change{}, false
}

// helps tries a change: then the end allows the flow, or no more than another place denies it.
func (q *question) helps(change Change, denied *eval.Place, dir rule.Direction) bool {
	if len(api.Validate(change.Object, api.Checks{})) > 0 {
		return false
	}
	so := *q
	so.cluster = q.cluster.With(change.Object)
	side := so.judge(q.packet)[dir]
	return side.Allowed || side.At != nil && (side.At.ID != denied.ID || side.At.Traffic != denied.Traffic || side.At.Dir != denied.Dir || side.At.Link != denied.Link)
}

// candidates returns changes worth trying, the best first: a rule in the policy that decided or that isolates the endpoint, provided that it was
// written for some endpoints rather than for all; else a policy of its own. An endpoint without labels cannot have its own.
func (q *question) candidates(side cluster.Side, dir rule.Direction) []Change {
	var out []Change
	d := side.Result.Decision()
	if side.Host() {
		return q.hostCandidates(d, dir)
	}
	switch d.Kind {
	case eval.TierEnd:
		labelled := len(lasting(q.end(dir).Workload)) > 0
		for _, id := range q.byReach(d.Applied) {
			if c, ok := q.extend(id, dir, atEnd, labelled); ok {
				out = append(out, c)
			}
		}
		if labelled {
			out = append(out, q.create(d.Tier, dir, false))
		}
	case eval.RuleMatched:
		if d.Policy.Kind == rule.KindProfile {
			return []Change{q.create(v3.TierDefault, dir, true)}
		}
		if c, ok := q.extend(d.Policy, dir, d.Index, false); ok {
			out = append(out, c)
		}
		if d.Tier == v3.TierKubeBaseline {
			out = append(out, q.create(v3.TierDefault, dir, true))
		}
	case eval.ProfilesEnd:
		out = append(out, q.create(v3.TierDefault, dir, true))
	}
	return out
}

// hostCandidates are those for a host endpoint: only a global policy can be meant for it, and only one that is there already.
func (q *question) hostCandidates(d eval.Step, dir rule.Direction) []Change {
	ids, at := d.Applied, atEnd
	if d.Kind == eval.RuleMatched {
		ids, at = []rule.PolicyID{d.Policy}, d.Index
	}
	var out []Change
	for _, id := range ids {
		if c, ok := q.extend(id, dir, at, false); ok {
			out = append(out, c)
		}
	}
	return out
}

// byReach orders policies by how many endpoints they select, the fewest first.
func (q *question) byReach(ids []rule.PolicyID) []rule.PolicyID {
	reach := map[rule.PolicyID]int{}
	for _, id := range ids {
		reach[id] = q.cluster.Selected(id)
	}
	out := slices.Clone(ids)
	slices.SortStableFunc(out, func(a, b rule.PolicyID) int { return reach[a] - reach[b] })
	return out
}

func listOf(ingress, egress *[]v3.Rule, dir rule.Direction) *[]v3.Rule {
	if dir == rule.Egress {
		return egress
	}
	return ingress
}

// atEnd stands for the position behind all rules.
const atEnd = -1

// extend inserts a rule for the flow into a policy. With specific it declines policies for all endpoints: a default deny is no place for rules.
func (q *question) extend(id rule.PolicyID, dir rule.Direction, at int, specific bool) (Change, bool) {
	out := Change{Direction: dir.String(), Policy: id.String()}
	switch p := q.cluster.PolicyObject(id).(type) {
	case *v3.NetworkPolicy:
		if specific && forAll(p.Spec.Selector, p.Spec.ServiceAccountSelector) {
			return out, false
		}
		p = api.Clone(p)
		out.Object = p
		out.insert(listOf(&p.Spec.Ingress, &p.Spec.Egress, dir), at, q.calicoRule(dir, p.Namespace))
	case *v3.GlobalNetworkPolicy:
		if specific && forAll(p.Spec.Selector, p.Spec.ServiceAccountSelector) {
			return out, false
		}
		p = api.Clone(p)
		out.Object = p
		out.insert(listOf(&p.Spec.Ingress, &p.Spec.Egress, dir), at, q.calicoRule(dir, ""))
	case *networkingv1.NetworkPolicy:
		if !q.kubeCan() || specific && len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0 {
			return out, false
		}
		p = api.Clone(p)
		out.Object = p
		q.insertKube(&out, p, dir)
	default:
		return out, at != atEnd && q.extendAdmin(&out, p, dir, at)
	}
	return out, true
}

func forAll(selector, accounts string) bool {
	return (selector == "" || selector == "all()") && accounts == ""
}

// insert puts a rule into a list.
func (c *Change) insert(list *[]v3.Rule, at int, r v3.Rule) {
	if at == atEnd {
		at = len(*list)
	}
	*list = slices.Insert(*list, at, r)
	c.Rule, c.Position = r, at
}

// create makes a policy for this endpoint alone. With pass it leaves everything else to what decides now.
func (q *question) create(tier string, dir rule.Direction, pass bool) Change {
	own := q.end(dir).Workload
	var obj api.Object
	var kind rule.PolicyKind
	prefix := ""
	if tier == v3.TierDefault && !pass && q.kubeCan() && own.Spec.Orchestrator == v3.OrchestratorKubernetes {
		obj, kind = q.newKubePolicy(own, dir), rule.KindKubeNetworkPolicy
	} else {
		obj, kind = q.newCalicoPolicy(tier, own, dir, pass), rule.KindNetworkPolicy
		if tier != v3.TierDefault {
			prefix = tier + "."
		}
	}
	obj.SetNamespace(own.Namespace)
	obj.SetName(prefix + policyName(q.src, q.dst))
	for n := 2; q.cluster.Object(api.KeyOf(obj)) != nil; n++ {
		obj.SetName(fmt.Sprintf("%s%s-%d", prefix, policyName(q.src, q.dst), n))
	}
	id := rule.PolicyID{Kind: kind, Namespace: own.Namespace, Name: obj.GetName()}
	return Change{Direction: dir.String(), New: true, Policy: id.String(), Object: obj}
}

func (q *question) newCalicoPolicy(tier string, own *v3.WorkloadEndpoint, dir rule.Direction, pass bool) *v3.NetworkPolicy {
	p := &v3.NetworkPolicy{
		TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "NetworkPolicy"},
		Spec:     v3.NetworkPolicySpec{Selector: selectorOf(own), Types: []v3.PolicyType{typeOf(dir)}},
	}
	if tier != v3.TierDefault {
		p.Spec.Tier = tier
	}
	rules := listOf(&p.Spec.Ingress, &p.Spec.Egress, dir)
	*rules = []v3.Rule{q.calicoRule(dir, own.Namespace)}
	if pass {
		*rules = append(*rules, v3.Rule{Action: v3.Pass})
	}
	return p
}

func typeOf(dir rule.Direction) v3.PolicyType {
	if dir == rule.Egress {
		return v3.Egress
	}
	return v3.Ingress
}
