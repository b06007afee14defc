// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/policy/selector"
)

func ingressPolicy(rules ...v3.Rule) *v3.NetworkPolicy {
	return &v3.NetworkPolicy{
		ObjectMeta: v3.ObjectMeta{Name: "p", Namespace: "ns"},
		Spec:       v3.NetworkPolicySpec{Ingress: rules},
	}
}

func ids(t *testing.T, p *v3.NetworkPolicy) []rule.ID {
	t.Helper()
	compiled, _, err := rule.CompileNetworkPolicy(p)
	if err != nil {
		t.Fatal(err)
	}
	var out []rule.ID
	for _, r := range compiled.Rules[rule.Ingress] {
		out = append(out, r.ID)
	}
	return out
}

func from(sel string) v3.Rule {
	return v3.Rule{Action: v3.Allow, Source: &v3.EntityRule{Selector: sel}}
}

func TestRuleIDsSurviveInsertion(t *testing.T) {
	before := ids(t, ingressPolicy(from("a == 'x'"), from("has(b)"), from("has(b)")))
	after := ids(t, ingressPolicy(from("has(new)"), from("a=='x'"), from("has(other)"), from("(has( b ))"), from("has(b)")))
	if slices.Index(after, before[0]) != 1 || slices.Index(after, before[1]) != 3 || slices.Index(after, before[2]) != 4 {
		t.Errorf("inserting rules changed IDs: %v, then %v", before, after)
	}
	if slices.Sort(after); len(slices.Compact(after)) != 5 {
		t.Errorf("IDs are not unique: %v", after)
	}
}

func TestRuleIDsDifferByPlace(t *testing.T) {
	seen := map[rule.ID]string{}
	add := func(name string, p *rule.Policy, _ v3.FieldErrors, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for dir, rules := range p.Rules {
			for _, r := range rules {
				place := fmt.Sprint(name, " ", rule.Direction(dir))
				if other, ok := seen[r.ID]; ok {
					t.Errorf("rule of %s and rule of %s share ID %s", place, other, r.ID)
				}
				if len(r.ID) != 16 {
					t.Errorf("ID %q is not 16 digits", r.ID)
				}
				seen[r.ID] = place
			}
		}
	}
	both := func(namespace, name string) *v3.NetworkPolicy {
		p := ingressPolicy(v3.Rule{Action: v3.Allow}, v3.Rule{Action: v3.Deny})
		p.Spec.Egress = p.Spec.Ingress
		p.Name, p.Namespace = name, namespace
		return p
	}
	compile := func(name string, p *v3.NetworkPolicy) {
		compiled, notes, err := rule.CompileNetworkPolicy(p)
		add(name, compiled, notes, err)
	}
	compile("ns/p", both("ns", "p"))
	compile("ns/q", both("ns", "q"))
	compile("other/p", both("other", "p"))
	profile, notes, err := rule.CompileProfile(&v3.Profile{
		ObjectMeta: v3.ObjectMeta{Name: "p"}, Spec: v3.ProfileSpec{Ingress: []v3.Rule{{Action: v3.Allow}}},
	})
	add("profile p", profile, notes, err)
	if len(seen) != 13 {
		t.Errorf("%d IDs, want 13", len(seen))
	}
}

func TestSetIDs(t *testing.T) {
	a, b := selector.Has("a"), selector.Has("b")
	sets := []rule.Set{
		rule.NetSet(a), rule.NetSet(b),
		rule.PortSet(a, "http", 6), rule.PortSet(b, "http", 6), rule.PortSet(a, "https", 6), rule.PortSet(a, "http", 17),
		rule.ServiceNets(rule.Service{Namespace: "a", Name: "b"}), rule.ServicePorts(rule.Service{Namespace: "a", Name: "b"}),
		rule.ServiceNets(rule.Service{Namespace: "b", Name: "a"}),
	}
	seen := map[rule.SetID]bool{}
	for _, s := range sets {
		if seen[s.ID] || len(s.ID) > 31 {
			t.Errorf("set %+v: its ID is taken or longer than an ipset name", s)
		}
		seen[s.ID] = true
	}
	if again := rule.NetSet(selector.And(selector.All(), selector.Has("a"))); again.ID != sets[0].ID {
		t.Errorf("equal selectors give sets %s and %s", again.ID, sets[0].ID)
	}
}

// TestInputIsNotChanged checks that compiling leaves shared objects of the store alone.
func TestInputIsNotChanged(t *testing.T) {
	proto := intstr.FromString("TCP")
	p := ingressPolicy(v3.Rule{
		Action: v3.Allow, Protocol: &proto,
		Source:      &v3.EntityRule{Nets: []string{"10.0.0.0/8", "1.0.0.0/8"}},
		Destination: &v3.EntityRule{Ports: []intstr.IntOrString{intstr.FromInt32(90), intstr.FromInt32(80)}},
	})
	before := fmt.Sprintf("%+v %+v", p.Spec.Ingress[0].Source, p.Spec.Ingress[0].Destination)
	ids(t, p)
	if after := fmt.Sprintf("%+v %+v", p.Spec.Ingress[0].Source, p.Spec.Ingress[0].Destination); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

func TestTextIsOneLine(t *testing.T) {
	compiled, _, err := rule.CompileNetworkPolicy(ingressPolicy(from("a == 'x\ny\x1b'")))
	if err != nil {
		t.Fatal(err)
	}
	want := "Allow from {projectcalico.org/namespace == \"ns\" && a == \"x\uFFFDy\uFFFD\"}"
	if got := compiled.Rules[rule.Ingress][0].Text; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
}

func TestCompileTier(t *testing.T) {
	order := 5.0
	for _, c := range []struct {
		tier v3.Tier
		want string
	}{
		{v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "a"}}, "a none Deny"},
		{v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "b"}, Spec: v3.TierSpec{Order: &order, DefaultAction: v3.Pass}}, "b 5 Pass"},
		{v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "default"}}, "default 1e+06 Deny"},
		{v3.Tier{ObjectMeta: v3.ObjectMeta{Name: "kube-baseline"}}, "kube-baseline 1e+07 Pass"},
	} {
		got, err := rule.CompileTier(&c.tier)
		if err != nil {
			t.Fatal(err)
		}
		orderText := "none"
		if got.Order != nil {
			orderText = fmt.Sprint(*got.Order)
		}
		if text := fmt.Sprint(got.Name, " ", orderText, " ", got.DefaultAction); text != c.want {
			t.Errorf("compiled %s, want %s", text, c.want)
		}
	}
	_, err := rule.CompileTier(&v3.Tier{Spec: v3.TierSpec{DefaultAction: v3.Allow}})
	if err == nil || err.Error() != `spec.defaultAction: "Allow" ends no tier; write Deny or Pass` {
		t.Errorf("default action Allow: %v", err)
	}
}

func TestOrder(t *testing.T) {
	one, two := 1.0, 2.0
	tiers := []rule.Tier{{Name: "z", Order: &one}, {Name: "a", Order: &two}, {Name: "b", Order: &two}, {Name: "a"}, {Name: "c"}}
	policies := []*rule.Policy{
		{Order: &one, ID: rule.PolicyID{Name: "z"}},
		{Order: &two, ID: rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "a", Name: "a"}},
		{Order: &two, ID: rule.PolicyID{Kind: rule.KindNetworkPolicy, Namespace: "b", Name: "a"}},
		{Order: &two, ID: rule.PolicyID{Kind: rule.KindGlobalNetworkPolicy, Name: "a"}},
		{Order: &two, ID: rule.PolicyID{Name: "b"}},
		{ID: rule.PolicyID{Name: "a"}},
		{ID: rule.PolicyID{Name: "b"}},
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		mixedTiers, mixed := slices.Clone(tiers), slices.Clone(policies)
		r.Shuffle(len(mixedTiers), func(i, j int) { mixedTiers[i], mixedTiers[j] = mixedTiers[j], mixedTiers[i] })
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		slices.SortFunc(mixedTiers, rule.CompareTiers)
		slices.SortFunc(mixed, rule.ComparePolicies)
		if !slices.Equal(mixedTiers, tiers) || !slices.Equal(mixed, policies) {
			t.Fatalf("sorted to %v and %v", mixedTiers, mixed)
		}
	}
}

func TestProfilesOfKubernetesObjects(t *testing.T) {
	ns := rule.NamespaceProfile(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "prod", Labels: map[string]string{"env": "x", "projectcalico.org/name": "forged"},
	}})
	sa := rule.ServiceAccountProfile(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
		Name: "web", Namespace: "prod", Labels: map[string]string{"role": "y"},
	}})
	if got := fmt.Sprint(ns.Name, " ", ns.Spec.LabelsToApply); got != "kns.prod map[pcns.env:x pcns.kubernetes.io/metadata.name:prod pcns.projectcalico.org/name:prod]" {
		t.Errorf("namespace profile %s", got)
	}
	if got := fmt.Sprint(sa.Name, " ", sa.Spec.LabelsToApply); got != "ksa.prod.web map[pcsa.projectcalico.org/name:web pcsa.role:y]" {
		t.Errorf("service account profile %s", got)
	}
	for profile, want := range map[*v3.Profile]int{ns: 1, sa: 0} {
		p, _, err := rule.CompileProfile(profile)
		if err != nil || len(p.Rules[rule.Ingress]) != want || len(p.Rules[rule.Egress]) != want {
			t.Errorf("%s compiles to %+v, %v; want %d rules each way", profile.Name, p, err, want)
		}
	}
}

func TestPolicyIDString(t *testing.T) {
	for id, want := range map[rule.PolicyID]string{
		{Kind: rule.KindNetworkPolicy, Namespace: "a", Name: "b"}:     "NetworkPolicy a/b",
		{Kind: rule.KindKubeNetworkPolicy, Namespace: "a", Name: "b"}: "NetworkPolicy.networking.k8s.io a/b",
		{Kind: rule.KindGlobalNetworkPolicy, Name: "b"}:               "GlobalNetworkPolicy b",
		{Kind: rule.KindProfile, Name: "kns.a"}:                       "Profile kns.a",
		{Kind: 99, Name: "b"}:                                         "rule.PolicyKind(99) b",
	} {
		if id.String() != want {
			t.Errorf("%s, want %s", id, want)
		}
	}
}
