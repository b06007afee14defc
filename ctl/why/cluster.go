// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// extendAdmin inserts a rule into a policy of the cluster's administrators. Not ok if it is of another kind, or cannot mean the flow: these
// policies know pods, and addresses as destinations.
func (q *question) extendAdmin(out *Change, obj api.Object, dir rule.Direction, at int) bool {
	from, ok := q.adminSource()
	if !v3.HasPorts(q.met.Protocol) || dir == rule.Ingress && !ok {
		return false
	}
	to := q.adminDestination()
	out.Position = at
	switch p := obj.(type) {
	case *clusterpolicy.ClusterNetworkPolicy:
		p = api.Clone(p)
		out.Object = p
		if dir == rule.Egress {
			r := clusterpolicy.ClusterEgressRule{Action: clusterpolicy.Accept, To: to, Protocols: q.protocolMatches()}
			out.Rule, p.Spec.Egress = r, slices.Insert(p.Spec.Egress, at, r)
			return true
		}
		r := clusterpolicy.ClusterIngressRule{Action: clusterpolicy.Accept, From: from, Protocols: q.protocolMatches()}
		out.Rule, p.Spec.Ingress = r, slices.Insert(p.Spec.Ingress, at, r)
		return true
	case *clusterpolicy.AdminNetworkPolicy:
		p = api.Clone(p)
		out.Object = p
		if dir == rule.Egress {
			r := clusterpolicy.AdminEgressRule{Action: clusterpolicy.Allow, To: to, Ports: q.adminPorts()}
			out.Rule, p.Spec.Egress = r, slices.Insert(p.Spec.Egress, at, r)
			return true
		}
		r := clusterpolicy.AdminIngressRule{Action: clusterpolicy.Allow, From: from, Ports: q.adminPorts()}
		out.Rule, p.Spec.Ingress = r, slices.Insert(p.Spec.Ingress, at, r)
		return true
	}
	return false
}

// adminPods means the pod at the other end; not ok if that is no pod.
func (q *question) adminPods(dir rule.Direction) (*clusterpolicy.NamespacedPods, bool) {
	peer, _ := q.peer(dir)
	w := peer.Workload
	if w == nil || q.byAddress || w.Spec.Orchestrator != v3.OrchestratorKubernetes {
		return nil, false
	}
	return &clusterpolicy.NamespacedPods{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: w.Namespace}},
		PodSelector:       metav1.LabelSelector{MatchLabels: lasting(w)},
	}, true
}

func (q *question) adminSource() ([]clusterpolicy.IngressPeer, bool) {
	pods, ok := q.adminPods(rule.Ingress)
	return []clusterpolicy.IngressPeer{{Pods: pods}}, ok
}

func (q *question) adminDestination() []clusterpolicy.EgressPeer {
	if pods, ok := q.adminPods(rule.Egress); ok {
		return []clusterpolicy.EgressPeer{{Pods: pods}}
	}
	return []clusterpolicy.EgressPeer{{Networks: []string{desired.HostPrefix(q.met.Dst).String()}}}
}

// lastPort is the last there is.
const lastPort = 65535

// protocolMatches means the protocol and port of the flow.
func (q *question) protocolMatches() []clusterpolicy.ProtocolMatch {
	number := int32(q.met.DstPort)
	match := &clusterpolicy.TransportMatch{DestinationPort: &clusterpolicy.PortMatch{Number: &number}}
	if q.anyPort {
		match.DestinationPort = &clusterpolicy.PortMatch{Range: &clusterpolicy.PortMatchRange{Start: 1, End: lastPort}}
	}
	switch corev1.Protocol(v3.ProtocolName(q.met.Protocol)) {
	case corev1.ProtocolUDP:
		return []clusterpolicy.ProtocolMatch{{UDP: match}}
	case corev1.ProtocolSCTP:
		return []clusterpolicy.ProtocolMatch{{SCTP: match}}
	}
	return []clusterpolicy.ProtocolMatch{{TCP: match}}
}

// adminPorts is the same in the older form.
func (q *question) adminPorts() []clusterpolicy.AdminPort {
	protocol := corev1.Protocol(v3.ProtocolName(q.met.Protocol))
	if q.anyPort {
		return []clusterpolicy.AdminPort{{PortRange: &clusterpolicy.AdminPortRange{Protocol: protocol, Start: 1, End: lastPort}}}
	}
	return []clusterpolicy.AdminPort{{PortNumber: &clusterpolicy.AdminPortNumber{Protocol: protocol, Port: int32(q.met.DstPort)}}}
}
