// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"slices"
	"sync"
)

// Sign says that tables may have changed, and by whom: with nft it is the generation of the rules that a change made, with legacy the pid of
// the process that let go of the lock. The zero value is anybody's.
type Sign struct{ id uint32 }

// recent holds the last signs of one's own. They are few, for pids come again.
type recent struct {
	mu    sync.Mutex
	signs []Sign
}

const recentMax = 64

func (r *recent) add(s Sign) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.signs) == recentMax {
		r.signs = slices.Delete(r.signs, 0, 1)
	}
	r.signs = append(r.signs, s)
}

func (r *recent) has(s Sign) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return s != Sign{} && slices.Contains(r.signs, s)
}

// Mine implements Tables.
func (t *Tool) Mine(s Sign) bool { return t.mine.has(s) }

// noted carries out a change and notes its sign. Where another change came in between, whose generation is whose is not known, and neither counts
// as ours.
func (t *Tool) noted(change func() error) error {
	if t.conn == nil {
		return change()
	}
	before, errBefore := t.conn.Generation()
	if err := change(); err != nil {
		return err
	}
	if after, err := t.conn.Generation(); err == nil && errBefore == nil && after == before+1 {
		t.mine.add(Sign{after})
	}
	return nil
}
