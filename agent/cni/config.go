// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/containernetworking/cni/pkg/types"

	"github.com/weftnet/weft/internal/cniapi"
)

// netConf is the network configuration. Keys of a Calico conflist that say how to reach a datastore or where to log mean nothing here:
// the agent knows, and the plugin neither connects nor logs.
type netConf struct {
	CNIVersion string `json:"cniVersion"` // default "0.1.0", as in the specification
	Name       string `json:"name"`
	MTU        int    `json:"mtu"` // bytes; default 0: the kernel's
	IPAM       struct {
		Type       string   `json:"type"`        // "weft-ipam", "calico-ipam" or nothing
		AssignIPv4 flexBool `json:"assign_ipv4"` // default true
		AssignIPv6 flexBool `json:"assign_ipv6"` // default false
		IPv4Pools  []string `json:"ipv4_pools"`
		IPv6Pools  []string `json:"ipv6_pools"`
	} `json:"ipam"`
	ContainerSettings struct {
		AllowIPForwarding bool `json:"allow_ip_forwarding"`
	} `json:"container_settings"`
	FeatureControl struct { // what pods may ask for with annotations; default nothing
		FloatingIPs   bool `json:"floating_ips"`
		IPAddrsNoIPAM bool `json:"ip_addrs_no_ipam"`
	} `json:"feature_control"`
	Args struct {
		Weft workloadArgs `json:"weft"`
	} `json:"args"`
	RuntimeConfig struct {
		PortMappings []portMapping `json:"portMappings"`
	} `json:"runtimeConfig"`
	DNS              types.DNS       `json:"dns"`
	PrevResult       json.RawMessage `json:"prevResult"`                // CHECK
	ValidAttachments json.RawMessage `json:"cni.dev/valid-attachments"` // GC
}

// workloadArgs identify a workload where no Kubernetes does.
type workloadArgs struct {
	Namespace      string            `json:"namespace"` // default "default"
	Name           string            `json:"name"`      // default: the container ID
	ServiceAccount string            `json:"serviceAccount"`
	Labels         map[string]string `json:"labels"`
	FloatingIPs    []string          `json:"floatingIPs"` // addresses that lead to the first of the workload's of their family
	// AllowedSourcePrefixes are those that the workload sends from beside its own addresses, if workloadSourceSpoofing of the FelixConfiguration is Any.
	AllowedSourcePrefixes []string `json:"allowedSourcePrefixes"`
}

// flexBool accepts true, "true" and their opposites, as Calico's configuration does; unset is told apart.
type flexBool struct{ set, value bool }

// UnmarshalJSON implements json.Unmarshaler.
func (b *flexBool) UnmarshalJSON(data []byte) error {
	switch strings.ToLower(strings.Trim(string(data), `"`)) {
	case "true":
		*b = flexBool{true, true}
	case "false":
		*b = flexBool{true, false}
	default:
		return fmt.Errorf("%s is neither true nor false", data)
	}
	return nil
}

func (b flexBool) or(fallback bool) bool {
	if b.set {
		return b.value
	}
	return fallback
}

// The bounds of an MTU: the least that IPv6 allows (RFC 8200, section 5), and the most that a veth takes.
const (
	leastMTU = 1280
	mostMTU  = 65535
)

// names are what the CNI specification allows as network names and container IDs (sections 1 and 2).
var names = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.\-]*$`)

func parseConf(data json.RawMessage) (netConf, *cniapi.Error) {
	var c netConf
	if err := json.Unmarshal(data, &c); err != nil {
		return c, cniapi.Errorf(cniapi.CodeDecode, "network configuration: %v", err)
	}
	if c.CNIVersion == "" {
		c.CNIVersion = cniapi.Versions[0]
	}
	refuse := func(code uint, format string, args ...any) (netConf, *cniapi.Error) {
		return c, cniapi.Errorf(code, "network configuration: "+format, args...)
	}
	switch {
	case !slices.Contains(cniapi.Versions, c.CNIVersion):
		return refuse(cniapi.CodeVersion, "cniVersion %q is not supported; use one of %s", c.CNIVersion, strings.Join(cniapi.Versions, ", "))
	case c.Name == "":
		return refuse(cniapi.CodeConfig, "name is missing")
	case !names.MatchString(c.Name):
		return refuse(cniapi.CodeConfig, "name %q: must start with a letter or digit and hold only those, _ . and -", c.Name)
	case c.MTU != 0 && (c.MTU < leastMTU || c.MTU > mostMTU):
		return refuse(cniapi.CodeConfig, "mtu %d is outside %d to %d; 0 means automatic", c.MTU, leastMTU, mostMTU)
	case !slices.Contains([]string{"", "weft-ipam", "calico-ipam"}, c.IPAM.Type):
		return refuse(cniapi.CodeField, "ipam.type %q: weft assigns addresses from IPPools itself; write weft-ipam or calico-ipam", c.IPAM.Type)
	case !c.wants4() && !c.wants6():
		return refuse(cniapi.CodeConfig, "ipam.assign_ipv4 and ipam.assign_ipv6 are both false; a workload needs an address")
	}
	return c, nil
}

func (c *netConf) wants4() bool { return c.IPAM.AssignIPv4.or(true) }
func (c *netConf) wants6() bool { return c.IPAM.AssignIPv6.or(false) }

// valid returns the IDs of the attachments that GC must keep. A missing list is refused: it must not mean "none".
func (c *netConf) valid() (map[string]bool, *cniapi.Error) {
	if c.ValidAttachments == nil {
		return nil, cniapi.Errorf(cniapi.CodeConfig, "network configuration: cni.dev/valid-attachments is missing")
	}
	var list []types.GCAttachment
	if err := json.Unmarshal(c.ValidAttachments, &list); err != nil {
		return nil, cniapi.Errorf(cniapi.CodeDecode, "network configuration: cni.dev/valid-attachments: %v", err)
	}
	valid := map[string]bool{}
	for _, v := range list {
		valid[attachmentID(v.ContainerID, v.IfName)] = true
	}
	return valid, nil
}
