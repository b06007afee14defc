// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/pods"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
)

// Pod is what Kubernetes says of a workload.
type Pod struct {
	*corev1.Pod // nil: the datastore is not Kubernetes
	// Namespace has the annotations of the namespace that stand in for missing ones of the pod.
	Namespace map[string]string
}

// The annotations that a pod starts with, under Calico's names (calico-behaviour §3.9). Changing them later changes nothing.
const (
	pools4      = "cni.projectcalico.org/ipv4pools" // JSON list of names or CIDRs, as pools6; of the pod, or its namespace
	pools6      = "cni.projectcalico.org/ipv6pools"
	families    = "cni.projectcalico.org/ipFamilies"    // JSON list of IPv4, IPv6
	byValue     = "cni.projectcalico.org/ipAddrs"       // JSON list, one a family, of a pool
	withoutIPAM = "cni.projectcalico.org/ipAddrsNoIpam" // JSON list of the pod's only addresses, if feature_control allows it
	hardware    = "cni.projectcalico.org/hwAddr"
)

// Identity tells a pod from others that have its name before and after it. The kubelet knows a pod that it read from a file by another UID than the
// API, which shows it as an annotation.
func Identity(pod *corev1.Pod) types.UID {
	if uid := pod.Annotations[corev1.MirrorPodAnnotationKey]; uid != "" {
		return types.UID(uid)
	}
	return pod.UID
}

// describe completes an attachment by what Kubernetes knows of its pod.
func (s *Server) describe(ctx context.Context, a *attachment) error {
	if !a.kubernetes {
		return nil
	}
	pod, err := s.backend.Pod(ctx, a.workload.Namespace, a.workload.Name, types.UID(a.podUID))
	if err != nil {
		return &cniapi.Error{Code: cniapi.CodeTryAgain, Message: "the pod is not known", Details: err.Error()}
	}
	if pod.Pod == nil {
		return nil
	}
	if err := a.takePod(pod); err != nil {
		return cniapi.Errorf(cniapi.CodeConfig, "pod %s/%s: %v", pod.Pod.Namespace, pod.Name, err)
	}
	return nil
}

// takePod has the attachment say what the pod says.
func (a *attachment) takePod(pod Pod) error {
	derived, ok := pods.Endpoint(pod.Pod)
	if !ok {
		return errors.New("spec.hostNetwork is true, so it gets no interface of its own")
	}
	a.podUID = string(Identity(pod.Pod))
	a.workload.Labels, a.workload.ServiceAccount = pod.Labels, derived.Spec.ServiceAccountName
	a.workload.AllowedSourcePrefixes = derived.Spec.AllowSpoofedSourcePrefixes
	for _, p := range derived.Spec.Ports {
		if p.Name != "" { // ports of the host come from the runtime
			p.HostPort, p.HostIP = nil, ""
			a.ports = append(a.ports, p)
		}
	}
	return a.takeAnnotations(pod)
}

func (a *attachment) takeAnnotations(pod Pod) error {
	list := func(key string) ([]string, error) { return textList(key, pod.Annotations[key]) }
	poolsOf := func(key string, configured *[]string) error {
		for _, annotations := range []map[string]string{pod.Annotations, pod.Namespace} {
			if found, err := textList(key, annotations[key]); err != nil || len(found) > 0 {
				*configured = found
				return err
			}
		}
		return nil
	}
	wanted, err1 := list(families)
	floating, err2 := list(pods.FloatingIPs)
	err := errors.Join(err1, err2, poolsOf(pools4, &a.conf.IPAM.IPv4Pools), poolsOf(pools6, &a.conf.IPAM.IPv6Pools))
	if err == nil {
		err = errors.Join(a.takeFamilies(wanted), a.takeAddresses(list), a.takeMAC(pod.Annotations[hardware]))
	}
	if err != nil || len(floating) == 0 {
		return err
	}
	if !a.conf.FeatureControl.FloatingIPs {
		return fmt.Errorf("annotation %s: set feature_control.floating_ips of the network configuration to allow it", pods.FloatingIPs)
	}
	a.workload.FloatingIPs = floating
	return a.checkFloating("annotation " + pods.FloatingIPs)
}

// textList reads an annotation with a JSON list of texts.
func textList(key, value string) (out []string, err error) {
	if value == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(value), &out); err != nil {
		return nil, fmt.Errorf(`annotation %s: %q is no JSON list of texts, such as ["a"]`, key, value)
	}
	return out, nil
}

func (a *attachment) takeFamilies(wanted []string) error {
	if len(wanted) == 0 {
		return nil
	}
	for _, f := range wanted {
		if f != "IPv4" && f != "IPv6" {
			return fmt.Errorf("annotation %s: %q; write IPv4 or IPv6", families, f)
		}
	}
	a.conf.IPAM.AssignIPv4 = flexBool{true, slices.Contains(wanted, "IPv4")}
	a.conf.IPAM.AssignIPv6 = flexBool{true, slices.Contains(wanted, "IPv6")}
	return nil
}

// takeAddresses reads the addresses that the pod asks for.
func (a *attachment) takeAddresses(list func(string) ([]string, error)) error {
	fromPool, err1 := list(byValue)
	own, err2 := list(withoutIPAM)
	switch {
	case errors.Join(err1, err2) != nil:
		return errors.Join(err1, err2)
	case len(fromPool) > 0 && len(own) > 0:
		return fmt.Errorf("annotations %s and %s: write one of them", byValue, withoutIPAM)
	case len(own) > 0 && !a.conf.FeatureControl.IPAddrsNoIPAM:
		return fmt.Errorf("annotation %s: set feature_control.ip_addrs_no_ipam of the network configuration to allow it", withoutIPAM)
	}
	requested, err1 := onePerFamily(byValue, fromPool)
	own4or6, err2 := onePerFamily(withoutIPAM, own)
	a.requested, a.unmanaged = append(a.requested, requested...), own4or6
	return errors.Join(err1, err2)
}

func onePerFamily(key string, texts []string) (out []netip.Addr, err error) {
	for _, text := range texts {
		addr, err := v3.ParseIP(text)
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", key, err)
		}
		if slices.ContainsFunc(out, func(other netip.Addr) bool { return other.Is4() == addr.Is4() }) {
			return nil, fmt.Errorf("annotation %s: more than one address of a family; write at most one", key)
		}
		out = append(out, addr)
	}
	return out, nil
}

func (a *attachment) takeMAC(text string) error {
	if text == "" {
		return nil
	}
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 {
		return fmt.Errorf("annotation %s: %q is no address of one Ethernet interface; write it as 02:00:00:00:00:01", hardware, text)
	}
	a.mac = mac
	return nil
}

// Relabel has the labels of a pod in force on its interfaces. latest returns the pod as it is known, nil if it is gone. An ADD of the pod that is under way
// ends first: it may have begun with older labels.
func (s *Server) Relabel(namespace, name string, latest func() *corev1.Pod) error {
	s.pods.lock(namespace + "/" + name)()
	pod := latest()
	if pod == nil {
		return nil
	}
	var errs []error
	for _, r := range s.all() {
		if r.PodUID == Identity(pod) && r.Endpoint.Namespace == namespace && r.Endpoint.Spec.Pod == name {
			errs = append(errs, s.relabel(r, pod))
		}
	}
	return errors.Join(errs...)
}

func (s *Server) relabel(r *record.Record, pod *corev1.Pod) error {
	defer s.locks.lock(r.HostIf)()
	labels := endpointLabels(pod.Namespace, v3.OrchestratorKubernetes, r.Endpoint.Spec.ServiceAccountName, pod.Labels)
	if s.lookup(r.ID()) != r || r.State != record.Ready || maps.Equal(labels, r.Endpoint.Labels) {
		return nil
	}
	next := *r
	next.Endpoint = api.Clone(r.Endpoint)
	next.Endpoint.Labels = labels
	if bad := api.Validate(next.Endpoint, api.Checks{}); len(bad) > 0 {
		return fmt.Errorf("labels of pod %s/%s; the older ones stay in force: %w", pod.Namespace, pod.Name, bad)
	}
	if err := s.remember(&next); err != nil {
		return err
	}
	return s.backend.Update(next.Endpoint)
}
