// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
)

// kubeCheck collects what is wrong with a Kubernetes NetworkPolicy, by the rules of the Kubernetes API.
type kubeCheck struct{ found FieldErrors }

func (c *kubeCheck) add(path, format string, args ...any) {
	c.found = append(c.found, FieldError{Path: path, Reason: fmt.Sprintf(format, args...)})
}

func validateKubePolicy(o *networkingv1.NetworkPolicy) FieldErrors {
	c := &kubeCheck{}
	c.selector(&o.Spec.PodSelector, "spec.podSelector")
	for i, t := range o.Spec.PolicyTypes {
		if t != networkingv1.PolicyTypeIngress && t != networkingv1.PolicyTypeEgress {
			c.add(fmt.Sprintf("spec.policyTypes[%d]", i), "%q is not allowed; write Ingress or Egress", t)
		}
	}
	for i, rule := range o.Spec.Ingress {
		path := fmt.Sprintf("spec.ingress[%d]", i)
		c.ports(rule.Ports, path+".ports")
		c.peers(rule.From, path+".from")
	}
	for i, rule := range o.Spec.Egress {
		path := fmt.Sprintf("spec.egress[%d]", i)
		c.ports(rule.Ports, path+".ports")
		c.peers(rule.To, path+".to")
	}
	return c.found
}

func (c *kubeCheck) ports(ports []networkingv1.NetworkPolicyPort, path string) {
	for i, p := range ports {
		at := fmt.Sprintf("%s[%d]", path, i)
		if p.Protocol != nil && !slices.Contains([]corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}, *p.Protocol) {
			c.add(at+".protocol", "%q is not allowed; write TCP, UDP or SCTP", *p.Protocol)
		}
		first := uint16(0)
		if p.Port != nil {
			var err error
			if first, err = kubePort(*p.Port); err != nil {
				c.add(at+".port", "%v", err)
				continue
			}
		}
		switch end := p.EndPort; {
		case end == nil:
		case first == 0:
			c.add(at+".endPort", "needs a numeric port")
		case *end < int32(first) || *end > 65535:
			c.add(at+".endPort", "%d is out of range; write %d to 65535", *end, first)
		}
	}
}

// kubePort returns the number of a port, 0 for a named one. Unlike in Calico's policies a text is always a name.
func kubePort(p intstr.IntOrString) (uint16, error) {
	if p.Type == intstr.Int && (p.IntVal < 1 || p.IntVal > 65535) {
		return 0, fmt.Errorf("%d is no port number; ports are 1-65535", p.IntVal)
	}
	if p.Type == intstr.Int {
		return uint16(p.IntVal), nil
	}
	if _, _, name, err := v3.ParsePort(p); err != nil || name == "" {
		return 0, fmt.Errorf("%q is no port name; write numbers without quotes", p.StrVal)
	}
	return 0, nil
}

func (c *kubeCheck) peers(peers []networkingv1.NetworkPolicyPeer, path string) {
	for i, p := range peers {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.selector(p.PodSelector, at+".podSelector")
		c.selector(p.NamespaceSelector, at+".namespaceSelector")
		switch {
		case p.IPBlock != nil && (p.PodSelector != nil || p.NamespaceSelector != nil):
			c.add(at+".ipBlock", "cannot stand beside podSelector or namespaceSelector; write two peers")
		case p.IPBlock == nil && p.PodSelector == nil && p.NamespaceSelector == nil:
			c.add(at, "is empty; write podSelector, namespaceSelector or ipBlock")
		case p.IPBlock != nil:
			c.ipBlock(p.IPBlock, at+".ipBlock")
		}
	}
}

func (c *kubeCheck) ipBlock(b *networkingv1.IPBlock, path string) {
	outer, err := v3.ParseKubeCIDR(b.CIDR)
	if err != nil {
		c.add(path+".cidr", "%v", err)
		return
	}
	for i, text := range b.Except {
		inner, err := v3.ParseKubeCIDR(text)
		if err != nil || inner.Bits() <= outer.Bits() || !outer.Contains(inner.Addr()) {
			c.add(fmt.Sprintf("%s.except[%d]", path, i), "%q is not a smaller CIDR inside %s", text, outer)
		}
	}
}

func (c *kubeCheck) selector(s *metav1.LabelSelector, path string) {
	if s == nil {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		v3.ValidateLabel(key, s.MatchLabels[key], path+".matchLabels", &c.found)
	}
	for i, e := range s.MatchExpressions {
		at := fmt.Sprintf("%s.matchExpressions[%d]", path, i)
		switch e.Operator {
		case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
			if len(e.Values) == 0 {
				c.add(at+".values", "required with operator %s", e.Operator)
			}
		case metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist:
			if len(e.Values) > 0 {
				c.add(at+".values", "must be absent with operator %s", e.Operator)
			}
		default:
			c.add(at+".operator", "%q is not allowed; write In, NotIn, Exists or DoesNotExist", e.Operator)
		}
		v3.ValidateLabel(e.Key, "", at, &c.found)
		for _, value := range e.Values {
			v3.ValidateLabel("values", value, at, &c.found)
		}
	}
}
