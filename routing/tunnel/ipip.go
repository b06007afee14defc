// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
)

// ipip takes the IP-in-IP device in hand. The kernel makes it by itself, so it can carry our mark only from when we first use it: one that
// somebody else uses is left alone.
func (m *Manager) ipip(name string) (link netlink.Link, taken bool, err error) {
	link, err = m.links.IPIP(name)
	if err != nil || link.Group == own.TunnelGroup {
		return link, false, err
	}
	addrs, err := m.links.Addrs(link.Index)
	switch {
	case err != nil:
		return netlink.Link{}, false, err
	case link.Kind != netlink.IPIPKind || link.Up || len(addrs) > 0:
		return netlink.Link{}, false, fmt.Errorf("a device of that name is in use and not weft's; release it with `ip address flush dev %s; ip link set %s down`", name, name)
	}
	return link, true, m.links.SetGroup(link.Index, own.TunnelGroup)
}

// fallbackMTU is that of the kernel's own IP-in-IP device: Ethernet's less an IPv4 header.
const fallbackMTU = 1500 - 20

// leaveFallback gives the kernel's own IP-in-IP device back as it was. Our mark goes last, so that an attempt that fails is made again.
func (m *Manager) leaveFallback(index int) error {
	link, err := m.links.LinkByIndex(index)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	addrs, err := m.links.Addrs(index)
	for _, a := range addrs {
		err = errors.Join(err, m.links.DeleteAddr(a))
	}
	err = errors.Join(err, m.links.SetUp(index, false), m.links.SetMTU(link.Index, fallbackMTU))
	if err != nil {
		return err
	}
	return m.links.SetGroup(index, 0)
}
