// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
)

// Walk returns random steps. Names, labels, addresses and selectors come from few, so that everything meets everything; some objects are
// invalid. The same seed gives the same steps.
func Walk(seed uint64, steps int) []Step {
	w := walk{rand.New(rand.NewPCG(seed, 0x77656674))}
	var out []Step
	var revision uint64
	for range steps {
		s := Step{Flush: w.chance(40)}
		if w.chance(5) {
			s.Links = w.links()
		}
		if w.chance(5) {
			s.Tunnels = w.tunnels()
		}
		if w.chance(5) {
			s.Met = pick(w, met(), met("n2"), met("n3"), met("n2", "n3"))
		}
		for range 1 + w.IntN(3) {
			revision++
			c := w.change()
			c.Revision = revision
			s.Changes = append(s.Changes, c)
		}
		out = append(out, s)
	}
	return out
}

type walk struct{ *rand.Rand }

// chance is true in so many of 100 cases.
func (w walk) chance(percent int) bool { return w.IntN(100) < percent }

func pick[T any](w walk, values ...T) T { return values[w.IntN(len(values))] }

func (w walk) change() calc.Change {
	obj := w.object()
	key := api.KeyOf(obj)
	switch {
	case w.chance(20):
		return calc.Change{Key: key}
	case w.chance(2):
		return calc.Change{Key: key, Err: errors.New("the stored value is no JSON")}
	}
	_, endpoint := obj.(*v3.WorkloadEndpoint)
	return calc.Change{Key: key, Object: obj, Local: endpoint && w.chance(30)}
}

func (w walk) object() api.Object {
	kinds := []func() api.Object{
		w.endpoint, w.endpoint, w.endpoint, w.endpoint, w.networkSet, w.globalNetworkSet, w.hostEndpoint,
		w.policy, w.policy, w.globalPolicy, w.globalPolicy, w.kubePolicy, w.tier, w.profile, w.namespace, w.serviceAccount,
		w.node, w.node, w.bgpConfig, w.bgpPeer, w.bgpPeer, w.affinity, w.pool,
		w.felixConfig, w.clusterPolicy, w.clusterPolicy,
		w.slice, w.slice, w.service, w.staged, w.staged,
	}
	return pick(w, kinds...)()
}

func (w walk) ns() string { return pick(w, "a", "b") }

func (w walk) labels() Labels {
	out := Labels{}
	for _, k := range []string{"app", "role"} {
		if w.chance(60) {
			out[k] = pick(w, "x", "y")
		}
	}
	return out
}

func (w walk) selector() string {
	return pick(w, "", "all()", "app == 'x'", "app == 'y' && has(role)", "role in {'x', 'y'}", "app != 'x'", "!has(app)", "app contains 'y' || role == 'x'",
		"pcns.env == 'x'", "app = 'x'")
}

func (w walk) addr() string { return fmt.Sprintf("10.65.%d.%d", w.IntN(2), w.IntN(5)) }

func (w walk) endpoint() api.Object {
	ns := w.ns()
	e := Endpoint(fmt.Sprintf("%s/p%d", ns, w.IntN(3)), pick(w, Me, Me, "n2"), w.labels(), w.addr())
	if w.chance(30) {
		e.Spec.IPNetworks = append(e.Spec.IPNetworks, fmt.Sprintf("fd00:65::%d", w.IntN(4)))
	}
	if w.chance(20) {
		e.Spec.InterfaceName = pick(w, "cali1", "cali2", "")
	}
	if w.chance(30) {
		e.Spec.Profiles = pick(w, nil, []string{"open"}, []string{"open", "kns." + ns}, []string{"kns." + ns, "projectcalico-default-allow", "kns." + ns})
	}
	e.Spec.Ports = pick(w, nil, w.ports(), w.ports(), w.hostPorts())
	if w.chance(30) {
		internal, _, _ := strings.Cut(e.Spec.IPNetworks[0], "/")
		e.Spec.IPNATs = []v3.IPNAT{{InternalIP: internal, ExternalIP: pick(w, "192.0.2.10", "10.65.0.1", "10.65.0.7", "10.65.1.2", "2001:db8::10", "fd00:65::2", "fd00:65::9")}}
	}
	if w.chance(20) {
		e.Spec.AllowSpoofedSourcePrefixes = []string{"192.0.2.0/24"}
	}
	if w.chance(3) {
		e.Spec.IPNetworks = []string{"10.65.0.0/16"}
	}
	return e
}

func (w walk) ports() []v3.WorkloadEndpointPort {
	return []v3.WorkloadEndpointPort{
		{Name: pick(w, "http", "dns"), Protocol: intstr.FromString("TCP"), Port: uint16(80 + w.IntN(2))},
		{Name: "dns", Protocol: intstr.FromString("UDP"), Port: 53},
	}
}

func (w walk) hostPorts() []v3.WorkloadEndpointPort {
	var out []v3.WorkloadEndpointPort
	for range 1 + w.IntN(3) {
		port := uint16(8080 + w.IntN(2))
		out = append(out, v3.WorkloadEndpointPort{Protocol: intstr.FromString(pick(w, "TCP", "TCP", "UDP")), Port: uint16(80 + w.IntN(2)), HostPort: &port,
			HostIP: pick(w, "", "", "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "127.0.0.1")})
	}
	return out
}

func (w walk) nets() []string {
	var out []string
	for range w.IntN(3) {
		out = append(out, pick(w, w.addr(), "192.0.2.0/24", "10.65.0.0/24", "2001:db8::/32"))
	}
	return out
}

func (w walk) networkSet() api.Object {
	return NetworkSet(w.ns()+"/"+pick(w, "s", "t"), w.labels(), w.nets()...)
}

func (w walk) globalNetworkSet() api.Object {
	return GlobalNetworkSet(pick(w, "s", "t"), w.labels(), w.nets()...)
}

func (w walk) hostEndpoint() api.Object {
	h := HostEndpoint(pick(w, "h", "i", "j"), pick(w, Me, Me, "n2"), w.labels(), pick(w, "192.0.2.1", "198.51.100.1", w.addr()))
	h.Spec.InterfaceName = pick(w, "eth0", "eth1", "*", "", "")
	h.Spec.Profiles = pick(w, nil, []string{"kns.a"}, []string{"open"}, []string{"projectcalico-default-allow"})
	if w.chance(50) {
		h.Spec.ExpectedIPs = append(h.Spec.ExpectedIPs, pick(w, "2001:db8::1", "198.51.100.1"))
	}
	if w.chance(5) {
		h.Labels[v3.NamespaceLabel] = w.ns()
	}
	return h
}

func (w walk) namespace() api.Object { return Namespace(w.ns(), Labels{"env": pick(w, "x", "y")}) }

func (w walk) serviceAccount() api.Object {
	return ServiceAccount(w.ns()+"/default", Labels{"team": pick(w, "x", "y")})
}

func (w walk) profile() api.Object {
	p := Profile(pick(w, "open", "kns.a", "projectcalico-default-allow"), Labels{pick(w, "pcns.env", "extra"): pick(w, "x", "y")})
	p.Spec.Egress = w.rules(v3.Egress)
	return p
}

func (w walk) tier() api.Object {
	t := Tier(pick(w, "t1", "t2"), float64(w.IntN(3)), pick(w, v3.Deny, v3.Pass))
	if w.chance(20) {
		t.Spec.Order = nil
	}
	return t
}

func (w walk) tierName() string { return pick(w, "", "", "t1", "t2", "kube-admin") }

func (w walk) order() *float64 {
	if w.chance(30) {
		return nil
	}
	order := float64(w.IntN(3))
	return &order
}

func (w walk) types() []v3.PolicyType {
	return pick(w, nil, nil, []v3.PolicyType{v3.Ingress}, []v3.PolicyType{v3.Egress}, []v3.PolicyType{v3.Ingress, v3.Egress})
}

func (w walk) policy() api.Object {
	return Policy(w.ns()+"/"+pick(w, "p", "q"), func(s *v3.NetworkPolicySpec) {
		s.Tier, s.Order, s.Selector, s.Types, s.Ingress, s.Egress = w.tierName(), w.order(), w.selector(), w.types(), w.rules(v3.Ingress), w.rules(v3.Egress)
		s.ServiceAccountSelector = pick(w, "", "", "team == 'x'")
		s.PerformanceHints = w.hints()
	})
}

func (w walk) globalPolicy() api.Object {
	return GlobalPolicy(pick(w, "p", "g"), func(s *v3.GlobalNetworkPolicySpec) {
		s.Tier, s.Order, s.Selector, s.Types, s.Ingress, s.Egress = w.tierName(), w.order(), w.selector(), w.types(), w.rules(v3.Ingress), w.rules(v3.Egress)
		s.NamespaceSelector = pick(w, "", "", "env == 'x'")
		yes := true
		switch w.IntN(8) {
		case 0:
			s.DoNotTrack, s.ApplyOnForward = &yes, &yes
		case 1:
			s.PreDNAT, s.ApplyOnForward, s.Egress, s.Types = &yes, &yes, nil, nil
		case 2, 3:
			s.ApplyOnForward = &yes
		}
		s.PerformanceHints = w.hints()
	})
}

func (w walk) kubePolicy() api.Object {
	return KubePolicy(w.ns()+"/"+pick(w, "p", "k"), func(s *networkingv1.NetworkPolicySpec) {
		s.PodSelector = *every(w.labels())
		peer := networkingv1.NetworkPolicyPeer{PodSelector: every(w.labels())}
		if w.chance(30) {
			peer.NamespaceSelector = every(Labels{"env": "x"})
		}
		port := intstr.FromString("http")
		s.Ingress = []networkingv1.NetworkPolicyIngressRule{{
			From: []networkingv1.NetworkPolicyPeer{peer}, Ports: pick(w, nil, []networkingv1.NetworkPolicyPort{{Port: &port}}),
		}}
	})
}

func (w walk) slice() api.Object {
	ns := w.ns()
	s := Slice(ns+"/"+pick(w, "s", "t"), ns+"/"+pick(w, "web", "db"), pick[int32](w, 80, 81, 0), w.addr(), w.addr())
	if w.chance(5) {
		s.Endpoints[0].Addresses[0] = "nowhere"
	}
	node, ready := pick(w, Me, "n2"), w.chance(70)
	s.Endpoints[1].NodeName, s.Endpoints[1].Conditions.Ready = pick(w, nil, &node, &node), pick(w, nil, &ready)
	return s
}

// service is one of those that slices are of.
func (w walk) service() api.Object {
	s := Service(w.ns()+"/"+pick(w, "web", "db"), "10.96.0."+pick(w, "1", "2"))
	s.Spec.Type = pick(w, corev1.ServiceTypeClusterIP, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeExternalName)
	s.Spec.ExternalTrafficPolicy = pick(w, corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal, corev1.ServiceExternalTrafficPolicyLocal)
	if w.chance(30) {
		s.Spec.ClusterIPs = append(s.Spec.ClusterIPs, "fd00:96::1")
	}
	s.Spec.ExternalIPs = pick(w, nil, []string{"192.0.2.77"}, []string{"198.51.100.7"})
	s.Status.LoadBalancer.Ingress = pick(w, nil, []corev1.LoadBalancerIngress{{IP: pick(w, "203.0.113.1", "203.0.113.9", "2001:db8:9::1")}}, []corev1.LoadBalancerIngress{{Hostname: "example.org"}})
	return s
}

func (w walk) rules(dir v3.PolicyType) []v3.Rule {
	var out []v3.Rule
	for range w.IntN(3) {
		action := pick(w, v3.Allow, v3.Deny, v3.Pass, v3.Log)
		if w.chance(1) {
			action = "Permit"
		}
		r := pick(w, From(action, w.selector()), ToPort(action, intstr.FromInt32(80)), ToPort(action, intstr.FromString(pick(w, "http", "dns")), intstr.FromInt32(443)))
		if r.Source == nil && w.chance(50) {
			r.Source = &v3.EntityRule{NotSelector: w.selector(), NamespaceSelector: pick(w, "", "env == 'x'", "global()")}
		}
		if w.chance(15) {
			r = ToService(action, w.ns(), pick(w, "web", "db"))
			if dir == v3.Ingress {
				r.Source, r.Destination = r.Destination, nil
			}
		}
		out = append(out, r)
	}
	return out
}
