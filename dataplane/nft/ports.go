// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// Where rules compare with more than single values, but all name destination ports, a look-up of the port leaves few of them to try: a constant
// verdict map leads from protocol and port to a chain of the rules that are about it, in their order, with what else they compare. It stands
// for neighbouring policies of a tier, and helps where the index by peer cannot: with peers that all policies have in common, that are very many, or
// that are prefixes. A packet that no rule of its port decides about goes on behind the map.
//
//	const/<hash>         meta l4proto . th dport vmap …
//	ports/in4/<hash>     ip saddr @host4/… goto rule/in4/<hash>, …
//	rule/in4/<hash>      counter accept comment "rule <RuleID> …"

const (
	// portsFrom is the number of rules from which policies are told apart by port.
	portsFrom = 8
	// portsShare: a port leaves at most one in so many of the rules, or the map is not worth it.
	portsShare = 2
	// portsGrowth bounds the rules of all ports together: so many times the rules there are.
	portsGrowth = 8
)

// portKeys returns the combinations of protocol and destination port that a match is about, packed; ok is false when it is about others too,
// or about very many.
func portKeys(m *rule.Match) (keys [][]byte, ok bool) {
	if len(m.Dst.Ports) == 0 || len(m.Dst.PortSets) > 0 {
		return nil, false
	}
	list, few := portsOf(m.Dst.Ports)
	if !few {
		return nil, false
	}
	keys = values{}.with(l4proto, protocolsOf(m)).with(dport, list).keys
	for i := range keys {
		keys[i] = pad(keys[i])
	}
	return keys, len(keys) <= mergeKeys
}

// namesPorts reports whether all rules of a policy can be told apart by port. Passing and logging are for chains that a packet can come back to
// its tier from.
func namesPorts(p *desired.Policy, dir rule.Direction) bool {
	return !slices.ContainsFunc(p.Rules[dir], func(r rule.Rule) bool {
		_, ok := portKeys(&r.Match)
		return !ok || r.Action != rule.Allow && r.Action != rule.Deny
	})
}

// portLists says which of some rules are about each port, in their order.
type portLists map[string][]int

func listPorts(rules []rule.Rule) portLists {
	out := portLists{}
	for i := range rules {
		keys, _ := portKeys(&rules[i].Match)
		for _, k := range keys {
			out[string(k)] = append(out[string(k)], i)
		}
	}
	return out
}

// worth reports whether looking up the port pays.
func (l portLists) worth(rules int) bool {
	total := 0
	for _, list := range l {
		if len(list)*portsShare > rules {
			return false
		}
		total += len(list)
	}
	return total <= portsGrowth*rules
}

// byPort renders the first policies of a tier as one look-up of the port, if their rules allow it and it pays, and returns how many it took. row is
// how many in a row would allow it.
func (r renderer) byPort(out *rendered, s chainSpec, ids []rule.PolicyID) (taken, row int, err error) {
	rules, row, err := r.leading(ids, s.role.dir, func(_ []rule.Rule, p *desired.Policy) bool { return namesPorts(p, s.role.dir) })
	if err != nil || r.options.Plain || len(rules) < cmp.Or(r.options.portsFrom, portsFrom) {
		return 0, row, err
	}
	lists := listPorts(rules)
	if !lists.worth(len(rules)) {
		return 0, row, nil
	}
	for i := range rules {
		out.sets = append(out.sets, setsOf(&rules[i].Match)...)
	}
	return row, row, r.portLookup(out, s, rules, lists)
}

// portLookup renders the map from ports to the rules about them. Ports with the same rules share a chain; those without any in the family are left
// out.
func (r renderer) portLookup(out *rendered, s chainSpec, rules []rule.Rule, lists portLists) error {
	k := &constSet{}
	for _, key := range slices.Sorted(maps.Keys(lists)) {
		f, err := r.portRules(s, rules, lists[key])
		if err != nil {
			return err
		}
		if len(f.rules) > 0 {
			to, verdict := s.portVerdict(f)
			out.jumps = append(out.jumps, to)
			k.verdicts = append(k.verdicts, nft.VerdictKey{Key: []byte(key), Verdict: nft.Verdict(verdict)})
		}
	}
	if len(k.verdicts) > 0 {
		fields := []*field{l4proto, dport}
		k.finish(fields)
		out.rules = append(out.rules, ruleSpec{stmts: []stmt{choose{fields, k}}})
	}
	return nil
}

// portVerdict leads to the rules about a port: straight to the hit of the first if it compares nothing besides it.
func (s chainSpec) portVerdict(f fixed) (chainSpec, then) {
	if len(f.rules[0].stmts) == 1 {
		return f.jumps[0], goTo(f.jumps[0].name)
	}
	to := s.fixedSpec("ports/", f)
	return to, jump(to.name)
}

// portRules are the rules about a port: what they compare besides it, each leading to its hit.
func (r renderer) portRules(s chainSpec, rules []rule.Rule, list []int) (fixed, error) {
	var f fixed
	for _, i := range list {
		rl := &rules[i]
		end, err := action(rl.Action, s, false)
		m := matcher{fam: s.fam, shape: r.shape}
		rest := rl.Match
		rest.Protocol, rest.Dst.Ports = 0, nil
		branches := m.match(&rest)
		if err = errors.Join(err, m.err); err != nil {
			return fixed{}, fmt.Errorf("rule %d (%s): %w", rl.Index, rl.ID, err)
		}
		hit := s.hitSpec(ruleSpec{end, ruleText(rl)})
		for _, branch := range branches {
			f.rules = append(f.rules, ruleSpec{stmts: append(branch, goTo(hit.name))})
			f.jumps = append(f.jumps, hit)
		}
		if len(branches) == 1 && len(branches[0]) == 0 {
			break // it decides: nothing gets behind it
		}
	}
	return f, nil
}

// fixed are the rules of a chain that is named by them.
type fixed struct {
	rules []ruleSpec
	jumps []chainSpec
}

func (s chainSpec) fixedSpec(kind string, f fixed) chainSpec {
	var text []string
	for _, r := range f.rules {
		text = append(text, r.String())
	}
	return chainSpec{name: kind + s.role.tag + s.fam.tag + "/" + hash([]byte(strings.Join(text, "\n"))), fam: s.fam, role: s.role, fixed: &f}
}

// hitSpec is the chain of what one rule of a look-up ends with.
func (s chainSpec) hitSpec(r ruleSpec) chainSpec {
	return s.fixedSpec("rule/", fixed{rules: []ruleSpec{r}})
}
