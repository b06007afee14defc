// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package veth

import (
	"errors"
	"io/fs"

	"github.com/weftnet/weft/sys/netlink"
)

// Delete removes the pair by its host side: when it returns, both ends are gone. A missing link, or one that was not made for owner, is left
// alone without an error.
func (l *Links) Delete(hostName, owner string) error {
	link, err := l.host.Link(hostName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !ours(link, owner) {
		return err
	}
	return l.remove(link)
}

// remove deletes a link by its index: whatever has the name by now is not touched.
func (l *Links) remove(link netlink.Link) error {
	if err := netlink.DeleteLinkFrom(nil, link.Index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
