// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// side compiles one end of a rule. local tells that this end is the policy's own endpoint.
func (c *compiler) side(e *v3.EntityRule, path string, protocol uint8, local bool) Side {
	if e == nil {
		return Side{}
	}
	s := Side{
		Nets:    c.nets(e.Nets, path+".nets"),
		NotNets: c.nets(e.NotNets, path+".notNets"),
	}
	peers := c.peers(e, path)
	if peers != nil {
		s.Sets = []Set{NetSet(peers)}
	}
	if e.NotSelector != "" {
		s.NotSets = []Set{NetSet(c.plainSelector(e.NotSelector, path+".notSelector"))}
	}
	var names []string
	s.Ports, names = c.ports(e.Ports, protocol, path+".ports")
	s.PortSets = portSets(names, c.declaring(peers, local), protocol)
	s.NotPorts, names = c.ports(e.NotPorts, protocol, path+".notPorts")
	s.NotPortSets = portSets(names, selector.All(), protocol)
	return s
}

// peers returns the selector of this end, scope included, or nil if the end is not selected by labels.
//
// In a namespaced policy it keeps to the namespace unless namespaceSelector says otherwise, also when there is only a
// notSelector. Service accounts are those of namespaced endpoints.
func (c *compiler) peers(e *v3.EntityRule, path string) *selector.Selector {
	if e.Selector == "" && e.NotSelector == "" && e.NamespaceSelector == "" && e.ServiceAccounts == nil {
		return nil
	}
	scope := c.scope(e, path)
	if scope.IsAll() && e.Selector == "" && e.ServiceAccounts == nil {
		return nil // a notSelector alone in a global policy: anything but its matches
	}
	scope = selector.And(scope, c.plainSelector(e.Selector, path+".selector"))
	if e.ServiceAccounts == nil {
		return scope
	}
	return selector.And(scope, c.serviceAccounts(e.ServiceAccounts, path+".serviceAccounts"))
}

// scope returns where this end may be.
func (c *compiler) scope(e *v3.EntityRule, path string) *selector.Selector {
	switch {
	case e.NamespaceSelector != "":
		s := c.parse(e.NamespaceSelector, path+".namespaceSelector")
		if s.HasGlobal() {
			return selector.Not(anyNamespace())
		}
		return namespaced(s)
	case c.namespace != "":
		return inNamespace(c.namespace)
	case e.ServiceAccounts != nil:
		return anyNamespace()
	}
	return selector.All()
}

func (c *compiler) serviceAccounts(m *v3.ServiceAccountMatch, path string) *selector.Selector {
	s := c.plainSelector(m.Selector, path+".selector").WithPrefix(ServiceAccountLabelPrefix)
	if len(m.Names) == 0 {
		return s
	}
	names := selector.In(ServiceAccountLabelPrefix+nameLabel, m.Names...)
	if err := speakable(names); err != nil {
		c.fail(path+".names", err.Error())
	}
	return selector.And(names, s)
}

// declaring returns which endpoints' named ports count on this end.
func (c *compiler) declaring(peers *selector.Selector, local bool) *selector.Selector {
	switch {
	case peers == nil && (!local || c.local == nil):
		return selector.All()
	case peers == nil:
		return c.local
	case local && c.local != nil:
		return selector.And(c.local, peers)
	}
	return peers
}
