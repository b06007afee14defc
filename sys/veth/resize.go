// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/weftnet/weft/sys/netlink"
)

// Resize gives both ends the MTU of the spec. The end that takes more goes first, so that at no time one end sends what the other drops. An
// interface that is gone, or was not made for the spec's owner, is left alone without an error.
func (l *Links) Resize(s Spec) error {
	link, err := l.host.Link(s.HostName)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !ours(link, s.Owner) {
		return nil
	}
	if err != nil {
		return err
	}
	outside := func() error {
		if link.MTU == s.MTU {
			return nil
		}
		return l.host.SetMTU(link.Index, s.MTU)
	}
	inside := func() error { return s.NS.Do(func() error { return resize(link.Peer, s.MTU) }) }
	steps := []func() error{inside, outside}
	if s.MTU > link.MTU {
		steps = []func() error{outside, inside}
	}
	for _, step := range steps {
		if err := step(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("MTU %d of %s and %s in %s: %w", s.MTU, s.HostName, s.IfName, s.NS.Path(), err)
		}
	}
	return nil
}

// resize works on the workload's end, whatever its name is by now.
func resize(index, size int) error {
	conn, err := netlink.Open(nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	link, err := conn.LinkByIndex(index)
	if err != nil || link.MTU == size {
		return err
	}
	return conn.SetMTU(index, size)
}
