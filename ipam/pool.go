// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// Pool is an IPPool as the allocator sees it.
type Pool struct {
	Name string
	CIDR netip.Prefix
	// BlockBits is the prefix length of the pool's blocks.
	BlockBits int

	disabled, manual  bool
	uses              []string
	nodes, namespaces *selector.Selector
}

// Rejection is a pool that cannot be used, and why.
type Rejection struct{ Pool, Reason string }

// ResolvePools reads pools, sorted by name. A pool that is invalid or overlaps an older one is ignored, with the reason: status
// shows it as not allocatable.
func ResolvePools(objs []*v3.IPPool) ([]*Pool, []Rejection) {
	bad := map[string]string{}
	for _, e := range v3.ValidatePools(objs) {
		bad[e.Pool.Name] = e.Error()
	}
	var pools []*Pool
	var rejected []Rejection
	for _, obj := range slices.SortedFunc(slices.Values(objs), func(a, b *v3.IPPool) int { return strings.Compare(a.Name, b.Name) }) {
		pool, err := resolvePool(obj)
		switch {
		case err != nil:
			rejected = append(rejected, Rejection{obj.Name, err.Error()})
		case bad[obj.Name] != "":
			rejected = append(rejected, Rejection{obj.Name, bad[obj.Name]})
		default:
			pools = append(pools, pool)
		}
	}
	return pools, rejected
}

func resolvePool(obj *v3.IPPool) (*Pool, error) {
	obj = api.Clone(obj)
	v3.SetDefaults(obj)
	s := &obj.Spec
	cidr, err := netip.ParsePrefix(s.CIDR)
	if err != nil || cidr != cidr.Masked() {
		return nil, fmt.Errorf("spec.cidr %q is no CIDR without host bits", s.CIDR)
	}
	size := cidr.Addr().BitLen() - *s.BlockSize
	if size < 0 || 1<<size > maxBlockAddrs || *s.BlockSize < cidr.Bits() {
		return nil, fmt.Errorf("spec.blockSize %d does not fit %s", *s.BlockSize, cidr)
	}
	nodes, errNodes := selector.Parse(s.NodeSelector)
	namespaces, errNamespaces := selector.Parse(s.NamespaceSelector)
	if err := errors.Join(at("spec.nodeSelector", errNodes), at("spec.namespaceSelector", errNamespaces)); err != nil {
		return nil, err
	}
	return &Pool{
		Name: obj.Name, CIDR: cidr, BlockBits: *s.BlockSize, disabled: *s.Disabled, manual: s.AssignmentMode == "Manual",
		uses: s.AllowedUses, nodes: nodes, namespaces: namespaces,
	}, nil
}

func at(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

// String names the pool for messages: "default-ipv4-ippool (10.244.0.0/16)".
func (p *Pool) String() string { return fmt.Sprintf("%s (%s)", p.Name, p.CIDR) }

// blockOf returns the block that holds addr.
func (p *Pool) blockOf(addr netip.Addr) netip.Prefix {
	return netip.PrefixFrom(addr, p.BlockBits).Masked()
}

// choice is what a pool is chosen by.
type choice struct {
	family     family
	requested  []string // names or CIDRs; nil leaves it to the selectors
	use        string   // "" any
	node       string
	nodeLabels selector.Labels
	namespace  selector.Labels
}

// choose returns the pools that serve c: the requested ones in that order, or all that select the node and the namespace, by name.
func (s *settings) choose(c choice) ([]*Pool, error) {
	if c.requested != nil {
		return s.requested(c)
	}
	var out []*Pool
	var why []string
	for _, p := range s.pools {
		if familyOf(p.CIDR.Addr()) != c.family {
			continue
		}
		if reason := p.refuses(c); reason != "" {
			why = append(why, p.String()+" "+reason)
			continue
		}
		out = append(out, p)
	}
	if len(out) > 0 {
		return out, nil
	}
	for _, r := range s.rejected {
		why = append(why, fmt.Sprintf("%s is ignored: %s", r.Pool, r.Reason))
	}
	if len(why) == 0 {
		return nil, fmt.Errorf("%w: there is no %s pool; create an IPPool", ErrNoPool, c.family)
	}
	return nil, fmt.Errorf("%w: no %s pool serves node %s: %s; change one of them or create another IPPool", ErrNoPool, c.family, c.node, strings.Join(why, "; "))
}

// refuses says why the pool is not for automatic assignment to c, or "".
func (p *Pool) refuses(c choice) string {
	switch {
	case p.manual:
		return "has assignmentMode Manual"
	case !p.nodes.Matches(c.nodeLabels):
		return fmt.Sprintf("has nodeSelector %s, which does not select the node", p.nodes)
	case !p.namespaces.Matches(c.namespace):
		return fmt.Sprintf("has namespaceSelector %s, which does not select the namespace", p.namespaces)
	}
	return p.closed(c.use)
}

// closed says why the pool serves nobody who asks for use, or "".
func (p *Pool) closed(use string) string {
	switch {
	case p.disabled:
		return "is disabled"
	case use != "" && !slices.Contains(p.uses, use):
		return fmt.Sprintf("has allowedUses %s, without %s", strings.Join(p.uses, ", "), use)
	}
	return ""
}

// requested looks up pools asked for by name or CIDR. One that cannot be used is an error: the user meant it.
func (s *settings) requested(c choice) ([]*Pool, error) {
	var out []*Pool
	for _, text := range c.requested {
		i := slices.IndexFunc(s.pools, func(p *Pool) bool { return p.Name == text || p.CIDR.String() == text })
		if i < 0 {
			return nil, fmt.Errorf("%w: requested %s pool %q %s", ErrNoPool, c.family, text, s.missing(text))
		}
		p := s.pools[i]
		if familyOf(p.CIDR.Addr()) != c.family {
			return nil, fmt.Errorf("%w: pool %s was requested for %s; name it in the list of the other family", ErrNoPool, p, c.family)
		}
		if reason := p.closed(c.use); reason != "" {
			return nil, fmt.Errorf("%w: requested pool %s %s", ErrNoPool, p, reason)
		}
		out = append(out, p)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: the list of requested %s pools is empty; leave it out or name a pool", ErrNoPool, c.family)
	}
	return out, nil
}

// missing says why no pool is called text.
func (s *settings) missing(text string) string {
	for _, r := range s.rejected {
		if r.Pool == text {
			return "is ignored: " + r.Reason
		}
	}
	return "does not exist; write the name or the CIDR of an IPPool"
}

// poolOf returns the pool that an address belongs to, or nil.
func (s *settings) poolOf(addr netip.Addr) *Pool {
	for _, p := range s.pools {
		if p.CIDR.Contains(addr) {
			return p
		}
	}
	return nil
}
