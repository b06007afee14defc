// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

// validateEndpointSlice checks what policies read of a slice: addresses and ports.
func validateEndpointSlice(o *discoveryv1.EndpointSlice) FieldErrors {
	c := &kubeCheck{}
	switch o.AddressType {
	case discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6:
		for i, e := range o.Endpoints {
			for j, text := range e.Addresses {
				addr, err := v3.ParseIP(text)
				if err != nil || addr.Is4() != (o.AddressType == discoveryv1.AddressTypeIPv4) {
					c.add(fmt.Sprintf("endpoints[%d].addresses[%d]", i, j), "%q is no %s address", text, o.AddressType)
				}
			}
		}
	case discoveryv1.AddressTypeFQDN:
	default:
		c.add("addressType", "%q is not allowed; write IPv4, IPv6 or FQDN", o.AddressType)
	}
	for i, p := range o.Ports {
		at := fmt.Sprintf("ports[%d]", i)
		if p.Port != nil && (*p.Port < 1 || *p.Port > 65535) {
			c.add(at+".port", "%d is no port number; ports are 1-65535", *p.Port)
		}
		if p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP && *p.Protocol != corev1.ProtocolUDP && *p.Protocol != corev1.ProtocolSCTP {
			c.add(at+".protocol", "%q is not allowed; write TCP, UDP or SCTP", *p.Protocol)
		}
	}
	return c.found
}
