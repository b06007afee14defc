// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"errors"
	"io/fs"

	vnl "github.com/vishvananda/netlink"
)

// IPIPKind is the Kind of IP-in-IP devices.
const IPIPKind = "ipip"

// FallbackIPIP is the IP-in-IP device that the kernel makes in each network namespace as soon as it has the module, and that cannot be deleted.
const FallbackIPIP = "tunl0"

// IPIP returns the IP-in-IP device called name (RFC 2003), which takes packets from everywhere and wraps those it is given for their next hop,
// and makes it if it is not there. The error is errors.ErrUnsupported where the kernel has none.
func (c *Conn) IPIP(name string) (Link, error) {
	link, err := c.Link(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return link, err
	}
	err = wrap(c.h.LinkAdd(&vnl.Iptun{LinkAttrs: LinkSpec{Name: name}.attrs()}), "add IP-in-IP device %s", name)
	if err != nil && !errors.Is(err, fs.ErrExist) { // asking for one loads the module, which makes the fallback device
		return Link{}, err
	}
	return c.Link(name)
}
