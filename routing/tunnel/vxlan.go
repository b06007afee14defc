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

// vxlan returns the link of a device that is made as spec says. One of ours that is made otherwise is replaced; where that fails, the error
// comes with the link that is there.
func (m *Manager) vxlan(spec netlink.VXLANSpec) (link netlink.Link, made bool, err error) {
	have, link, err := m.links.VXLAN(spec.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		link, err = m.addVXLAN(spec)
		return link, true, err
	case link.Name != "" && link.Group != own.TunnelGroup:
		return netlink.Link{}, false, notOurs(spec.Name)
	case err == nil && have.VNI == spec.VNI && have.Port == spec.Port && have.Local == spec.Local:
		return link, false, nil
	case link.Name == "":
		return netlink.Link{}, false, err
	case have.VNI != spec.VNI || have.Port != spec.Port:
		if err := m.tryVXLAN(spec); err != nil {
			return link, false, err
		}
	}
	if err := m.links.DeleteLink(link.Index); err != nil {
		return link, false, err
	}
	link, err = m.addVXLAN(spec)
	return link, true, err
}

// trialDevice is made and deleted again to see whether a VNI and a port are free, while the device that is to be replaced goes on.
const trialDevice = "weft-trial"

// tryVXLAN tells whether a device could be made.
func (m *Manager) tryVXLAN(spec netlink.VXLANSpec) error {
	spec.Name = trialDevice
	left, err := m.links.Link(trialDevice) // by an agent that was killed
	if err == nil && left.Group == own.TunnelGroup {
		err = m.links.DeleteLink(left.Index)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	link, err := m.addVXLAN(spec)
	if err != nil {
		return err
	}
	return m.links.DeleteLink(link.Index)
}

// addVXLAN makes a device; the error says who has what it needs.
func (m *Manager) addVXLAN(spec netlink.VXLANSpec) (netlink.Link, error) {
	link, err := m.links.AddVXLAN(spec)
	switch {
	case errors.Is(err, netlink.ErrInUse):
		return link, fmt.Errorf("another program has UDP port %d; end it (`ss -ulnp sport = %d` shows it), or choose another port with vxlanPort of FelixConfiguration: %w",
			spec.Port, spec.Port, err)
	case errors.Is(err, fs.ErrExist):
		return link, fmt.Errorf("another VXLAN device%s has VNI %d and port %d; remove it, or choose others with vxlanVNI or vxlanPort of FelixConfiguration: %w",
			m.holder(spec), spec.VNI, spec.Port, err)
	}
	return link, err
}

// holder names the device that has the VNI and port of another: ", vxlan0,", or nothing if it cannot be seen from here.
func (m *Manager) holder(spec netlink.VXLANSpec) string {
	devices, err := m.links.VXLANs()
	if err != nil {
		return "" // the refusal is reported all the same
	}
	for _, d := range devices {
		if d.VNI == spec.VNI && d.Port == spec.Port && d.Local.Is4() == spec.Local.Is4() {
			return ", " + d.Name + ","
		}
	}
	return ""
}
