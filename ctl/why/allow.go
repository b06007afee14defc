// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// fleeting are labels that controllers put on pods and that the next pod of the same kind does not have.
var fleeting = []string{
	"pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid", "job-name",
	"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
}

// fleetingDomains are domains of such labels.
var fleetingDomains = []string{"batch.kubernetes.io/", "projectcalico.org/"}

// lasting returns the labels of a workload that say what it is.
func lasting(w *v3.WorkloadEndpoint) map[string]string {
	out := map[string]string{}
	for name, value := range w.Labels {
		inDomain := func(domain string) bool { return strings.HasPrefix(name, domain) }
		if !slices.Contains(fleeting, name) && !slices.ContainsFunc(fleetingDomains, inDomain) {
			out[name] = value
		}
	}
	return out
}

// selectorOf selects workloads with the same labels.
func selectorOf(w *v3.WorkloadEndpoint) string {
	labels := lasting(w)
	var terms []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		terms = append(terms, fmt.Sprintf("%s == '%s'", name, labels[name]))
	}
	if len(terms) == 0 {
		return "all()"
	}
	return strings.Join(terms, " && ")
}

// peer returns the other end, and its address where the flow is denied.
func (q *question) peer(dir rule.Direction) (*cluster.End, netip.Addr) {
	if dir == rule.Egress {
		return q.dst, q.met.Dst
	}
	return q.src, q.met.Src
}

// calicoRule allows the flow in a policy of a namespace, or of the whole cluster if that is empty.
func (q *question) calicoRule(dir rule.Direction, namespace string) v3.Rule {
	r := v3.Rule{Action: v3.Allow, Protocol: new(intstr.Parse(v3.ProtocolName(q.met.Protocol)))}
	peer, addr := q.peer(dir)
	e := &v3.EntityRule{}
	if w := peer.Workload; w == nil || q.byAddress {
		e.Nets = []string{desired.HostPrefix(addr).String()}
	} else {
		e.Selector = selectorOf(w)
		if w.Namespace != namespace {
			e.NamespaceSelector = "projectcalico.org/name == '" + w.Namespace + "'"
		}
	}
	if dir == rule.Egress {
		r.Destination = e
	} else {
		r.Source = e
	}
	switch {
	case q.met.Protocol == protoICMP || q.met.Protocol == protoICMPv6:
		r.ICMP = &v3.ICMPFields{Type: new(int(q.met.ICMPType))}
	case !q.anyPort && v3.HasPorts(q.met.Protocol):
		if r.Destination == nil {
			r.Destination = &v3.EntityRule{}
		}
		r.Destination.Ports = []intstr.IntOrString{q.port()}
	}
	return r
}

// port is the port as it was asked for: its name, or its number. The name is that of a port of the workload, which is not met before a translation.
func (q *question) port() intstr.IntOrString {
	if q.portName != "" && q.met.Dst == q.packet.Dst {
		return intstr.FromString(q.portName)
	}
	return intstr.FromInt32(int32(q.met.DstPort))
}

// kubeCan tells whether a Kubernetes NetworkPolicy can mean the flow.
func (q *question) kubeCan() bool { return v3.HasPorts(q.met.Protocol) }

func (q *question) kubePorts() []networkingv1.NetworkPolicyPort {
	out := networkingv1.NetworkPolicyPort{Protocol: new(corev1.Protocol(v3.ProtocolName(q.met.Protocol)))}
	if !q.anyPort {
		out.Port = new(q.port())
	}
	return []networkingv1.NetworkPolicyPort{out}
}

// kubePeer means the other end: pods by their labels, everything else by its address.
func (q *question) kubePeer(dir rule.Direction, namespace string) networkingv1.NetworkPolicyPeer {
	peer, addr := q.peer(dir)
	w := peer.Workload
	if w == nil || q.byAddress || w.Spec.Orchestrator != v3.OrchestratorKubernetes {
		return networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: desired.HostPrefix(addr).String()}}
	}
	out := networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: lasting(w)}}
	if w.Namespace != namespace {
		out.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.Namespace}}
	}
	return out
}

// insertKube puts a rule behind the others, which is as good as any place: all of them allow.
func (q *question) insertKube(c *Change, p *networkingv1.NetworkPolicy, dir rule.Direction) {
	peers := []networkingv1.NetworkPolicyPeer{q.kubePeer(dir, p.Namespace)}
	if dir == rule.Egress {
		r := networkingv1.NetworkPolicyEgressRule{To: peers, Ports: q.kubePorts()}
		c.Rule, c.Position = r, len(p.Spec.Egress)
		p.Spec.Egress = append(p.Spec.Egress, r)
		return
	}
	r := networkingv1.NetworkPolicyIngressRule{From: peers, Ports: q.kubePorts()}
	c.Rule, c.Position = r, len(p.Spec.Ingress)
	p.Spec.Ingress = append(p.Spec.Ingress, r)
}

func (q *question) newKubePolicy(own *v3.WorkloadEndpoint, dir rule.Direction) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: lasting(own)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyType(typeOf(dir))},
		},
	}
	var c Change
	q.insertKube(&c, p, dir)
	return p
}

// maxPolicyName keeps the names of new policies readable.
const maxPolicyName = 63

// policyName makes a name for a policy between two ends: "allow-web-to-db".
func policyName(src, dst *cluster.End) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, "allow-"+lastPart(src.Name)+"-to-"+lastPart(dst.Name))
	return strings.Trim(clean[:min(len(clean), maxPolicyName)], "-")
}

func lastPart(name string) string { return name[strings.LastIndexAny(name, "/ ")+1:] }
