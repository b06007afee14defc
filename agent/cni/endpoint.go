// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"encoding/json"
	"maps"
	"net"
	"net/netip"

	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/veth"
)

// maxLabelValue is the longest label value of Kubernetes.
const maxLabelValue = 63

// endpoint is the attachment as the policy model sees it.
func (a *attachment) endpoint(node string, addrs []netip.Addr, mac string) *v3.WorkloadEndpoint {
	spec := v3.WorkloadEndpointSpec{
		Orchestrator: v3.OrchestratorCNI, Workload: a.workload.Name, Node: node, ContainerID: a.containerID, Endpoint: a.ifName,
		ServiceAccountName: a.workload.ServiceAccount, InterfaceName: a.hostName(), MAC: mac,
		Profiles: []string{"kns." + a.workload.Namespace}, Ports: a.ports, IPNATs: a.floating(addrs),
		AllowSpoofedSourcePrefixes: a.workload.AllowedSourcePrefixes,
	}
	if a.kubernetes {
		spec.Orchestrator, spec.Workload, spec.Pod = v3.OrchestratorKubernetes, "", a.workload.Name
	}
	if sa := a.workload.ServiceAccount; sa != "" {
		spec.Profiles = append(spec.Profiles, "ksa."+a.workload.Namespace+"."+sa)
	}
	for _, addr := range addrs {
		spec.IPNetworks = append(spec.IPNetworks, netip.PrefixFrom(addr, addr.BitLen()).String())
	}
	endpoint := &v3.WorkloadEndpoint{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "WorkloadEndpoint"}, Spec: spec}
	endpoint.Name, endpoint.Namespace, endpoint.Labels = v3.WorkloadEndpointName(&spec), a.workload.Namespace, endpointLabels(a.workload.Namespace, spec.Orchestrator, spec.ServiceAccountName, a.workload.Labels)
	return endpoint
}

// endpointLabels are those of the workload and those by which policies find its namespace, orchestrator and service account.
func endpointLabels(namespace, orchestrator, account string, own map[string]string) map[string]string {
	labels := map[string]string{}
	maps.Copy(labels, own)
	labels["projectcalico.org/namespace"] = namespace
	labels["projectcalico.org/orchestrator"] = orchestrator
	if account != "" && len(account) <= maxLabelValue {
		labels["projectcalico.org/serviceaccount"] = account
	}
	return labels
}

// addrsOf reads the addresses back from an endpoint of a record.
func addrsOf(endpoint *v3.WorkloadEndpoint) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range endpoint.Spec.IPNetworks {
		if p, err := netip.ParsePrefix(text); err == nil {
			addrs = append(addrs, p.Addr())
		}
	}
	return addrs
}

// result is what the runtime gets, in the version that its configuration asks for.
func (a *attachment) result(endpoint *v3.WorkloadEndpoint) (json.RawMessage, *cniapi.Error) {
	inside := 1
	r := &types100.Result{
		CNIVersion: types100.ImplementedSpecVersion,
		Interfaces: []*types100.Interface{
			{Name: a.hostName(), Mac: veth.HostMAC.String()},
			{Name: a.ifName, Mac: endpoint.Spec.MAC, Sandbox: a.netns},
		},
		DNS: a.conf.DNS,
	}
	for _, addr := range addrsOf(endpoint) {
		bits := addr.BitLen()
		r.IPs = append(r.IPs, &types100.IPConfig{Interface: &inside, Address: net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, bits)}})
		r.Routes = append(r.Routes, &types.Route{Dst: net.IPNet{IP: make(net.IP, bits/8), Mask: net.CIDRMask(0, bits)}, GW: veth.Gateway(addr).AsSlice()})
	}
	converted, err := r.GetAsVersion(a.conf.CNIVersion)
	if err != nil {
		return nil, cniapi.Errorf(cniapi.CodeVersion, "result in CNI version %s: %v", a.conf.CNIVersion, err)
	}
	data, err := json.Marshal(converted)
	if err != nil {
		return nil, cniapi.Errorf(cniapi.CodeIO, "result: %v", err)
	}
	return data, nil
}
