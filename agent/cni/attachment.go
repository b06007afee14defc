// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"net"
	"net/netip"
	"strings"

	"github.com/weftnet/weft/agent/record"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/cniapi"
	"github.com/weftnet/weft/sys/netlink"
)

// attachment is one decoded request about a container interface.
type attachment struct {
	conf        netConf
	containerID string
	ifName      string
	netns       string
	workload    workloadArgs
	kubernetes  bool // the runtime named a pod
	podUID      string
	requested   []netip.Addr
	unmanaged   []netip.Addr              // the only ones, of no pool
	mac         net.HardwareAddr          // asked for; nil: a random one
	ports       []v3.WorkloadEndpointPort // of the host, which lead to the workload, and those with a name for rules
}

// id is how records name the attachment.
func (a *attachment) id() string { return attachmentID(a.containerID, a.ifName) }

func attachmentID(containerID, ifName string) string {
	return (&record.Record{ContainerID: containerID, IfName: ifName}).ID()
}

// longestID bounds container IDs in bytes; runtimes use 64. Records are files named after them.
const longestID = 200

func parse(req *cniapi.Request) (*attachment, *cniapi.Error) {
	conf, bad := parseConf(req.Config)
	if bad != nil {
		return nil, bad
	}
	a := &attachment{conf: conf, containerID: req.ContainerID, ifName: req.IfName, netns: req.Netns, workload: conf.Args.Weft}
	if bad := checkNames(req); bad != nil {
		return nil, bad
	}
	if bad := a.takeArgs(req.Args); bad != nil {
		return nil, bad
	}
	if bad := a.takePorts(); bad != nil {
		return nil, bad
	}
	if err := a.checkFloating("args.weft.floatingIPs"); err != nil {
		return nil, cniapi.Errorf(cniapi.CodeConfig, "network configuration: %v", err)
	}
	if a.workload.Namespace == "" {
		a.workload.Namespace = "default"
	}
	if a.workload.Name == "" {
		a.workload.Name = a.containerID
	}
	return a, nil
}

// checkNames checks the container ID and the interface name, which the kernel limits.
func checkNames(req *cniapi.Request) *cniapi.Error {
	refuse := func(format string, args ...any) *cniapi.Error {
		return cniapi.Errorf(cniapi.CodeEnvironment, format, args...)
	}
	switch {
	case !names.MatchString(req.ContainerID):
		return refuse("CNI_CONTAINERID %q: must start with a letter or digit and hold only those, _ . and -", req.ContainerID)
	case len(req.ContainerID) > longestID:
		return refuse("CNI_CONTAINERID has %d bytes; weft takes up to %d", len(req.ContainerID), longestID)
	case req.IfName == "" || strings.ContainsAny(req.IfName, "/: \t\n\v\f\r") || req.IfName == "." || req.IfName == "..":
		return refuse("CNI_IFNAME %q is no interface name", req.IfName)
	case len(req.IfName) > netlink.MaxLinkName:
		return refuse("CNI_IFNAME %q has %d bytes; the kernel allows %d", req.IfName, len(req.IfName), netlink.MaxLinkName)
	}
	return nil
}

// takeArgs reads CNI_ARGS, "KEY=value;KEY=value". Unknown keys are ignored: runtimes pass them with IgnoreUnknown=1.
func (a *attachment) takeArgs(text string) *cniapi.Error {
	for pair := range strings.SplitSeq(text, ";") {
		if pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		if !ok {
			return cniapi.Errorf(cniapi.CodeEnvironment, "CNI_ARGS: %q is no KEY=value", pair)
		}
		var bad *cniapi.Error
		switch key {
		case "K8S_POD_NAMESPACE":
			a.workload.Namespace = value
		case "K8S_POD_NAME":
			a.workload.Name, a.kubernetes = value, value != ""
		case "K8S_POD_UID":
			a.podUID = value
		case "WEFT_SERVICE_ACCOUNT":
			a.workload.ServiceAccount = value
		case "IP":
			bad = a.request(value)
		case "WEFT_LABELS":
			bad = a.label(value)
		}
		if bad != nil {
			return bad
		}
	}
	return nil
}

// request takes the addresses that the workload wants.
func (a *attachment) request(value string) *cniapi.Error {
	for text := range strings.SplitSeq(value, ",") {
		addr, err := netip.ParseAddr(strings.TrimSpace(text))
		if err != nil || addr.Zone() != "" {
			return cniapi.Errorf(cniapi.CodeEnvironment, "CNI_ARGS: IP: %q is no IP address", text)
		}
		a.requested = append(a.requested, addr.Unmap())
	}
	return nil
}

// label adds labels, "key:value,key:value", to those of the configuration.
func (a *attachment) label(value string) *cniapi.Error {
	labels := map[string]string{}
	for k, v := range a.workload.Labels {
		labels[k] = v
	}
	for pair := range strings.SplitSeq(value, ",") {
		key, text, ok := strings.Cut(pair, ":") // CNI tools refuse a second "="
		if !ok || key == "" {
			return cniapi.Errorf(cniapi.CodeEnvironment, "CNI_ARGS: WEFT_LABELS: %q is no label:value", pair)
		}
		labels[key] = text
	}
	a.workload.Labels = labels
	return nil
}
