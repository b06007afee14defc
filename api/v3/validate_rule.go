// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"net/netip"
	"slices"
	"strings"
)

// ruleContext says where a rule stands.
type ruleContext struct {
	direction PolicyType
	global    bool // in a global policy or a profile
}

func (c ruleContext) rules(rules []Rule, r report) {
	for i := range rules {
		c.rule(&rules[i], r.item(i))
	}
}

func (c ruleContext) rule(rule *Rule, r report) {
	if rule.IPVersion != nil && *rule.IPVersion == 5 {
		r.at("ipVersion").add("5 is no IP version here; write 4 or 6")
	}
	protocol := uint8(0)
	if rule.Protocol != nil {
		protocol, _ = ProtocolNumber(*rule.Protocol) // the check of the field reports the error
	}
	validateICMP(rule, protocol, r)
	validateFamilies(rule, r)
	for _, end := range []struct {
		name   string
		entity *EntityRule
	}{{"source", rule.Source}, {"destination", rule.Destination}} {
		if end.entity != nil {
			validatePorts(end.entity, protocol, r.at(end.name))
			c.services(end.name, end.entity, r.at(end.name))
		}
	}
	if rule.HTTP != nil {
		c.http(rule, protocol, r.at("http"))
	}
}

const (
	icmp4 = 1
	icmp6 = 58
	tcp   = 6
)

func validateICMP(rule *Rule, protocol uint8, r report) {
	for _, f := range []struct {
		name   string
		fields *ICMPFields
	}{{"icmp", rule.ICMP}, {"notICMP", rule.NotICMP}} {
		if f.fields == nil {
			continue
		}
		if protocol != icmp4 && protocol != icmp6 {
			r.at(f.name).add("needs protocol: ICMP or ICMPv6")
		}
		if f.fields.Code != nil && f.fields.Type == nil {
			r.at(f.name).at("code").add("needs a type")
		}
	}
	if rule.IPVersion == nil {
		return
	}
	if protocol == icmp4 && *rule.IPVersion == 6 {
		r.at("protocol").add("ICMP is for IPv4, but ipVersion is 6; write ICMPv6")
	}
	if protocol == icmp6 && *rule.IPVersion == 4 {
		r.at("protocol").add("ICMPv6 is for IPv6, but ipVersion is 4; write ICMP")
	}
}

// validateFamilies checks that all nets of a rule are of one family, that of ipVersion.
func validateFamilies(rule *Rule, r report) {
	version := 0
	if rule.IPVersion != nil {
		version = *rule.IPVersion
	}
	check := func(nets []string, r report, not bool) {
		for i, text := range nets {
			p, err := ParseCIDR(text)
			if err != nil {
				continue
			}
			family := familyOf(p.Addr())
			switch {
			case not && p.Bits() == 0:
				r.item(i).add("%s excludes every address; the rule would match nothing", text)
			case version == 0:
				version = family
			case version != family && rule.IPVersion != nil:
				r.item(i).add("%s is IPv%d, but ipVersion is %d", text, family, version)
			case version != family:
				r.item(i).add("%s is IPv%d beside IPv%d nets in one rule; write a rule for each family", text, family, version)
			}
		}
	}
	if e := rule.Source; e != nil {
		check(e.Nets, r.at("source").at("nets"), false)
		check(e.NotNets, r.at("source").at("notNets"), true)
	}
	if e := rule.Destination; e != nil {
		check(e.Nets, r.at("destination").at("nets"), false)
		check(e.NotNets, r.at("destination").at("notNets"), true)
	}
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

func validatePorts(e *EntityRule, protocol uint8, r report) {
	if HasPorts(protocol) {
		return
	}
	if len(e.Ports) > 0 {
		r.at("ports").add("needs protocol: TCP, UDP or SCTP in the rule")
	}
	if len(e.NotPorts) > 0 {
		r.at("notPorts").add("needs protocol: TCP, UDP or SCTP in the rule")
	}
}

// services checks a match on a service, which stands for selector, nets and, in a destination, ports.
func (c ruleContext) services(end string, e *EntityRule, r report) {
	if e.Services == nil {
		return
	}
	at := r.at("services")
	if c.direction == Ingress && end == "destination" || c.direction == Egress && end == "source" {
		at.add("belongs into the source of ingress rules and the destination of egress rules")
	}
	if e.Services.Name == "" {
		at.at("name").add("required")
	}
	if c.global && e.Services.Namespace == "" {
		at.at("namespace").add("required in a global policy")
	}
	if e.Selector != "" || e.NotSelector != "" || e.NamespaceSelector != "" || e.ServiceAccounts != nil || len(e.Nets) > 0 || len(e.NotNets) > 0 {
		at.add("cannot stand beside selectors, serviceAccounts or nets; write a second rule")
	}
	if end == "destination" && (len(e.Ports) > 0 || len(e.NotPorts) > 0) {
		at.add("brings the service's ports along; remove ports and notPorts")
	}
}

func (c ruleContext) http(rule *Rule, protocol uint8, r report) {
	if c.direction != Ingress || rule.Action != Allow {
		r.add("is only allowed in ingress rules with action: Allow")
	}
	if rule.Protocol != nil && protocol != tcp {
		r.add("needs protocol: TCP")
	}
	if dup := duplicate(rule.HTTP.Methods); dup != "" {
		r.at("methods").add("%s is there twice; remove one", dup)
	}
	if slices.Contains(rule.HTTP.Methods, "") {
		r.at("methods").add("holds an empty method")
	}
	for i, p := range rule.HTTP.Paths {
		at := r.at("paths").item(i)
		if (p.Exact == "") == (p.Prefix == "") {
			at.add("write either exact or prefix")
			continue
		}
		if path := p.Exact + p.Prefix; !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# ") {
			at.add("%q is no path; it starts with / and holds no '?', '#' or space", path)
		}
	}
}
