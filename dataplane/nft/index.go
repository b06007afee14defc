// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// A tier with many policies is indexed by peer address, so that a packet's cost does not grow with their number: a verdict map sends the
// peer to a chain with only those policies that can match it. Most policies name their peers by IP sets; one that does not, or whose sets
// hold prefixes, is a candidate for everybody.
//
//	index/in4/<hash>   ip saddr vmap @peers/in4/<hash>, then the policies for everybody, then the tier's end
//	tier/in4/<hash>    the candidates of some peers, then the tier's end
//
// A new member of a set costs one more element for each indexed tier that uses the set. Memory and chains are bounded: the policies with most
// peers are candidates for everybody, and where peers are in too many different combinations of sets, policies are told apart by groups.

const (
	// indexFrom is the number of policies with named peers from which a tier is indexed. A lookup costs as much as a policy or two.
	indexFrom = 4
	// indexBudget bounds the peers of an index, roughly; indexShare is what each policy of the tier adds to it.
	indexBudget = 8000
	indexShare  = 128
	// indexChains bounds the chains of candidates of an index.
	indexChains = 256
)

// keySets returns sets such that a packet can only match the policy if its peer is in one of them: of each rule, the first set that the
// peer must be in. ok is false if a rule has none.
func keySets(p *desired.Policy, dir rule.Direction) (sets []rule.SetID, ok bool) {
	for i := range p.Rules[dir] {
		peer := &p.Rules[dir][i].Match.Src
		if dir == rule.Egress {
			peer = &p.Rules[dir][i].Match.Dst
		}
		if len(peer.Sets) == 0 {
			return nil, false
		}
		sets = append(sets, peer.Sets[0].ID)
	}
	return sets, len(sets) > 0
}

// keyed is a policy, by its position in the tier, that only peers in one of the sets can match.
type keyed struct {
	position int
	sets     []rule.SetID
}

func (k keyed) equal(o keyed) bool { return k.position == o.position && slices.Equal(k.sets, o.sets) }

// split is how a tier's policies are told apart.
type split struct {
	keyed  []keyed
	always []int        // positions of policies that are candidates for everybody
	sets   []rule.SetID // that the split depends on
}

func (s *split) equal(o *split) bool {
	return slices.EqualFunc(s.keyed, o.keyed, keyed.equal) && slices.Equal(s.always, o.always)
}

// split tells apart the policies of a tier. It is worth an index if enough are keyed.
func (r renderer) split(t desired.TierPolicies, dir rule.Direction, f *family) (s split, worth bool) {
	for i, id := range t.Policies {
		p, ok := r.policy(id)
		if !ok || len(p.Rules[dir]) == 0 {
			continue
		}
		sets, ok := keySets(p, dir)
		if ok && r.hostsOnly(sets, f) {
			s.keyed = append(s.keyed, keyed{i, sets})
		} else {
			s.always = append(s.always, i)
		}
		s.sets = append(s.sets, sets...)
	}
	r.economise(&s, len(t.Policies), f)
	return s, !r.options.Plain && len(s.keyed) >= cmp.Or(r.options.indexFrom, indexFrom)
}

// economise keeps the policies with fewest peers, as many as the budget of a tier with so many policies allows.
func (r renderer) economise(s *split, policies int, f *family) {
	peers := func(k keyed) int {
		n := 0
		for _, id := range k.sets {
			sh, _ := r.shape(id)
			n += 1 << sh.width[f.index()]
		}
		return n
	}
	slices.SortStableFunc(s.keyed, func(a, b keyed) int { return peers(a) - peers(b) })
	fit := 0
	for left := indexBudget + indexShare*policies; fit < len(s.keyed); fit++ {
		if left -= peers(s.keyed[fit]); left < 0 {
			break
		}
	}
	for _, k := range s.keyed[fit:] {
		s.always = append(s.always, k.position)
	}
	s.keyed = s.keyed[:fit]
	slices.SortFunc(s.keyed, func(a, b keyed) int { return a.position - b.position })
	slices.Sort(s.always)
}

// hostsOnly reports whether no set holds prefixes of the family.
func (r renderer) hostsOnly(sets []rule.SetID, f *family) bool {
	return !slices.ContainsFunc(sets, func(id rule.SetID) bool {
		s, ok := r.shape(id)
		return ok && s.nets[f.index()]
	})
}

// index renders the chain of an indexed tier.
func (r renderer) index(out *rendered, s chainSpec) error {
	t := s.tiers[0]
	x := &peerIndex{spec: s, set: &nft.Set{Name: "peers/" + s.tail(), Key: []nft.Field{s.fam.addr}, Verdicts: true}}
	x.split, _ = r.split(t, s.role.dir, s.fam)
	out.peers = x
	out.sets = append(out.sets, x.sets...)
	out.rules = append(out.rules, ruleSpec{stmts: []stmt{is{f: nfproto, value: []byte{s.fam.nfproto}}, vmap{s.peer(), x.set.Name}}})
	return r.tier(out, s, some(t, x.always))
}

// some is a tier with the policies at some positions.
func some(t desired.TierPolicies, positions []int) desired.TierPolicies {
	out := desired.TierPolicies{Tier: t.Tier, DefaultAction: t.DefaultAction}
	for _, i := range positions {
		out.Policies = append(out.Policies, t.Policies[i])
	}
	return out
}

// peer is the address field of the other side.
func (s chainSpec) peer() *field {
	if s.role.dir == rule.Ingress {
		return s.fam.saddr
	}
	return s.fam.daddr
}
