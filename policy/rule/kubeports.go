// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/v3"
)

// kubePorts is the ports of one protocol. Its zero value is anything.
type kubePorts struct {
	protocol uint8
	ranges   []PortRange
	names    []string
	all      bool // an entry without port: the whole protocol
}

// protocols groups the ports of a rule by protocol, in the order of first mention.
func (k kubeRule) protocols(ports []networkingv1.NetworkPolicyPort) []kubePorts {
	var out []kubePorts
	for i := range ports {
		one, err := kubePort(&ports[i])
		if err != nil {
			k.leaveOut(fmt.Sprintf("ports[%d]", i), err.Error())
			continue
		}
		out = addPorts(out, one)
	}
	return out
}

// addPorts merges ports into those of the same protocol.
func addPorts(list []kubePorts, one kubePorts) []kubePorts {
	for i := range list {
		if list[i].protocol == one.protocol {
			list[i] = list[i].merge(one)
			return list
		}
	}
	return append(list, one)
}

func (p kubePorts) merge(o kubePorts) kubePorts {
	if p.all || o.all {
		return kubePorts{protocol: p.protocol, all: true}
	}
	p.ranges = MergePorts(append(p.ranges, o.ranges...))
	p.names = sortedNames(append(p.names, o.names...))
	return p
}

var kubeProtocols = map[corev1.Protocol]uint8{
	corev1.ProtocolTCP: protoTCP, corev1.ProtocolUDP: protoUDP, corev1.ProtocolSCTP: protoSCTP,
}

// kubePort converts one entry: a number, a range up to endPort, a name, or a protocol alone. The protocol is TCP by default.
func kubePort(p *networkingv1.NetworkPolicyPort) (kubePorts, error) {
	out := kubePorts{protocol: protoTCP}
	if p.Protocol != nil {
		var known bool
		if out.protocol, known = kubeProtocols[*p.Protocol]; !known {
			return out, fmt.Errorf("protocol %q is not TCP, UDP or SCTP", *p.Protocol)
		}
	}
	if p.Port == nil {
		if p.EndPort != nil {
			return out, fmt.Errorf("endPort %d needs a port", *p.EndPort)
		}
		out.all = true
		return out, nil
	}
	first, last, name, err := kubePortValue(*p.Port)
	switch {
	case err != nil:
		return out, err
	case p.EndPort != nil && p.Port.Type != intstr.Int:
		return out, fmt.Errorf("endPort %d needs a port number, not %q", *p.EndPort, p.Port.StrVal)
	case p.EndPort != nil && (*p.EndPort < int32(first) || *p.EndPort > 65535):
		return out, fmt.Errorf("endPort %d is not between port %d and 65535", *p.EndPort, first)
	case p.EndPort != nil:
		last = uint16(*p.EndPort)
	case name != "":
		out.names = []string{name}
		return out, nil
	}
	out.ranges = []PortRange{{first, last}}
	return out, nil
}

// kubePortValue reads a number or a name. Unlike in Calico's policies a text is always a name, which not all that is well-formed there is.
func kubePortValue(p intstr.IntOrString) (first, last uint16, name string, err error) {
	first, last, name, err = v3.ParsePort(p)
	if err == nil && p.Type == intstr.String && name == "" {
		return 0, 0, "", fmt.Errorf("%q is no port name; write numbers without quotes", p.StrVal)
	}
	return first, last, name, err
}
