// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import vnl "github.com/vishvananda/netlink"

// AddWireGuard makes a WireGuard device without key and peers; sys/wireguard gives it those. The error is errors.ErrUnsupported where the kernel
// has none.
func (c *Conn) AddWireGuard(spec LinkSpec) (Link, error) {
	if err := c.h.LinkAdd(&vnl.Wireguard{LinkAttrs: spec.attrs()}); err != nil {
		return Link{}, wrap(err, "add WireGuard device %s", spec.Name)
	}
	return c.Link(spec.Name)
}
