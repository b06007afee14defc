// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval_test

import (
	"testing"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

func tiers(list ...desired.TierPolicies) []desired.TierPolicies { return list }

// hostEndpoint has one list of tiers for one sort of traffic, in both directions.
func hostEndpoint(traffic eval.Traffic, list []desired.TierPolicies, profiles ...string) *desired.HostEndpoint {
	ep := &desired.HostEndpoint{ID: desired.EndpointID{Name: "hep"}, Interface: "eth0"}
	both := [2][]desired.TierPolicies{list, list}
	switch traffic {
	case eval.Untracked:
		ep.Untracked = both
	case eval.PreDNAT:
		ep.PreDNAT = list
	case eval.Normal:
		ep.Normal = both
	case eval.Forward:
		ep.Forward = both
	}
	for _, p := range profiles {
		ep.Profiles = append(ep.Profiles, profile(p))
	}
	return ep
}

func TestHostSorts(t *testing.T) {
	const matched = "tier a: NetworkPolicy ns/allow: rule 1 (a1): Allow text\nAllow"
	for _, c := range []struct {
		name     string
		traffic  eval.Traffic
		tiers    []desired.TierPolicies
		profiles []string
		want     string
	}{
		{"untracked allow", eval.Untracked, tiers(tier("a", rule.Deny, "allow")), nil, matched},
		{"untracked deny", eval.Untracked, tiers(tier("a", rule.Pass, "deny")), nil, "tier a: NetworkPolicy ns/deny: rule 0 (d0): Deny text\nDeny"},
		{"untracked without a match goes on", eval.Untracked, tiers(tier("a", rule.Deny, "unmatched"), tier("b", rule.Deny, "pass", "deny")), []string{"deny"},
			"tier a: NetworkPolicy ns/unmatched: no rule decides\ntier b: NetworkPolicy ns/pass: rule 0 (p0): Pass text\n" +
				"no untracked policy decides; the packet goes on\nNoMatch"},
		{"pre-DNAT allow", eval.PreDNAT, tiers(tier("a", rule.Deny, "allow")), nil, matched},
		{"pre-DNAT without a match goes on", eval.PreDNAT, tiers(tier("a", rule.Deny, "empty")), nil,
			"tier a: NetworkPolicy ns/empty: no rule decides\nno pre-DNAT policy decides; the packet goes on\nNoMatch"},
		{"normal allow", eval.Normal, tiers(tier("a", rule.Deny, "allow")), []string{"deny"}, matched},
		{"normal without policies or profiles", eval.Normal, nil, nil, "profiles: the endpoint has none; Deny\nDeny"},
		{"normal by profile", eval.Normal, tiers(tier("a", rule.Pass, "empty")), []string{"allow"}, "tier a: NetworkPolicy ns/empty: no rule decides\n" +
			"tier a: nothing decides; the tier's default is Pass, because it applies NetworkPolicy ns/empty\n" +
			"profiles: Profile allow: rule 1 (a1): Allow text\nAllow"},
		{"forward allow", eval.Forward, tiers(tier("a", rule.Deny, "allow")), []string{"deny"}, matched},
		{"forward without policies", eval.Forward, nil, []string{"deny"}, "nothing decides about forwarded traffic; Allow\nAllow"},
		{"forward closed by the tier", eval.Forward, tiers(tier("a", rule.Deny, "empty")), []string{"allow"}, "tier a: NetworkPolicy ns/empty: no rule decides\n" +
			"tier a: nothing decides; the tier's default is Deny, because it applies NetworkPolicy ns/empty\nDeny"},
		{"forward passed to the end", eval.Forward, tiers(tier("a", rule.Deny, "pass")), []string{"deny"}, "tier a: NetworkPolicy ns/pass: rule 0 (p0): Pass text\n" +
			"nothing decides about forwarded traffic; Allow\nAllow"},
		{"a policy that is not known", eval.PreDNAT, tiers(tier("a", rule.Pass, "lost")), nil,
			"tier a: NetworkPolicy ns/lost: the policy is not known; Deny\nDeny"},
	} {
		ep := hostEndpoint(c.traffic, c.tiers, c.profiles...)
		r := eval.EvaluateHost(sequenceWorld(), &desired.Settings{}, ep, c.traffic, rule.Ingress, tcp)
		if got := r.String(); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestPreDNATHasNoEgress(t *testing.T) {
	ep := hostEndpoint(eval.PreDNAT, tiers(tier("a", rule.Deny, "deny")))
	if r := eval.EvaluateHost(sequenceWorld(), &desired.Settings{}, ep, eval.PreDNAT, rule.Egress, tcp); r.Verdict != rule.NoMatch {
		t.Errorf("a pre-DNAT policy took part in egress:\n%v", r.String())
	}
}

func TestFailsafePorts(t *testing.T) {
	s := &desired.Settings{Failsafe: [2][]desired.Failsafe{
		rule.Ingress: {{Protocol: 6, Port: 80}, {Protocol: 17, Port: 53, Net: net("10.0.0.1/32")}},
		rule.Egress:  {{Protocol: 6, Port: 8080, Net: net("10.0.0.0/8")}},
	}}
	other := udp
	other.Src = addr("10.0.0.9")
	away := back
	away.Dst = addr("192.0.2.1")
	for _, c := range []struct {
		name    string
		traffic eval.Traffic
		dir     rule.Direction
		packet  eval.Packet
		want    rule.Action // of a packet that policy denies
	}{
		{"port", eval.Normal, rule.Ingress, tcp, rule.Allow},
		{"both families", eval.Normal, rule.Ingress, tcp6, rule.Allow},
		{"other port", eval.Normal, rule.Ingress, back, rule.Deny},
		{"port of the other protocol", eval.Normal, rule.Ingress, eval.Packet{Src: udp.Src, Dst: udp.Dst, Protocol: 17, DstPort: 80}, rule.Deny},
		{"from its net", eval.Normal, rule.Ingress, udp, rule.Allow},
		{"from another net", eval.Normal, rule.Ingress, other, rule.Deny},
		{"out to its net", eval.Normal, rule.Egress, back, rule.Allow},
		{"out to another net", eval.Normal, rule.Egress, away, rule.Deny},
		{"ports by direction", eval.Normal, rule.Egress, tcp, rule.Deny},
		{"forwarded", eval.Forward, rule.Ingress, tcp, rule.Deny},
		{"pre-DNAT", eval.PreDNAT, rule.Ingress, tcp, rule.NoMatch},
		{"pre-DNAT, not from its net", eval.PreDNAT, rule.Ingress, other, rule.Deny},
		{"pre-DNAT has no replies", eval.PreDNAT, rule.Ingress, eval.Packet{Src: tcp.Src, Dst: tcp.Dst, Protocol: 6, SrcPort: 8080}, rule.Deny},
		{"untracked", eval.Untracked, rule.Ingress, tcp, rule.NoMatch},
		{"untracked reply to what the host asked", eval.Untracked, rule.Ingress, eval.Packet{Src: tcp.Src, Dst: tcp.Dst, Protocol: 6, SrcPort: 8080}, rule.NoMatch},
		{"the same from another net", eval.Untracked, rule.Ingress, eval.Packet{Src: away.Dst, Dst: tcp.Dst, Protocol: 6, SrcPort: 8080}, rule.Deny},
		{"untracked reply of the host", eval.Untracked, rule.Egress, eval.Packet{Src: back.Src, Dst: away.Dst, Protocol: 6, SrcPort: 80}, rule.NoMatch},
		{"untracked reply to a net", eval.Untracked, rule.Egress, eval.Packet{Src: udp.Dst, Dst: udp.Src, Protocol: 17, SrcPort: 53}, rule.NoMatch},
		{"untracked reply to another net", eval.Untracked, rule.Egress, eval.Packet{Src: udp.Dst, Dst: other.Src, Protocol: 17, SrcPort: 53}, rule.Deny},
		{"normal traffic has no replies", eval.Normal, rule.Ingress, eval.Packet{Src: tcp.Src, Dst: tcp.Dst, Protocol: 6, SrcPort: 8080}, rule.Deny},
	} {
		w := world{policies: map[rule.PolicyID]*desired.Policy{named("deny"): {ID: named("deny")}}}
		for dir := range 2 {
			w.policies[named("deny")].Rules[dir] = []rule.Rule{r("d", 0, rule.Deny, rule.Match{})}
		}
		ep := hostEndpoint(c.traffic, tiers(tier("a", rule.Deny, "deny")))
		got := eval.EvaluateHost(w, s, ep, c.traffic, c.dir, c.packet)
		if got.Verdict != c.want {
			t.Errorf("%s: %s; want %s", c.name, got.String(), c.want)
		}
		if want := c.want != rule.Deny; (got.Decision().Kind == eval.FailsafePort) != want {
			t.Errorf("%s: decided by %s", c.name, got.Decision())
		}
	}
}

func TestStaged(t *testing.T) {
	ep := ingress(tier("a", rule.Deny, "allow"))
	if eval.Staged(ep) != ep {
		t.Error("an endpoint without staged policies is not itself")
	}
	ep.Staged = &ingress(tier("a", rule.Deny, "deny", "allow")).Tiers
	enforced := eval.Evaluate(sequenceWorld(), ep, rule.Ingress, tcp)
	preview := eval.Evaluate(sequenceWorld(), eval.Staged(ep), rule.Ingress, tcp)
	if enforced.Verdict != rule.Allow || preview.Verdict != rule.Deny || ep.Staged == nil {
		t.Errorf("enforced %s, staged %s", enforced.Verdict, preview.Verdict)
	}
}
