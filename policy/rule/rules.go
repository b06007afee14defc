// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"cmp"
	"fmt"

	"github.com/weftnet/weft/api/v3"
)

var actions = map[v3.Action]Action{v3.Allow: Allow, v3.Deny: Deny, v3.Pass: Pass, v3.Log: Log}

// rules compiles one list of rules.
func (c *compiler) rules(list []v3.Rule, dir Direction) []Rule {
	var out []Rule
	for i := range list {
		path := fmt.Sprintf("spec.%s[%d]", dir, i)
		if m, action, ok := c.rule(&list[i], dir, path); ok {
			out = append(out, c.finish(action, m, dir, i).named(ruleName(&list[i])))
		}
	}
	return out
}

// ruleName is what the user calls a rule.
func ruleName(r *v3.Rule) string {
	if r.Metadata == nil {
		return ""
	}
	return r.Metadata.Annotations["name"]
}

// rule compiles one rule; not ok means that it is left out.
func (c *compiler) rule(r *v3.Rule, dir Direction, path string) (Match, Action, bool) {
	action, ok := actions[r.Action]
	if !ok {
		c.fail(path+".action", fmt.Sprintf("%q is no action; write Allow, Deny, Pass or Log", r.Action))
		return Match{}, NoMatch, false
	}
	m := c.match(r, dir, path)
	if action, ok = c.cautious(action, path); !ok {
		return Match{}, NoMatch, false
	}
	if r.HTTP != nil {
		return c.instead(action, path+".http", "cannot be matched yet")
	}
	if !m.settleFamily() {
		c.note(path, "never matches: it asks for both IP versions at once; left out")
		return Match{}, NoMatch, false
	}
	return m, action, true
}

// instead notes why a rule is not what the user wrote, and returns what stands in for it: less than what is written would make an Allow too
// wide and a Deny or Pass too narrow, so the first is left out and the others deny everything.
func (c *compiler) instead(action Action, path, why string) (Match, Action, bool) {
	if action == Deny || action == Pass {
		c.note(path, why+": the rule denies everything instead")
		return Match{}, Deny, true
	}
	c.note(path, why+": the rule is left out")
	return Match{}, NoMatch, false
}

// match compiles what a rule matches, apart from http.
func (c *compiler) match(r *v3.Rule, dir Direction, path string) Match {
	var m Match
	if r.IPVersion != nil {
		m.IPVersion = uint8(*r.IPVersion)
		if *r.IPVersion != 4 && *r.IPVersion != 6 {
			c.fail(path+".ipVersion", fmt.Sprintf("%d is no IP version; write 4 or 6", *r.IPVersion))
		}
	}
	m.Protocol = c.protocol(r.Protocol, path+".protocol")
	m.NotProtocol = c.protocol(r.NotProtocol, path+".notProtocol")
	m.ICMP = c.icmp(r.ICMP, m.Protocol, path+".icmp")
	m.NotICMP = c.icmp(r.NotICMP, m.Protocol, path+".notICMP")
	if r.NotICMP != nil && m.NotICMP == nil {
		c.fail(path+".notICMP", "says nothing; state a type")
	}
	m.Src = c.side(r.Source, path+".source", m.Protocol, dir == Egress)
	m.Dst = c.side(r.Destination, path+".destination", m.Protocol, dir == Ingress)
	if r.Source != nil {
		c.service(r.Source.Services, &m.Src.Sets, ServiceNets, path+".source.services")
	}
	if r.Destination != nil {
		c.service(r.Destination.Services, &m.Dst.PortSets, ServicePorts, path+".destination.services")
	}
	return m
}

// service adds a set of a service to those that an end must be in. The service is one of the policy's namespace unless it names its own.
func (c *compiler) service(m *v3.ServiceMatch, sets *[]Set, set func(Service) Set, path string) {
	if m == nil {
		return
	}
	s := Service{Namespace: cmp.Or(m.Namespace, c.namespace), Name: m.Name}
	if s.Name == "" {
		c.fail(path+".name", "required")
	}
	if s.Namespace == "" {
		c.fail(path+".namespace", "required in a global policy")
	}
	if len(*sets) > 0 {
		c.fail(path, "cannot stand beside other choices of the same end; write a second rule")
	}
	*sets = []Set{set(s)}
}
