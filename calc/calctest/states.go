// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// Me is the node that graphs under test are for.
const Me = "n1"

// State is a named set of objects. An object has one revision wherever it appears.
type State struct {
	Name    string
	Objects []api.Object
}

// state joins parts, which share objects between states.
func state(name string, parts ...[]api.Object) State {
	s := State{Name: name}
	for _, p := range parts {
		s.Objects = append(s.Objects, p...)
	}
	return s
}

// Sequences returns lists of states to walk through. Each is about one thing.
func Sequences() map[string][]State {
	return map[string][]State{
		"policy":     policyStates(),
		"labels":     labelStates(),
		"tiers":      tierStates(),
		"sets":       setStates(),
		"ports":      portStates(),
		"services":   serviceStates(),
		"adverts":    advertStates(),
		"staged":     stagedStates(),
		"profiles":   profileStates(),
		"contention": contentionStates(),
		"blocks":     blockStates(),
		"overlay":    overlayStates(),
		"encryption": encryptionStates(),
		"mesh":       meshStates(),
		"peers":      peerStates(),
		"reflectors": reflectorStates(),
		"settings":   settingStates(),
		"hosts":      hostStates(),
		"cluster":    clusterPolicyStates(),
		"nodes":      nodePeerStates(),
		"bad input":  badStates(),
	}
}

// cluster is a namespace with its profiles and two pods, one on this node.
func cluster() []api.Object {
	return []api.Object{
		Namespace("prod", Labels{"env": "prod"}),
		ServiceAccount("prod/default", Labels{"team": "a"}),
		Endpoint("prod/db", Me, Labels{"app": "db"}, "10.65.0.1", "fd00:65::1"),
		Endpoint("prod/web", "n2", Labels{"app": "web"}, "10.65.1.1", "fd00:65:1::1"),
	}
}

func protectDB(edit func(*v3.NetworkPolicySpec)) []api.Object {
	return []api.Object{Policy("prod/protect-db", func(s *v3.NetworkPolicySpec) {
		s.Selector = "app == 'db'"
		s.Ingress = []v3.Rule{From(v3.Allow, "app == 'web'")}
		edit(s)
	})}
}

func policyStates() []State {
	base := cluster()
	return []State{
		state("no policy", base),
		state("ingress", base, protectDB(func(*v3.NetworkPolicySpec) {})),
		state("other rule", base, protectDB(func(s *v3.NetworkPolicySpec) { s.Ingress[0].Source.Selector = "app == 'backend'" })),
		state("both directions", base, protectDB(func(s *v3.NetworkPolicySpec) { s.Egress = []v3.Rule{From(v3.Deny, "has(app)")} })),
		state("egress only", base, protectDB(func(s *v3.NetworkPolicySpec) { s.Types = []v3.PolicyType{v3.Egress} })),
		state("selects nobody here", base, protectDB(func(s *v3.NetworkPolicySpec) { s.Selector = "app == 'web'" })),
		state("Kubernetes", base, []api.Object{KubePolicy("prod/protect-db", func(s *networkingv1.NetworkPolicySpec) {
			s.PodSelector = *every(Labels{"app": "db"})
			s.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{{PodSelector: every(Labels{"app": "web"})}}}}
		})}),
	}
}

func labelStates() []State {
	rest := []api.Object{
		Namespace("prod", nil), ServiceAccount("prod/default", nil),
		GlobalPolicy("guard", func(s *v3.GlobalNetworkPolicySpec) {
			s.Selector = "role == 'guarded'"
			s.Ingress = []v3.Rule{From(v3.Allow, "trusted == 'yes' && env == 'prod'")}
		}),
	}
	local := func(labels Labels) []api.Object { return []api.Object{Endpoint("prod/a", Me, labels, "10.65.0.1")} }
	remote := func(labels Labels) []api.Object { return []api.Object{Endpoint("prod/b", "n2", labels, "10.65.1.1")} }
	return []State{
		state("nobody selected", rest, local(nil), remote(nil)),
		state("local selected", rest, local(Labels{"role": "guarded"}), remote(Labels{"trusted": "yes"})),
		state("remote selected", rest, local(Labels{"role": "guarded"}), remote(Labels{"trusted": "yes", "env": "prod"})),
		state("both selected by one set", rest, local(Labels{"role": "guarded", "trusted": "yes", "env": "prod"}), remote(Labels{"trusted": "yes", "env": "prod"})),
		state("local moved away", rest, []api.Object{Endpoint("prod/a", "n2", nil, "10.65.0.1")}),
		state("remote moved here", rest, local(Labels{"role": "guarded"}), []api.Object{Endpoint("prod/b", Me, Labels{"role": "guarded", "trusted": "yes", "env": "prod"}, "10.65.1.1")}),
	}
}

func tierStates() []State {
	base := cluster()
	pass := func(name, tier string, order float64) []api.Object {
		return []api.Object{GlobalPolicy(name, func(s *v3.GlobalNetworkPolicySpec) {
			s.Tier, s.Order, s.Ingress = tier, &order, []v3.Rule{From(v3.Pass, "")}
		})}
	}
	security := []api.Object{Tier("security", 100, v3.Deny)}
	return []State{
		state("missing tier", base, pass("security.a", "security", 1), pass("b", "", 1)),
		state("tier", base, pass("security.a", "security", 1), pass("b", "", 1), security),
		state("tier last", base, pass("security.a", "security", 1), pass("b", "", 1), []api.Object{Tier("security", 2e7, v3.Pass)}),
		state("order in tier", base, pass("security.a", "security", 2), pass("security.b", "security", 1), security),
		state("moved to another tier", base, pass("security.a", "default", 2), pass("security.b", "security", 1), security),
		state("tier of nobody", base, security),
	}
}

func setStates() []State {
	base := append(cluster(), protectDB(func(s *v3.NetworkPolicySpec) {
		s.Ingress = []v3.Rule{From(v3.Allow, "kind == 'friend'"), {Action: v3.Deny, Source: &v3.EntityRule{NamespaceSelector: "global()", Selector: "kind == 'friend'"}}}
	})...)
	friend := Labels{"kind": "friend"}
	return []State{
		state("empty set", base),
		state("network set", base, []api.Object{NetworkSet("prod/s", friend, "192.0.2.0/24", "192.0.2.1", "192.0.2.1/32")}),
		state("two sets share a net", base, []api.Object{NetworkSet("prod/s", friend, "192.0.2.0/24"), NetworkSet("prod/t", friend, "192.0.2.0/24")}),
		state("other namespace", base, []api.Object{NetworkSet("dev/s", friend, "192.0.2.0/24")}),
		state("global", base, []api.Object{GlobalNetworkSet("s", friend, "0.0.0.0/0", "2001:db8::/32"), HostEndpoint("h", "n2", friend, "172.16.0.2")}),
		state("all of it", base, []api.Object{
			NetworkSet("prod/s", friend, "192.0.2.0/24"), GlobalNetworkSet("s", friend, "192.0.2.0/24"), HostEndpoint("h", "n2", friend, "172.16.0.2"),
			Endpoint("prod/f", "n3", friend, "10.65.2.1"),
		}),
	}
}

func portStates() []State {
	base := append(cluster(), protectDB(func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{ToPort(v3.Allow, intstr.FromString("http"))} })...)
	db := Endpoint("prod/db", Me, Labels{"app": "db"}, "10.65.0.1", "fd00:65::1")
	db.Spec.Ports = []v3.WorkloadEndpointPort{{Name: "http", Protocol: intstr.FromInt32(6), Port: 80}, {Name: "http", Protocol: intstr.FromString("UDP"), Port: 81}}
	out := ToPort(v3.Deny, intstr.FromString("ssh"))
	return []State{
		state("named port", base),
		state("numbers", cluster(), protectDB(func(s *v3.NetworkPolicySpec) { s.Ingress = []v3.Rule{ToPort(v3.Allow, intstr.FromInt32(80))} })),
		state("other port of that name", base[:2], []api.Object{db, base[4]}),
		state("host endpoint's port", base, []api.Object{HostEndpoint("h", "n2", nil, "172.16.0.2", "2001:db8::2")},
			[]api.Object{GlobalPolicy("no-ssh", func(s *v3.GlobalNetworkPolicySpec) { s.Egress = []v3.Rule{out} })}),
	}
}

func serviceStates() []State {
	base := append(cluster(), protectDB(func(s *v3.NetworkPolicySpec) {
		s.Ingress = []v3.Rule{{Action: v3.Allow, Source: &v3.EntityRule{Services: &v3.ServiceMatch{Name: "web"}}}}
		s.Egress = []v3.Rule{ToService(v3.Allow, "", "web"), ToService(v3.Deny, "other", "web")}
	})...)
	slice := func(name, service string, port int32, addrs ...string) []api.Object {
		return []api.Object{Slice(name, service, port, addrs...)}
	}
	names := Slice("prod/web-2", "prod/web", 80)
	names.AddressType, names.Endpoints = discoveryv1.AddressTypeFQDN, []discoveryv1.Endpoint{{Addresses: []string{"example.org"}}}
	udp := discoveryv1.EndpointSlice{}
	Slice("prod/web-2", "prod/web", 53, "10.65.1.1").DeepCopyInto(&udp)
	protocol := corev1.ProtocolUDP
	udp.Ports = append(udp.Ports, discoveryv1.EndpointPort{Protocol: &protocol, Port: udp.Ports[0].Port})
	bad := Slice("prod/web-1", "prod/web", 80, "10.65.1.1", "10.65.1.300")
	return []State{
		state("no service", base),
		state("one slice", base, slice("prod/web-1", "prod/web", 80, "10.65.1.1", "10.65.1.1")),
		state("two that share", base, slice("prod/web-1", "prod/web", 80, "10.65.1.1", "10.65.1.2"), slice("prod/web-2", "prod/web", 80, "10.65.1.2")),
		state("other port", base, slice("prod/web-1", "prod/web", 81, "10.65.1.1"), slice("prod/web-6", "prod/web", 81, "fd00:65:1::1")),
		state("no number", base, slice("prod/web-1", "prod/web", 0, "10.65.1.1")),
		state("two protocols", base, []api.Object{&udp}),
		state("moved to another service", base, slice("prod/web-1", "prod/api", 80, "10.65.1.1")),
		state("another namespace", base, slice("other/web-1", "other/web", 80, "10.65.1.1")),
		state("host names", base, []api.Object{names}),
		state("bad address", base, []api.Object{bad}),
		state("without policy", cluster(), slice("prod/web-1", "prod/web", 80, "10.65.1.1")),
	}
}

func profileStates() []State {
	base := append(cluster(), GlobalPolicy("by-team", func(s *v3.GlobalNetworkPolicySpec) {
		s.ServiceAccountSelector, s.NamespaceSelector = "team == 'a'", "env == 'prod'"
		s.Ingress = []v3.Rule{{Action: v3.Allow, Source: &v3.EntityRule{NamespaceSelector: "env == 'prod'"}}}
	}), NetworkSet("prod/s", nil, "192.0.2.0/24"))
	return []State{
		state("derived", base),
		state("namespace relabelled", []api.Object{Namespace("prod", Labels{"env": "dev"})}, base[1:]),
		state("no namespace", base[1:]),
		state("no service account", base[:1], base[2:]),
		state("a user's profile wins", base, []api.Object{Profile("kns.prod", Labels{"pcns.env": "prod", "extra": "1"})}),
		state("service account relabelled", base[:1], []api.Object{ServiceAccount("prod/default", nil)}, base[2:]),
	}
}
