// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// merged is the configuration "default" as JSON, and over it what the node's own states.
func (c *Cluster) merged(node string) (map[string]any, error) {
	merged := map[string]any{}
	for _, name := range []string{"default", "node." + node} {
		config := c.felix[name]
		if config == nil {
			continue
		}
		text, err := json.Marshal(config.Spec)
		if err == nil {
			err = json.Unmarshal(text, &merged)
		}
		if err != nil {
			return nil, fmt.Errorf("FelixConfiguration %s: %w", name, err)
		}
	}
	return merged, nil
}

// settings returns how policy meets a node.
func (c *Cluster) settings(node string, merged map[string]any) *desired.Settings {
	out := desired.DefaultSettings()
	text := func(field string) string {
		s, _ := merged[field].(string)
		return strings.ToLower(s)
	}
	out.EndpointToHost = map[string]desired.HostAction{"accept": desired.HostAccept, "return": desired.HostReturn}[text("defaultEndpointToHostAction")]
	out.KeepConnections = text("existingConnections") == "keep"
	out.AllowInvalid = merged["disableConntrackInvalidCheck"] == true
	nft, ipt := text("nftablesFilterDenyAction") == "reject", text("iptablesFilterDenyAction") == "reject"
	backend := text("iptablesBackend")
	stated := backend == "legacy" || backend == "nft"
	switch mode := text("nftablesMode"); {
	case mode == "enabled":
		out.Driver, out.Reject = "nftables", nft
	case stated:
		out.Driver, out.Reject = "iptables-"+backend, ipt
	case mode == "disabled":
		out.Driver, out.Reject = "iptables", ipt
	default:
		out.Reject = nft || ipt
	}
	for d, field := range map[rule.Direction]string{rule.Ingress: "failsafeInboundHostPorts", rule.Egress: "failsafeOutboundHostPorts"} {
		if list, ok := merged[field].([]any); ok {
			out.Failsafe[d] = failsafes(list)
		}
	}
	out.Tunnels = desired.TunnelRules{VXLANPort: 4789, AllowVXLAN: merged["allowVXLANPacketsFromWorkloads"] == true, AllowIPIP: merged["allowIPIPPacketsFromWorkloads"] == true}
	if port, ok := merged["vxlanPort"].(float64); ok {
		out.Tunnels.VXLANPort = uint16(port)
	}
	if c.tunnelWanted(node, kinds[0]) || c.tunnelWanted(node, kinds[1]) {
		out.Tunnels.VXLANPeers = desired.TunnelPeers
	}
	if c.tunnelWanted(node, kinds[2]) {
		out.Tunnels.IPIPPeers = desired.TunnelPeers
	}
	for f, field := range []string{"wireguardListeningPort", "wireguardListeningPortV6"} {
		if !c.tunnelWanted(node, kinds[3+f]) {
			continue
		}
		out.Tunnels.WireGuardPeers, out.Tunnels.WireGuardPorts[f] = desired.TunnelPeers, uint16(51820+f)
		if port, ok := merged[field].(float64); ok {
			out.Tunnels.WireGuardPorts[f] = uint16(port)
		}
	}
	out.ClampMSS = out.Tunnels.VXLANPeers != "" || out.Tunnels.IPIPPeers != "" || out.Tunnels.WireGuardPeers != ""
	out.SourceNAT = c.sourceNAT(merged)
	return out
}

// tunnelPeersSet is the set of the hosts that a node takes tunnelled packets from, nil if it takes none.
func (c *Cluster) tunnelPeersSet(node string, settings *desired.Settings) *desired.IPSetChange {
	if len(settings.Tunnels.Sets()) == 0 {
		return nil
	}
	set := map[desired.Member]bool{}
	for _, n := range c.nodes {
		for _, k := range kinds {
			if s := c.end(n.Name, k).subnet; s.IsValid() {
				set[desired.Member{Prefix: desired.HostPrefix(s.Addr())}] = true
			}
		}
	}
	for _, name := range []string{"node." + node, "default"} {
		if f := c.felix[name]; f != nil && f.Spec.ExternalNodesList != nil {
			for _, text := range f.Spec.ExternalNodesList {
				p, _ := v3.ParseCIDR(text)
				set[desired.Member{Prefix: p}] = true
			}
			break
		}
	}
	return &desired.IPSetChange{ID: desired.TunnelPeers, Created: true, Added: slices.SortedFunc(maps.Keys(set), desired.Member.Compare)}
}

func failsafes(list []any) []desired.Failsafe {
	set := map[desired.Failsafe]bool{}
	for _, entry := range list {
		fields := entry.(map[string]any)
		protocol, _ := fields["protocol"].(string)
		number, _ := v3.ProtocolNumber(intstr.FromString(cmp.Or(protocol, "TCP")))
		f := desired.Failsafe{Protocol: number, Port: uint16(fields["port"].(float64))}
		if net, _ := fields["net"].(string); net != "" {
			f.Net, _ = v3.ParseCIDR(net)
		}
		set[f] = true
	}
	var out []desired.Failsafe
	for f := range set {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b desired.Failsafe) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), netip.Prefix.Compare(a.Net, b.Net))
	})
	return out
}

// spoofing tells whether workloads of a node may send from other addresses than their own.
func (c *Cluster) spoofing(node string) bool {
	allowed := false
	for _, name := range []string{"default", "node." + node} {
		if f := c.felix[name]; f != nil && f.Spec.WorkloadSourceSpoofing != nil {
			allowed = strings.EqualFold(*f.Spec.WorkloadSourceSpoofing, "Any")
		}
	}
	return allowed
}
