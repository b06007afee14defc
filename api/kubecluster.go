// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
)

// clusterPolicy is a policy of the cluster's administrators in any of its forms.
type clusterPolicy interface {
	Object
	Form() clusterpolicy.Form
}

// validateClusterPolicy applies the rules that sigs.k8s.io/network-policy-api v0.2.0 has for its kinds.
func validateClusterPolicy(o clusterPolicy, checks Checks) FieldErrors {
	c := &kubeCheck{}
	v3.ValidateTags(o, checks, &c.found)
	if _, isBaseline := o.(*clusterpolicy.BaselineAdminNetworkPolicy); isBaseline && o.GetName() != "default" {
		c.add("metadata.name", "is %q; there is only one, named default", o.GetName())
	}
	form := o.Form()
	c.subject(form.Subject, "spec.subject")
	c.clusterRules(form.Ingress, "spec.ingress")
	c.clusterRules(form.Egress, "spec.egress")
	return c.found
}

func (c *kubeCheck) subject(s *clusterpolicy.PolicySubject, path string) {
	if (s.Namespaces == nil) == (s.Pods == nil) {
		c.add(path, "needs exactly one of namespaces and pods")
	}
	c.selector(s.Namespaces, path+".namespaces")
	c.pods(s.Pods, path+".pods")
}

func (c *kubeCheck) pods(p *clusterpolicy.NamespacedPods, path string) {
	if p != nil {
		c.selector(p.NamespaceSelector, path+".namespaceSelector")
		c.selector(&p.PodSelector, path+".podSelector")
	}
}

func (c *kubeCheck) clusterRules(rules []clusterpolicy.FormRule, path string) {
	for i := range rules {
		r, at := &rules[i], fmt.Sprintf("%s[%d]", path, i)
		if len(r.Peers) == 0 {
			c.add(at+"."+r.PeersField, "needs at least one entry; the selector {} under namespaces chooses all pods")
		}
		for j := range r.Peers {
			c.clusterPeer(r, &r.Peers[j], fmt.Sprintf("%s.%s[%d]", at, r.PeersField, j))
		}
		if r.Ports != nil && len(r.Ports) == 0 {
			c.add(at+"."+r.PortsField, "needs at least one entry; leave the field out for all ports")
		}
		for j, p := range r.Ports {
			c.clusterPort(r, p, fmt.Sprintf("%s.%s[%d]", at, r.PortsField, j))
		}
	}
}

func (c *kubeCheck) clusterPeer(r *clusterpolicy.FormRule, p *clusterpolicy.EgressPeer, path string) {
	if p.Stated() != 1 {
		c.add(path, "needs exactly one field; write a peer for each")
	}
	c.selector(p.Namespaces, path+".namespaces")
	c.pods(p.Pods, path+".pods")
	c.selector(p.Nodes, path+".nodes")
	for i, text := range p.Networks {
		if _, err := v3.ParseKubeCIDR(text); err != nil {
			c.add(fmt.Sprintf("%s.networks[%d]", path, i), "%v", err)
		}
	}
	if len(p.DomainNames) > 0 && r.Action != clusterpolicy.Accept && r.Action != clusterpolicy.Allow {
		c.add(path+".domainNames", "only a rule whose action allows can name domains; deny everything in a later rule")
	}
	for i, name := range p.DomainNames {
		if !domainName.MatchString(name) {
			c.add(fmt.Sprintf("%s.domainNames[%d]", path, i), "%q is no domain name; write one as in example.org or *.example.org", name)
		}
	}
}

var domainName = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\.?$`)

// clusterPort reports what is wrong with an entry, unless a limit of its field already did.
func (c *kubeCheck) clusterPort(r *clusterpolicy.FormRule, p clusterpolicy.FormPort, path string) {
	at := path
	if p.Field != "" {
		at += "." + p.Field
	}
	known := slices.ContainsFunc(c.found, func(e FieldError) bool { return len(e.Path) >= len(at) && e.Path[:len(at)] == at })
	if p.Wrong != "" && !known {
		c.add(at, "%s", p.Wrong)
	}
	named := func(p clusterpolicy.EgressPeer) bool { return p.Namespaces == nil && p.Pods == nil && p.Stated() > 0 }
	if p.Name != "" && slices.ContainsFunc(r.Peers, named) {
		c.add(path, "port names are those of pods: nodes, networks and domainNames have none; write a number, or another rule")
	}
}
