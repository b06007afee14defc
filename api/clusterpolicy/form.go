// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package clusterpolicy

// Form is what the three kinds have in common; each turns into it without loss.
type Form struct {
	Tier            string // TierAdmin or TierBaseline; as written in a ClusterNetworkPolicy
	Priority        *int32 // nil: behind all that have one
	Subject         *PolicySubject
	Ingress, Egress []FormRule
}

// FormRule is a rule of any kind and direction.
type FormRule struct {
	Name, Action string
	Peers        []EgressPeer
	// Ports are alternatives. They are nil if the user does not speak of ports, and empty if the user wrote an empty list.
	Ports []FormPort
	// PeersField and PortsField are what the kind calls the lists.
	PeersField, PortsField string
}

// Form returns the common form.
func (p *ClusterNetworkPolicy) Form() Form {
	s := &p.Spec
	return Form{
		Tier: s.Tier, Priority: &s.Priority, Subject: &s.Subject,
		Ingress: each(s.Ingress, func(r *ClusterIngressRule) FormRule {
			return FormRule{r.Name, r.Action, each(r.From, fromIngress), each(r.Protocols, (*ProtocolMatch).port), "from", "protocols"}
		}),
		Egress: each(s.Egress, func(r *ClusterEgressRule) FormRule {
			return FormRule{r.Name, r.Action, r.To, each(r.Protocols, (*ProtocolMatch).port), "to", "protocols"}
		}),
	}
}

// Form returns the common form.
func (p *AdminNetworkPolicy) Form() Form {
	s := &p.Spec
	return Form{
		Tier: TierAdmin, Priority: &s.Priority, Subject: &s.Subject,
		Ingress: each(s.Ingress, func(r *AdminIngressRule) FormRule {
			return FormRule{r.Name, r.Action, each(r.From, fromIngress), each(r.Ports, (*AdminPort).port), "from", "ports"}
		}),
		Egress: each(s.Egress, func(r *AdminEgressRule) FormRule {
			return FormRule{r.Name, r.Action, r.To, each(r.Ports, (*AdminPort).port), "to", "ports"}
		}),
	}
}

// Form returns the common form.
func (p *BaselineAdminNetworkPolicy) Form() Form {
	s := &p.Spec
	return Form{
		Tier: TierBaseline, Subject: &s.Subject,
		Ingress: each(s.Ingress, func(r *BaselineIngressRule) FormRule {
			return FormRule{r.Name, r.Action, each(r.From, fromIngress), each(r.Ports, (*AdminPort).port), "from", "ports"}
		}),
		Egress: each(s.Egress, func(r *BaselineEgressRule) FormRule {
			return FormRule{r.Name, r.Action, each(r.To, fromBaseline), each(r.Ports, (*AdminPort).port), "to", "ports"}
		}),
	}
}

func fromIngress(p *IngressPeer) EgressPeer {
	return EgressPeer{Namespaces: p.Namespaces, Pods: p.Pods}
}

func fromBaseline(p *BaselineEgressPeer) EgressPeer {
	return EgressPeer{Namespaces: p.Namespaces, Pods: p.Pods, Nodes: p.Nodes, Networks: p.Networks}
}

// each converts a list; nil stays nil.
func each[A, B any](list []A, convert func(*A) B) []B {
	if list == nil {
		return nil
	}
	out := make([]B, len(list))
	for i := range list {
		out[i] = convert(&list[i])
	}
	return out
}
