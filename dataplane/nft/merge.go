// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// Consecutive rules that compare the same fields with single values become one look-up, so that a packet's cost does not grow with their
// number: a constant verdict map leads from the values to a chain of each rule, which counts and decides as the rule itself would. Of rules with
// equal values the first wins. Where the rules of neighbouring policies of a tier are all of this sort, one map stands for all of them.
//
//	const/<hash>               ip saddr . meta l4proto . th dport vmap …
//	rule/in4/<hash>            counter accept comment "rule <RuleID> …"

const (
	// mergeFrom is the number of rules from which a look-up is cheaper than to try one after the other.
	mergeFrom = 3
	// mergeKeys bounds the combinations of values of one rule.
	mergeKeys = 64
)

// values are what a rule compares with: it matches packets whose fields have one of these values, and no others.
type values struct {
	fields []*field
	keys   [][]byte // packed, concatenated as the fields
}

func (v values) same(o values) bool { return slices.Equal(v.fields, o.fields) }

// with multiplies the keys by the values of one more field.
func (v values) with(f *field, of [][]byte) values {
	out := values{fields: append(slices.Clip(v.fields), f)}
	if len(v.fields) == 0 {
		v.keys = [][]byte{nil}
	}
	for _, key := range v.keys {
		for _, x := range of {
			out.keys = append(out.keys, append(pad(key), x...))
		}
	}
	return out
}

// pad fills up a key to whole registers.
func pad(key []byte) []byte { return append(slices.Clip(key), make([]byte, -len(key)&3)...) }

// valuesOf returns what a match compares; ok is false when it does more than compare with single values, or cannot match in the family.
func valuesOf(m *rule.Match, f *family) (v values, ok bool) {
	if m.IPVersion != 0 && m.IPVersion != f.version || m.NotProtocol != 0 || m.ICMP != nil || m.NotICMP != nil || len(m.Src.Ports) > 0 {
		return values{}, false
	}
	for _, side := range []*rule.Side{&m.Src, &m.Dst} {
		if len(side.NotNets)+len(side.Sets)+len(side.NotSets)+len(side.NotPorts)+len(side.PortSets)+len(side.NotPortSets) > 0 {
			return values{}, false
		}
	}
	for _, side := range []struct {
		nets []netip.Prefix
		addr *field
	}{{m.Src.Nets, f.saddr}, {m.Dst.Nets, f.daddr}} {
		hosts, single := hostsOf(side.nets, f)
		if !single {
			return values{}, false
		}
		if len(side.nets) > 0 {
			v = v.with(side.addr, hosts)
		}
	}
	if m.Protocol != 0 || len(m.Dst.Ports) > 0 {
		v = v.with(l4proto, protocolsOf(m))
	}
	if len(m.Dst.Ports) > 0 {
		list, few := portsOf(m.Dst.Ports)
		if !few {
			return values{}, false
		}
		v = v.with(dport, list)
	}
	if len(v.fields) > 1 {
		for i := range v.keys {
			v.keys[i] = pad(v.keys[i])
		}
	}
	return v, len(v.keys) > 0 && len(v.keys) <= mergeKeys
}

// protocolsOf lists the protocols of a match with a protocol or with ports.
func protocolsOf(m *rule.Match) [][]byte {
	if m.Protocol == 0 {
		return [][]byte{{protoTCP}, {protoUDP}, {protoSCTP}}
	}
	return [][]byte{{m.Protocol}}
}

// hostsOf returns the addresses of one family, if the prefixes are single addresses and some are of the family; none at all will do.
func hostsOf(nets []netip.Prefix, f *family) (hosts [][]byte, ok bool) {
	own := ofFamily(nets, f)
	if len(own) > mergeKeys {
		return nil, false
	}
	for _, p := range own {
		if !p.IsSingleIP() {
			return nil, false
		}
		hosts = append(hosts, p.Addr().AsSlice())
	}
	return hosts, len(nets) == 0 || len(own) > 0
}

// portsOf lists the ports of ranges, if they are few.
func portsOf(ranges []rule.PortRange) (list [][]byte, ok bool) {
	for _, r := range ranges {
		if len(list)+int(r.Max)-int(r.Min) >= mergeKeys {
			return nil, false
		}
		for port := int(r.Min); port <= int(r.Max); port++ {
			list = append(list, be16(uint16(port)))
		}
	}
	return list, true
}

// run returns how many rules at the start of a list can share one look-up, with rules before if there are some.
func (r renderer) run(before, rules []rule.Rule, f *family) int {
	if r.options.Plain || len(rules) == 0 {
		return 0
	}
	first, _ := valuesOf(&slices.Concat(before[:min(len(before), 1)], rules[:1])[0].Match, f)
	for i := range rules {
		v, ok := valuesOf(&rules[i].Match, f)
		if !ok || rules[i].Action == rule.Log || !v.same(first) {
			return i
		}
	}
	return len(rules)
}

// lookup renders a run of rules as one.
func (r renderer) lookup(out *rendered, s chainSpec, rules []rule.Rule, pass bool) error {
	var fields []*field
	k := &constSet{}
	for i := range rules {
		v, _ := valuesOf(&rules[i].Match, s.fam)
		fields = v.fields
		end, err := action(rules[i].Action, s, pass)
		if err != nil {
			return fmt.Errorf("rule %d (%s): %w", rules[i].Index, rules[i].ID, err)
		}
		hit := s.hitSpec(ruleSpec{end, ruleText(&rules[i])})
		out.jumps = append(out.jumps, hit)
		for _, key := range v.keys {
			k.verdicts = append(k.verdicts, nft.VerdictKey{Key: key, Verdict: nft.Verdict(goTo(hit.name))})
		}
	}
	k.finish(fields)
	rendering := ruleSpec{stmts: guard(s.fam, []stmt{choose{fields, k}})}
	out.rules = append(out.rules, rendering)
	return nil
}

// finish makes the map of the verdicts, of which the first for each key counts.
func (k *constSet) finish(fields []*field) {
	slices.SortStableFunc(k.verdicts, func(a, b nft.VerdictKey) int { return bytes.Compare(a.Key, b.Key) })
	k.verdicts = slices.CompactFunc(k.verdicts, func(a, b nft.VerdictKey) bool { return bytes.Equal(a.Key, b.Key) })
	k.set = &nft.Set{Constant: true, Verdicts: true, Size: len(k.verdicts)}
	for _, f := range fields {
		k.set.Key = append(k.set.Key, f.kind)
	}
	content := []byte(typeText(k.set.Key))
	for _, v := range k.verdicts {
		content = fmt.Appendf(append(content, v.Key...), " %s ", v.Verdict.Chain)
	}
	k.set.Name = "const/" + hash(content)
}

// merged renders the first policies of a tier as one look-up, if their rules allow it, and returns how many it took.
func (r renderer) merged(out *rendered, s chainSpec, ids []rule.PolicyID) (int, error) {
	rules, taken, err := r.leading(ids, s.role.dir, func(before []rule.Rule, p *desired.Policy) bool {
		more := p.Rules[s.role.dir]
		return r.run(before, more, s.fam) == len(more)
	})
	if err != nil || taken < 2 || len(rules) < mergeFrom {
		return 0, err
	}
	return taken, r.lookup(out, s, rules, s.end == tierEnd)
}

// leading returns the rules of the first policies, up to one that does not fit to the rules before it, and how many policies those are.
func (r renderer) leading(ids []rule.PolicyID, dir rule.Direction, fits func(before []rule.Rule, p *desired.Policy) bool) (rules []rule.Rule, taken int, err error) {
	for _, id := range ids {
		p, err := r.find(id)
		if err != nil {
			return nil, 0, err
		}
		if !fits(rules, p) {
			break
		}
		rules = append(rules, p.Rules[dir]...)
		taken++
	}
	return rules, taken, nil
}

// mergeable is the content of a policy's rules in a direction if chains of tiers may contain them, else empty.
func mergeable(p *desired.Policy, dir rule.Direction) string {
	merges := func(f *family) bool { return (renderer{}).run(nil, p.Rules[dir], f) == len(p.Rules[dir]) }
	if namesPorts(p, dir) || slices.ContainsFunc(families[:], merges) {
		return hash(fmt.Appendf(nil, "%v", p.Rules[dir]))
	}
	return ""
}

// choose follows the verdict that a constant map holds for some fields.
type choose struct {
	fields []*field
	konst  *constSet
}

func (s choose) String() string { return joined(s.fields) + " vmap @" + s.konst.set.Name }

func (s choose) encode(e *nft.Exprs) {
	loadAll(e, s.fields)
	e.LookupVerdict(0, s.konst.set.Name)
}
