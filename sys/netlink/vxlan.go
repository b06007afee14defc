// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"fmt"
	"net"
	"net/netip"

	vnl "github.com/vishvananda/netlink"
)

// VXLANSpec describes a VXLAN device (RFC 7348) that neither learns nor floods: it sends where FDBEntry says.
// No link of the underlay is named, so that the routes of the underlay choose, several ways at once included.
type VXLANSpec struct {
	LinkSpec
	VNI uint32
	// Port is the UDP destination port.
	Port uint16
	// Local is the source address on the underlay.
	Local netip.Addr
}

// AddVXLAN makes a VXLAN device.
func (c *Conn) AddVXLAN(spec VXLANSpec) (Link, error) {
	device := &vnl.Vxlan{
		LinkAttrs: spec.attrs(), VxlanId: int(spec.VNI), Port: int(spec.Port), SrcAddr: net.IP(spec.Local.AsSlice()),
	}
	if err := c.h.LinkAdd(device); err != nil {
		return Link{}, wrap(err, "add VXLAN device %s with VNI %d and port %d", spec.Name, spec.VNI, spec.Port)
	}
	return c.Link(spec.Name)
}

// VXLAN returns how the VXLAN device called name is made, of LinkSpec the name alone, and the link.
func (c *Conn) VXLAN(name string) (VXLANSpec, Link, error) {
	l, err := c.h.LinkByName(name)
	if err != nil {
		return VXLANSpec{}, Link{}, wrap(err, "link %s", name)
	}
	device, ok := l.(*vnl.Vxlan)
	if !ok {
		return VXLANSpec{}, linkOf(l), fmt.Errorf("link %s is a %s device, not VXLAN", name, l.Type())
	}
	return vxlanOf(device), linkOf(l), nil
}

// vxlanOf leaves the fields of LinkSpec out but the name. Without a source address Local is the zero Addr, which no wanted device has.
func vxlanOf(device *vnl.Vxlan) VXLANSpec {
	local, _ := netip.AddrFromSlice(device.SrcAddr)
	return VXLANSpec{LinkSpec: LinkSpec{Name: device.Name}, VNI: uint32(device.VxlanId), Port: uint16(device.Port), Local: local.Unmap()}
}

// VXLANs returns how all VXLAN devices are made, by the same fields as VXLAN, and their names.
func (c *Conn) VXLANs() ([]VXLANSpec, error) {
	all, err := whole(c.h.LinkList)
	if err != nil {
		return nil, wrap(err, "list links")
	}
	var out []VXLANSpec
	for _, l := range all {
		if device, ok := l.(*vnl.Vxlan); ok {
			out = append(out, vxlanOf(device))
		}
	}
	return out, nil
}
