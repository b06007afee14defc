// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"

	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/own"
)

// rememberMost bounds the memory of connections that carry the mark. More of them wait for the review, as all would without.
const rememberMost = 10_000

// relent takes the mark off those connections remembered to carry it that policy allows again. The rest of what is due is left to Review.
func (r *Reviewer) relent(ctx context.Context) error {
	due := newScope()
	r.mu.Lock()
	none := len(r.ended) == 0
	if !none {
		due.merge(&r.due)
	}
	r.mu.Unlock()
	if none || due.empty() {
		return nil
	}
	if !r.config.Ask(ctx, due.resolve) {
		return ctx.Err()
	}
	suspects := r.remembered(&due)
	if len(suspects) == 0 {
		return nil
	}
	if _, err := r.decide(ctx, suspects); err != nil {
		return fmt.Errorf("connections that are allowed again: %w", err)
	}
	return nil
}

// remembered lists the connections of a scope that are remembered.
func (r *Reviewer) remembered(due *scope) (suspects []suspect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.ended {
		if due.has(src(&f), dst(&f)) {
			suspects = append(suspects, suspect{Flow: f})
		}
	}
	return suspects
}

// remember notes which connections of a scope carry the mark: those found, and no others.
func (r *Reviewer) remember(due *scope, found []suspect) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.ended, func(_ uint32, f conntrack.Flow) bool { return due.has(src(&f), dst(&f)) })
	for i := range found {
		if found[i].Mark&own.EndedMark != 0 {
			r.add(found[i].Flow)
		}
	}
}

func (r *Reviewer) add(f conntrack.Flow) {
	if len(r.ended) < rememberMost {
		r.ended[f.ID] = f
	}
}

// note remembers what became of a connection whose mark was to be changed.
func (r *Reviewer) note(v *verdict, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist): // as before
	case err == nil && v.denied:
		v.Mark |= own.EndedMark
		r.add(v.Flow)
	default:
		delete(r.ended, v.ID)
	}
}
