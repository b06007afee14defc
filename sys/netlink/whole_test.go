// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"errors"
	"testing"

	vnl "github.com/vishvananda/netlink"
)

// TestInterruptedLists: a list that changed while it was made is asked for again, not for ever, and other errors are told at once.
func TestInterruptedLists(t *testing.T) {
	refused := errors.New("refused")
	for _, c := range []struct {
		interruptions int
		then          error
		asked         int
		want          error
	}{
		{0, nil, 1, nil},
		{3, nil, 4, nil},
		{1, refused, 2, refused},
		{1000, nil, dumpTries, vnl.ErrDumpInterrupted},
	} {
		asked := 0
		all, err := whole(func() ([]int, error) {
			asked++
			if asked <= c.interruptions {
				return []int{1}, vnl.ErrDumpInterrupted
			}
			return []int{1, 2}, c.then
		})
		if asked != c.asked || !errors.Is(err, c.want) || err == nil && len(all) != 2 {
			t.Errorf("%d interruptions: asked %d times, %v, %v; want %d times, %v", c.interruptions, asked, all, err, c.asked, c.want)
		}
	}
}
