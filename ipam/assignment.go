// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// assignment is one Assign under way.
type assignment struct {
	a     *Allocator
	r     *Request
	s     *settings
	wants []*want
	// counted is what the handle counts for this assignment; next is what it should.
	counted counts
	uid     types.UID
	// doubt says that counted and the addresses may or may not be stored, all of it or nothing.
	doubt bool
}

// run chooses a block for each address and takes all of them at once, if the store can do that. Else it counts them in the handle with one
// write, and takes them from their blocks side by side. What a block cannot give any more is chosen again.
func (t *assignment) run(ctx context.Context) error {
	for try := range maxTries {
		open := t.open()
		if len(open) == 0 {
			return nil
		}
		if err := t.pick(ctx, open); err != nil {
			return err
		}
		if try == 0 && t.joins() {
			if err := t.a.group.do(ctx, t); !errors.Is(err, errAlone) {
				t.unreserve()
				return err
			}
		}
		if err := t.count(ctx); err != nil {
			return err
		}
		if err := parallel(open, func(w *want) error { return t.take(ctx, w) }); err != nil {
			return err
		}
		pause(try)
	}
	return fmt.Errorf("%w: each block chosen was full when it came to taking an address; try again", ErrRetries)
}

func (t *assignment) open() []*want {
	var out []*want
	for _, w := range t.wants {
		if !w.got.IsValid() {
			out = append(out, w)
		}
	}
	return out
}

// count brings the handle to what the chosen blocks ask for.
func (t *assignment) count(ctx context.Context) error {
	add := counts{}
	for cidr, n := range t.counted {
		add[cidr] = -n
	}
	now := counts{}
	for _, w := range t.wants {
		if t.spares(w) || w.pair != nil {
			continue
		}
		now[w.block.cidr]++
		add[w.block.cidr]++
	}
	for cidr, n := range add {
		if n == 0 {
			delete(add, cidr)
		}
	}
	if len(add) == 0 {
		return nil
	}
	uid, err := t.a.count(ctx, t.r.Handle, add)
	if err != nil {
		return err
	}
	t.counted, t.uid = now, uid
	return nil
}

// take gets the address from the chosen block. It leaves w open when another block must be chosen.
func (t *assignment) take(ctx context.Context, w *want) error {
	if w.pair != nil {
		return nil // comes with the other
	}
	defer w.unreserve()
	edit := t.edit(w)
	w.taking = edit
	r := &request{edit: edit, ctx: ctx, seen: w.seen, doubt: edit.doubt}
	if !t.spares(w) {
		r.verify = t.a.verify(t.r.Handle, t.uid)
	}
	err := w.block.do(r)
	if errors.Is(err, errMoved) {
		return nil
	}
	if err != nil {
		return err
	}
	w.got = edit.got
	if edit.mate != nil {
		edit.mate.want.got = edit.mate.addr(minus(edit.got, w.block.cidr.Addr()))
	}
	if edit.moved != "" {
		_, err = t.a.count(ctx, edit.moved, counts{w.block.cidr: -1})
	}
	return err
}

func (t *assignment) edit(w *want) *take {
	edit := &take{holder: holder{t.r.Handle, t.r.Attrs}, addr: w.addr, rules: t.s.rules(t.a.now()), mate: w.mate}
	if w.affine {
		edit.owner = t.a.owner()
	}
	if t.spares(w) {
		edit.attrs = withoutHandle(edit.attrs)
	}
	return edit
}

// joins says whether the assignment can be committed in a group: an address asked for by value may have to move from another handle.
func (t *assignment) joins() bool {
	return t.a.group != nil && !slices.ContainsFunc(t.wants, func(w *want) bool { return w.addr.IsValid() })
}

func (t *assignment) unreserve() {
	for _, w := range t.wants {
		w.unreserve()
	}
}

func (w *want) unreserve() {
	if w.reserved {
		w.block.unreserve()
		w.reserved = false
	}
}

// undo gives back what a failed assignment has got. The blocks are changed in any case, so that a write whose outcome is not known
// cannot come true afterwards. What cannot be undone stays with the handle, whose release frees it.
func (t *assignment) undo() error {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	t.unreserve()
	var back []*giveUp
	for _, w := range t.wants {
		if w.block != nil && (t.counted[w.block.cidr] > 0 || w.taking != nil && t.spares(w)) {
			back = append(back, &giveUp{want: w, handle: t.r.Handle, rules: t.s.rules(t.a.now())})
		}
	}
	if err := parallel(back, func(g *giveUp) error { return g.want.block.do(&request{edit: g, ctx: ctx}) }); err != nil {
		return fmt.Errorf("what was assigned could not be given back yet, the release of the handle will: %w", err)
	}
	if len(t.counted) == 0 {
		return nil
	}
	off := counts{}
	for _, g := range back {
		if cidr := g.want.block.cidr; t.counted[cidr] > 0 && (g.found || !t.doubt) {
			off[cidr] = -t.counted[cidr]
		}
	}
	_, err := t.a.count(ctx, t.r.Handle, off)
	return err
}

// giveUp is the edit that undoes a take.
type giveUp struct {
	want   *want
	handle string
	rules  rules
	found  bool // the result: the handle had the address
}

func (g *giveUp) apply(b *block) (changed bool, err error) {
	if !b.exists() {
		return false, nil
	}
	if i, ok := g.place(b); ok && b.handleAt(i) == g.handle {
		b.release(i, g.rules)
		g.found = true
	}
	return true, nil
}

// place says where the address is, if it is known to be taken.
func (g *giveUp) place(b *block) (int, bool) {
	if g.want.got.IsValid() {
		return minus(g.want.got, b.cidr.Addr()), true
	}
	if g.want.taking == nil {
		return 0, false
	}
	return g.want.taking.committed(b)
}
