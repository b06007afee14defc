// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/own"
)

// interfaceNameMax is the longest name of a network interface in bytes (IFNAMSIZ less the closing zero, netdevice(7)).
const interfaceNameMax = 15

// CheckEndpoint returns an error for an endpoint that no driver can program.
func CheckEndpoint(e *desired.Endpoint) error {
	if e.Interface == "" || len(e.Interface) > interfaceNameMax {
		return fmt.Errorf("interface name %q: want 1 to %d bytes", e.Interface, interfaceNameMax)
	}
	for _, a := range e.Addrs {
		if !a.IsValid() || a.Zone() != "" {
			return fmt.Errorf("address %v: want an address without a zone", a)
		}
	}
	for _, p := range e.SpoofPrefixes {
		if !p.IsValid() {
			return fmt.Errorf("source prefix %v: want an address and a length", p)
		}
	}
	return checkTranslation(e)
}

// withPorts are TCP, UDP and SCTP.
var withPorts = []uint8{6, 17, 132}

// checkTranslation returns an error for what cannot lead to an endpoint.
func checkTranslation(e *desired.Endpoint) error {
	for _, f := range e.FloatingIPs {
		if !f.External.IsValid() || !f.Internal.IsValid() || f.External.Is4() != f.Internal.Is4() {
			return fmt.Errorf("floating IP %v: want two addresses of one family", f)
		}
	}
	for _, p := range e.HostPorts {
		if !p.To.IsValid() || p.Host.IsValid() && p.Host.Is4() != p.To.Addr().Is4() || p.Port == 0 || p.To.Port() == 0 || !slices.Contains(withPorts, p.Protocol) {
			return fmt.Errorf("host port %v: want a port of TCP, UDP or SCTP that leads to another, and addresses of one family", p)
		}
	}
	return nil
}

// CheckHostEndpoint returns an error for a host endpoint that no driver can program.
func CheckHostEndpoint(e *desired.HostEndpoint) error {
	switch {
	case e.Interface == "" || len(e.Interface) > interfaceNameMax:
		return fmt.Errorf("interface name %q: want 1 to %d bytes", e.Interface, interfaceNameMax)
	case strings.HasPrefix(e.Interface, own.InterfacePrefix):
		return fmt.Errorf("interface %s: names with %s are workloads'; write policy for those", e.Interface, own.InterfacePrefix)
	}
	return nil
}

// SharedInterfaceError says that an endpoint cannot be programmed because its interface is another's.
func SharedInterfaceError(name string, other desired.EndpointID) error {
	return fmt.Errorf("interface %s belongs to endpoint %s/%s too", name, other.Namespace, other.Name)
}
