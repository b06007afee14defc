// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"

	"github.com/weftnet/weft/api/v3"
)

// text renders a rule on one line: Allow TCP from {app == "web"} to port 443, 8000-8080.
func text(action Action, m *Match) string {
	words := []string{action.String()}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	if m.IPVersion != 0 {
		add("IPv%d", m.IPVersion)
	}
	if m.Protocol != 0 {
		add("%s", protocolText(m.Protocol))
	}
	if m.NotProtocol != 0 {
		add("not %s", protocolText(m.NotProtocol))
	}
	if m.ICMP != nil {
		add("%s", icmpText(m.ICMP))
	}
	if m.NotICMP != nil {
		add("not %s", icmpText(m.NotICMP))
	}
	if s := sideText(&m.Src); s != "" {
		add("from %s", s)
	}
	if s := sideText(&m.Dst); s != "" {
		add("to %s", s)
	}
	if len(words) == 1 {
		add("anything")
	}
	return oneLine(strings.Join(words, " "))
}

// oneLine replaces control characters, which a selector's strings may hold.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func protocolText(number uint8) string {
	name := v3.ProtocolName(number)
	if name[0] <= '9' {
		return "protocol " + name
	}
	return name
}

func icmpText(i *ICMP) string {
	if i.HasCode {
		return fmt.Sprintf("type %d code %d", i.Type, i.Code)
	}
	return fmt.Sprintf("type %d", i.Type)
}

func sideText(s *Side) string {
	var words []string
	add := func(not, what, list string) {
		if list != "" {
			words = append(words, not+what+list)
		}
	}
	add("", "", netsText(s.Nets))
	add("not ", "", netsText(s.NotNets))
	add("", "", setsText(s.Sets, " and "))
	add("not ", "", setsText(s.NotSets, ", "))
	if service := serviceOf(s.PortSets); service != nil {
		return strings.Join(append(words, service.String()), " ")
	}
	add("", "port ", portsText(s.Ports, s.PortSets))
	add("not ", "port ", portsText(s.NotPorts, s.NotPortSets))
	return strings.Join(words, " ")
}

// serviceOf returns the service that ports are those of, nil for named ports.
func serviceOf(sets []Set) *Service {
	if len(sets) == 1 && sets[0].Selector == nil {
		return &sets[0].Service
	}
	return nil
}

func netsText(nets []netip.Prefix) string { return joined(nets, ", ", netip.Prefix.String) }

func setsText(sets []Set, separator string) string {
	return joined(sets, separator, func(s Set) string {
		if s.Selector == nil {
			return s.Service.String()
		}
		if s.Nodes {
			return "nodes {" + s.Selector.String() + "}"
		}
		return "{" + s.Selector.String() + "}"
	})
}

func portsText(ranges []PortRange, named []Set) string {
	numbers := joined(ranges, ", ", PortRange.String)
	names := joined(named, ", ", func(s Set) string { return s.Port })
	if numbers != "" && names != "" {
		return numbers + ", " + names
	}
	return numbers + names
}

func joined[T any](list []T, separator string, text func(T) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	return strings.Join(parts, separator)
}
