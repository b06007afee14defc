// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/agent/record"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
)

// portMapping is an entry of the capability portMappings (CNI conventions): a port of the host that leads to the container.
type portMapping struct {
	HostPort      int    `json:"hostPort"`
	ContainerPort int    `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp, udp or sctp in any case; default tcp
	HostIP        string `json:"hostIP"`   // default: all addresses of the host
}

// takePorts reads the port mappings of the request.
func (a *attachment) takePorts() *cniapi.Error {
	for i, m := range a.conf.RuntimeConfig.PortMappings {
		p, err := m.port()
		if err == nil {
			err = a.reaches(p.HostIP)
		}
		if err != nil {
			return cniapi.Errorf(cniapi.CodeConfig, "network configuration: runtimeConfig.portMappings[%d]: %v", i, err)
		}
		for _, before := range a.ports {
			if overlap(before, p) {
				return cniapi.Errorf(cniapi.CodeConfig, "network configuration: runtimeConfig.portMappings[%d]: host port %s is listed before", i, hostPortText(p))
			}
		}
		a.ports = append(a.ports, p)
	}
	return nil
}

func (m portMapping) port() (v3.WorkloadEndpointPort, error) {
	const most = 65535
	protocol := strings.ToUpper(cmp.Or(m.Protocol, "tcp"))
	switch {
	case m.HostPort < 1 || m.HostPort > most:
		return v3.WorkloadEndpointPort{}, fmt.Errorf("hostPort %d is outside 1 to %d", m.HostPort, most)
	case m.ContainerPort < 1 || m.ContainerPort > most:
		return v3.WorkloadEndpointPort{}, fmt.Errorf("containerPort %d is outside 1 to %d", m.ContainerPort, most)
	case !slices.Contains([]string{"TCP", "UDP", "SCTP"}, protocol):
		return v3.WorkloadEndpointPort{}, fmt.Errorf("protocol %q; write tcp, udp or sctp", m.Protocol)
	}
	host := uint16(m.HostPort)
	return v3.WorkloadEndpointPort{Protocol: intstr.FromString(protocol), Port: uint16(m.ContainerPort), HostPort: &host, HostIP: m.HostIP}, nil
}

// reaches returns an error for an address of the host from which nothing gets to the workload.
func (a *attachment) reaches(hostIP string) error {
	if hostIP == "" {
		return nil
	}
	addr, err := v3.ParseIP(hostIP)
	switch {
	case err != nil:
		return fmt.Errorf("hostIP: %w", err)
	case addr == netip.IPv6Loopback():
		return fmt.Errorf("hostIP %s: the kernel lets no packet from there leave the host; write 127.0.0.1, another address of the host, or none", addr)
	case addr.Is4() && !a.has(netip.Addr.Is4, a.conf.wants4()), addr.Is6() && !a.has(netip.Addr.Is6, a.conf.wants6()):
		return fmt.Errorf("hostIP %s: the workload gets no address of that family", addr)
	}
	return nil
}

// has tells whether the workload gets an address of a family.
func (a *attachment) has(family func(netip.Addr) bool, assigned bool) bool {
	if len(a.unmanaged) > 0 {
		return slices.ContainsFunc(a.unmanaged, family)
	}
	return assigned || slices.ContainsFunc(a.requested, family)
}

// overlap tells whether packets could be meant for either of two host ports.
func overlap(p, q v3.WorkloadEndpointPort) bool {
	if p.HostPort == nil || q.HostPort == nil || *p.HostPort != *q.HostPort || p.Protocol != q.Protocol {
		return false
	}
	a, _ := v3.ParseIP(p.HostIP) // the zero Addr is all of both families
	b, _ := v3.ParseIP(q.HostIP)
	switch {
	case !a.IsValid() || !b.IsValid():
		return true
	case a.Is4() != b.Is4():
		return false
	}
	return a == b || a.IsUnspecified() || b.IsUnspecified()
}

func hostPortText(p v3.WorkloadEndpointPort) string {
	text := fmt.Sprintf("%s %d", p.Protocol.String(), *p.HostPort)
	if p.HostIP != "" {
		text += " of " + p.HostIP
	}
	return text
}

// checkFloating refuses floating IPs that lead nowhere; where says who asked for them.
func (a *attachment) checkFloating(where string) error {
	for i, text := range a.workload.FloatingIPs {
		addr, err := v3.ParseIP(text)
		if err == nil && (addr.Is4() && !a.has(netip.Addr.Is4, a.conf.wants4()) || addr.Is6() && !a.has(netip.Addr.Is6, a.conf.wants6())) {
			err = fmt.Errorf("%s: the workload gets no address of that family", addr)
		}
		if err != nil {
			return fmt.Errorf("%s[%d]: %w", where, i, err)
		}
	}
	return nil
}

// floating leads each floating IP to the first address of its family.
func (a *attachment) floating(addrs []netip.Addr) []v3.IPNAT {
	var out []v3.IPNAT
	for _, text := range a.workload.FloatingIPs {
		external, err := v3.ParseIP(text)
		at := slices.IndexFunc(addrs, func(addr netip.Addr) bool { return addr.Is4() == external.Is4() })
		if err == nil && at >= 0 { // before addresses are assigned there is nothing to lead to
			out = append(out, v3.IPNAT{InternalIP: addrs[at].String(), ExternalIP: external.String()})
		}
	}
	return out
}

// claim writes a record down that others cannot have the host ports of meanwhile. It refuses ports that another workload has.
func (s *Server) claim(r *record.Record) error {
	s.claims.Lock()
	defer s.claims.Unlock()
	if err := s.portsFree(r); err != nil {
		return err
	}
	return s.remember(r)
}

// portsFree returns an error that names the workload that has one of the host ports already. What is being removed has given its own back.
func (s *Server) portsFree(r *record.Record) error {
	for _, other := range s.all() {
		if other.ID() == r.ID() || other.State == record.Deleting {
			continue
		}
		for _, p := range r.Endpoint.Spec.Ports {
			for _, q := range other.Endpoint.Spec.Ports {
				if overlap(p, q) {
					return cniapi.Errorf(cniapi.CodeConfig, "host port %s belongs to workload %s/%s in container %s (host port %s); choose another or delete that first",
						hostPortText(p), other.Endpoint.Namespace, other.Endpoint.Name, other.ContainerID, hostPortText(q))
				}
			}
		}
	}
	return nil
}
