// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"fmt"
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
