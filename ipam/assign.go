// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
	"github.com/weftnet/weft/store"
)

// Request says what addresses a handle needs.
type Request struct {
	// Handle groups all addresses of one owner; it is what releases them. Required.
	Handle string
	// IPv4 and IPv6 ask for an address of the family from a pool. A family that Addrs has an address of gets no other.
	IPv4, IPv6 bool
	// Pools4 and Pools6 are names or CIDRs of the pools to use, in this order, whatever their selectors say. Nil uses all that select the
	// node and the namespace.
	Pools4, Pools6 []string
	// Addrs asks for addresses by value, at most one a family. Reservations do not apply. One that an earlier container of the same pod
	// (by the attributes "namespace" and "pod") still has moves to this handle.
	Addrs []netip.Addr
	// Attrs describe the owner: namespace, pod, node, timestamp.
	Attrs map[string]string
	// Namespace is whose labels the namespaceSelector of a pool sees. It is read only if a pool has one.
	Namespace string
	// Use must be among the allowedUses of the pool. Default v3.UseWorkload.
	Use string
}

// Result is what a handle got.
type Result struct {
	Addrs []netip.Addr // IPv4 first
}

// want is one address to get.
type want struct {
	family family
	addr   netip.Addr // asked for by value, or zero
	pools  []*Pool

	block    *writer // where it shall come from
	seen     uint64
	affine   bool  // only while the block is this node's
	reserved bool  // block counts on us
	taking   *take // what was last tried
	got      netip.Addr
	mate     *mate // what comes with it
	pair     *want // what it comes with, as its mate
}

// Assign gets addresses for a handle: all that is asked for, or an error and nothing.
func (a *Allocator) Assign(ctx context.Context, r Request) (Result, error) {
	if err := r.check(); err != nil {
		return Result{}, err
	}
	defer a.locks.lock(r.Handle)()
	s, err := a.settings.get(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("assign addresses to %s: %w", r.Handle, err)
	}
	result, err := a.assign(ctx, &r, s)
	if judged(err) {
		// What the watch told may be a moment old. A refusal must hold against what is stored now.
		if s, err := a.settings.read(ctx); err == nil {
			return a.assign(ctx, &r, s)
		}
	}
	return result, err
}

// judged reports a refusal that rests on settings.
func judged(err error) bool {
	return errors.Is(err, ErrNoPool) || errors.Is(err, ErrFull) || errors.Is(err, ErrStrict) || errors.Is(err, ErrBlockLimit)
}

func (r *Request) check() error {
	var has [2]bool
	for _, addr := range r.Addrs {
		if !addr.IsValid() || addr.Is4In6() || addr.Zone() != "" {
			return fmt.Errorf("assign addresses to %s: %q is no plain IPv4 or IPv6 address", r.Handle, addr)
		}
		if has[familyOf(addr)] {
			return fmt.Errorf("assign addresses to %s: more than one %s address asked for; write at most one", r.Handle, familyOf(addr))
		}
		has[familyOf(addr)] = true
	}
	switch {
	case r.Handle == "":
		return errors.New("assign addresses: the handle is missing")
	case !r.IPv4 && !r.IPv6 && len(r.Addrs) == 0:
		return fmt.Errorf("assign addresses to %s: no family asked for; set assign_ipv4 or assign_ipv6", r.Handle)
	}
	if r.Use == "" {
		r.Use = v3.UseWorkload
	}
	return nil
}

func (a *Allocator) assign(ctx context.Context, r *Request, s *settings) (Result, error) {
	wants, err := a.plan(ctx, r, s)
	if err != nil {
		return Result{}, fmt.Errorf("assign addresses to %s: %w", r.Handle, err)
	}
	t := &assignment{a: a, r: r, s: s, wants: wants, counted: counts{}}
	if err := t.run(ctx); err != nil {
		return Result{}, fmt.Errorf("assign addresses to %s: %w", r.Handle, errors.Join(err, t.undo()))
	}
	var out Result
	for _, w := range wants {
		out.Addrs = append(out.Addrs, w.got)
	}
	return out, nil
}

// plan says which addresses are needed and which pools they may come from.
func (a *Allocator) plan(ctx context.Context, r *Request, s *settings) ([]*want, error) {
	if s.err != nil {
		return nil, s.err
	}
	var wants []*want
	for f, asked := range [2]bool{r.IPv4, r.IPv6} {
		f := family(f)
		i := slices.IndexFunc(r.Addrs, func(addr netip.Addr) bool { return familyOf(addr) == f })
		switch {
		case i >= 0:
			p, err := s.poolFor(r.Addrs[i], r.Use)
			if err != nil {
				return nil, err
			}
			wants = append(wants, &want{family: f, addr: r.Addrs[i], pools: []*Pool{p}})
		case asked:
			labels, err := a.nodeLabels(ctx, s)
			if err != nil {
				return nil, err
			}
			namespace, err := a.namespaceLabels(ctx, s, r.Namespace)
			if err != nil {
				return nil, err
			}
			pools, err := s.choose(choice{f, [2][]string{r.Pools4, r.Pools6}[f], r.Use, a.node, labels, namespace})
			if err != nil {
				return nil, err
			}
			wants = append(wants, &want{family: f, pools: pools})
		}
	}
	return wants, nil
}

// poolFor returns the pool of an address asked for by value.
func (s *settings) poolFor(addr netip.Addr, use string) (*Pool, error) {
	p := s.poolOf(addr)
	if p == nil {
		return nil, fmt.Errorf("%w: %s lies in no IPPool; choose an address of a pool or create one", ErrNoPool, addr)
	}
	if reason := p.closed(use); reason != "" {
		return nil, fmt.Errorf("%w: %s lies in pool %s, which %s", ErrNoPool, addr, p, reason)
	}
	return p, nil
}

// nodeLabels reads the labels of this node, if a pool asks for any.
func (a *Allocator) nodeLabels(ctx context.Context, s *settings) (selector.Labels, error) {
	if !slices.ContainsFunc(s.pools, func(p *Pool) bool { return !p.nodes.IsAll() }) {
		return selector.Map(nil), nil
	}
	return a.labelsOf(ctx, api.Key{Resource: api.Nodes, Name: a.node})
}

// namespaceLabels reads the labels of a namespace, if a pool asks for any.
func (a *Allocator) namespaceLabels(ctx context.Context, s *settings, name string) (selector.Labels, error) {
	if !slices.ContainsFunc(s.pools, func(p *Pool) bool { return !p.namespaces.IsAll() }) {
		return selector.Map(nil), nil
	}
	return a.labelsOf(ctx, api.Key{Resource: api.Namespaces, Name: name})
}

// labelsOf reads the labels of an object. One that nobody described has none.
func (a *Allocator) labelsOf(ctx context.Context, key api.Key) (selector.Labels, error) {
	obj, err := a.store.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return selector.Map(nil), nil
	}
	if err != nil {
		return nil, err
	}
	return selector.Map(obj.GetLabels()), nil
}

// ByHandle returns the addresses that a handle has, in order. A handle that does not exist has none.
func (a *Allocator) ByHandle(ctx context.Context, handle string) ([]netip.Addr, error) {
	h, err := a.getHandle(ctx, handle)
	if err != nil || h == nil {
		return nil, err
	}
	var out []netip.Addr
	for _, text := range slices.Sorted(maps.Keys(h.Spec.Block)) {
		cidr, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("IPAMHandle %s: spec.block %q is no CIDR; delete the entry", h.Name, text)
		}
		b, err := getBlock(ctx, a.store, cidr)
		if err != nil {
			return nil, err
		}
		for _, i := range b.heldBy(handle) {
			out = append(out, b.addr(i))
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out, nil
}
