// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

// Class is the loadBalancerClass of services that ask for our addresses, as Calico's.
const Class = "calico"

// The annotations of a Service, as Calico's: JSON lists of names or CIDRs of pools, and of addresses.
const (
	pools4Annotation    = "projectcalico.org/ipv4pools"
	pools6Annotation    = "projectcalico.org/ipv6pools"
	addressesAnnotation = "projectcalico.org/loadBalancerIPs"
)

// Wanted is what a service is to have.
type Wanted struct {
	// IPv4 and IPv6: an address of the family.
	IPv4, IPv6 bool
	// Pools4 and Pools6 are those to take it from; nil: any for LoadBalancers.
	Pools4, Pools6 []string
	// Addrs are the addresses themselves, at most one a family.
	Addrs []netip.Addr
	// Asked: the service asks for it with an annotation or its class.
	Asked bool
}

// For returns what a service is to have; nil for one that is not ours. requestedOnly leaves out services that do not ask.
func For(s *corev1.Service, requestedOnly bool) (*Wanted, error) {
	if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.DeletionTimestamp != nil || s.Spec.LoadBalancerClass != nil && *s.Spec.LoadBalancerClass != Class {
		return nil, nil
	}
	w := &Wanted{Asked: s.Spec.LoadBalancerClass != nil}
	var addrs []string
	for name, into := range map[string]*[]string{pools4Annotation: &w.Pools4, pools6Annotation: &w.Pools6, addressesAnnotation: &addrs} {
		text, given := s.Annotations[name]
		if !given {
			continue
		}
		w.Asked = true
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return w, fmt.Errorf("metadata.annotations[%s]: %q is no JSON list of strings; write it as [\"...\"]", name, text)
		}
	}
	if requestedOnly && !w.Asked {
		return nil, nil
	}
	for _, f := range s.Spec.IPFamilies {
		w.IPv4, w.IPv6 = w.IPv4 || f == corev1.IPv4Protocol, w.IPv6 || f == corev1.IPv6Protocol
	}
	if len(s.Spec.IPFamilies) == 0 {
		w.IPv4 = true
	}
	return w, w.takeAddrs(addrs)
}

// takeAddrs reads the addresses asked for by value. A service that names some gets those alone.
func (w *Wanted) takeAddrs(texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	families := *w
	w.IPv4, w.IPv6 = false, false
	for _, text := range texts {
		addr, err := v3.ParseIP(text)
		switch {
		case err != nil:
			return fmt.Errorf("metadata.annotations[%s]: %q is no IP address", addressesAnnotation, text)
		case addr.Is4() && !families.IPv4 || addr.Is6() && !families.IPv6:
			return fmt.Errorf("metadata.annotations[%s]: %s is of a family that spec.ipFamilies does not have", addressesAnnotation, text)
		case addr.Is4() && w.IPv4 || addr.Is6() && w.IPv6:
			return fmt.Errorf("metadata.annotations[%s]: more than one address of the family of %s; write one for each family", addressesAnnotation, text)
		}
		w.IPv4, w.IPv6 = w.IPv4 || addr.Is4(), w.IPv6 || addr.Is6()
		w.Addrs = append(w.Addrs, addr)
	}
	return nil
}

// fits tells whether an address is one that the service is to have, and takes it off what it lacks.
func (w *Wanted) fits(addr netip.Addr) bool {
	lacking := &w.IPv4
	if addr.Is6() {
		lacking = &w.IPv6
	}
	if !*lacking {
		return false
	}
	for i, want := range w.Addrs {
		if want.Is4() != addr.Is4() {
			continue
		}
		if want != addr {
			return false
		}
		w.Addrs = append(w.Addrs[:i:i], w.Addrs[i+1:]...)
		break
	}
	*lacking = false
	return true
}

// handleOf returns the handle of a service's addresses. One that is deleted and made anew has another.
func handleOf(s *corev1.Service) string {
	sum := sha256.Sum256([]byte(strings.ToLower(s.Name + "-" + s.Namespace + "-" + string(s.UID))))
	return "lb-" + hex.EncodeToString(sum[:])
}
