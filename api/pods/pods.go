// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package pods turns Kubernetes pods into workload endpoints: Endpoint(pod).
//
// Names, profiles and ports are those that Calico derives, so that policies meet the same endpoint wherever it came from.
package pods

import (
	"crypto/sha1" // the naming rule of the cali* interfaces, not security
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
)

// DefaultServiceAccount is that of pods that name none, as Kubernetes fills it in.
const DefaultServiceAccount = "default"

// SourcePrefixes is the annotation of pods with a JSON list of prefixes that they send from beside their own addresses.
const SourcePrefixes = "cni.projectcalico.org/allowedSourcePrefixes"

// sourcePrefixes reads the annotation. What is no list is handed on as it is, so that the check of the endpoint refuses it.
func sourcePrefixes(annotation string) []string {
	if annotation == "" {
		return nil
	}
	var out []string
	if err := json.Unmarshal([]byte(annotation), &out); err != nil {
		return []string{annotation}
	}
	return out
}

// primary is the name of a pod's first interface.
const primary = "eth0"

// FloatingIPs is the annotation that lists addresses leading to the pod, as JSON: ["192.0.2.10"].
const FloatingIPs = "cni.projectcalico.org/floatingIPs"

// Endpoint returns the endpoint of a pod; not ok if it has none because it shares its node's network. A pod that is over, or that has no address
// yet, has an endpoint without addresses. A pod without a node belongs to a node "".
// What the annotation FloatingIPs lists besides addresses of the pod's families is left out.
func Endpoint(pod *corev1.Pod) (e *v3.WorkloadEndpoint, ok bool) {
	if pod.Spec.HostNetwork {
		return nil, false
	}
	account := pod.Spec.ServiceAccountName
	if account == "" {
		account = DefaultServiceAccount
	}
	e = &v3.WorkloadEndpoint{
		TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "WorkloadEndpoint"},
		Spec: v3.WorkloadEndpointSpec{
			Orchestrator: v3.OrchestratorKubernetes, Node: pod.Spec.NodeName, Pod: pod.Name, Endpoint: primary,
			ServiceAccountName: account, InterfaceName: interfaceName(pod.Namespace, pod.Name),
			Profiles: []string{"kns." + pod.Namespace, "ksa." + pod.Namespace + "." + account},
			Ports:    ports(&pod.Spec),

			AllowSpoofedSourcePrefixes: sourcePrefixes(pod.Annotations[SourcePrefixes]),
		},
	}
	e.Name, e.Namespace, e.Labels = v3.WorkloadEndpointName(&e.Spec), pod.Namespace, maps.Clone(pod.Labels)
	if !over(pod) {
		for _, addr := range Addresses(pod) {
			if net, err := v3.ParseCIDR(addr); err == nil {
				e.Spec.IPNetworks = append(e.Spec.IPNetworks, net.String())
			}
		}
		e.Spec.IPNATs = floating(pod)
	}
	return e, true
}

// floating leads the addresses of the annotation to the pod's first of their family.
func floating(pod *corev1.Pod) []v3.IPNAT {
	var texts []string
	if json.Unmarshal([]byte(pod.Annotations[FloatingIPs]), &texts) != nil {
		return nil
	}
	var out []v3.IPNAT
	for _, text := range texts {
		external, err := v3.ParseIP(text)
		for _, own := range Addresses(pod) {
			internal, errOwn := v3.ParseIP(own)
			if err == nil && errOwn == nil && internal.Is4() == external.Is4() {
				out = append(out, v3.IPNAT{InternalIP: internal.String(), ExternalIP: external.String()})
				break
			}
		}
	}
	return out
}

// Addresses returns the addresses in a pod's status.
func Addresses(pod *corev1.Pod) []string {
	var out []string
	for _, ip := range pod.Status.PodIPs {
		out = append(out, ip.IP)
	}
	if len(out) == 0 && pod.Status.PodIP != "" {
		out = append(out, pod.Status.PodIP)
	}
	return out
}

// over tells whether all containers have ended, so that the pod's addresses are free.
func over(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// interfaceName is the host side name: "cali" and the start of SHA-1 of "<namespace>.<pod>" (Calico's rule).
func interfaceName(namespace, pod string) string {
	sum := sha1.Sum([]byte(namespace + "." + pod))
	return "cali" + hex.EncodeToString(sum[:])[:11]
}

// ports returns the ports that have a name for rules, or a port of the host that leads to them.
func ports(spec *corev1.PodSpec) []v3.WorkloadEndpointPort {
	var out []v3.WorkloadEndpointPort
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, p := range containers[i].Ports {
				if (p.Name != "" || p.HostPort > 0) && p.ContainerPort > 0 && p.ContainerPort <= math.MaxUint16 {
					out = append(out, port(p))
				}
			}
		}
	}
	return out
}

func port(p corev1.ContainerPort) v3.WorkloadEndpointPort {
	protocol := p.Protocol
	if protocol == "" {
		protocol = corev1.ProtocolTCP
	}
	out := v3.WorkloadEndpointPort{Name: p.Name, Protocol: intstr.FromString(string(protocol)), Port: uint16(p.ContainerPort), HostIP: p.HostIP}
	if p.HostPort > 0 && p.HostPort <= math.MaxUint16 {
		host := uint16(p.HostPort)
		out.HostPort = &host
	}
	return out
}
