// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Tables returns what the graph holds as text: what it puts out and what it knows of the objects behind that. Call it after Flush.
func (g *Graph) Tables() []Table {
	v := g.View()
	return []Table{
		text("endpoints", []string{"ENDPOINT", "INTERFACE", "ADDRESSES", "INGRESS", "EGRESS", "STAGED INGRESS", "STAGED EGRESS", "PROFILES", "FLOATING IPS", "HOST PORTS", "REVISION"}, v.Endpoints(), endpointRow),
		text("hostendpoints", []string{"HOST ENDPOINT", "INTERFACE", "LIST", "INGRESS", "EGRESS", "PROFILES", "REVISION"}, hostLists(v.HostEndpoints()), func(row []string) []string { return row }),
		text("settings", []string{"SETTING", "VALUE"}, settingRows(v.Settings()), func(row []string) []string { return row }),
		text("policies", []string{"POLICY", "INGRESS RULES", "EGRESS RULES"}, v.Policies(), policyRow),
		{"rules", []string{"POLICY", "DIRECTION", "INDEX", "ID", "RULE"}, ruleRows(v)},
		{"ipsets", []string{"SET", "KIND", "SELECTOR", "PORT", "MEMBERS", "REFERENCES"}, g.setRows()},
		{"members", []string{"SET", "MEMBER"}, memberRows(v)},
		text("routes", []string{"DESTINATION", "KIND", "INTERFACE", "VIA"}, v.Routes(), routeRow),
		text("tunnels", []string{"TUNNEL", "ADDRESS", "MAC", "LOCAL", "VNI", "PORT", "MTU", "KEEPALIVE"}, v.Tunnels(), tunnelRow),
		text("tunnelpeers", []string{"TUNNEL", "NODE", "ADDRESS", "MAC", "REMOTE", "KEY", "NETS"}, v.TunnelPeers(), tunnelPeerRow),
		text("bgp", []string{"SETTING", "VALUE"}, bgpSettings(v.BGP()), func(row []string) []string { return row }),
		text("peers", []string{"NAME", "ADDRESS", "PORT", "AS", "LOCAL AS", "SOURCE", "PASSIVE", "CLIENT"}, peers(v.BGP()), peerRow),
		{"tiers", []string{"TIER", "ORDER", "DEFAULT ACTION", "POLICIES", "EXISTS"}, g.tierRows()},
		{"profiles", []string{"PROFILE", "FROM", "LABELS", "LISTED BY"}, g.profileRows()},
		text("problems", []string{"OBJECT", "FIELD", "REASON"}, slices.Values(g.Problems()), problemRow),
	}
}

func endpointRow(e *desired.Endpoint) []string {
	staged := [2]string{"as enforced", "as enforced"}
	if e.Staged != nil {
		staged = [2]string{tiersText(e.Staged[rule.Ingress]), tiersText(e.Staged[rule.Egress])}
	}
	return []string{e.ID.String(), e.Interface, list(e.Addrs), tiersText(e.Tiers[rule.Ingress]), tiersText(e.Tiers[rule.Egress]), staged[0], staged[1],
		list(e.Profiles), list(e.FloatingIPs), list(e.HostPorts), strconv.FormatUint(e.Revision, 10)}
}

// hostLists has a row for each list of policies of each host endpoint.
func hostLists(all iter.Seq[*desired.HostEndpoint]) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for e := range all {
			for _, l := range []struct {
				name  string
				tiers [2][]desired.TierPolicies
			}{{"untracked", e.Untracked}, {"pre-DNAT", [2][]desired.TierPolicies{e.PreDNAT, nil}}, {"normal", e.Normal}, {"forward", e.Forward}} {
				row := []string{e.ID.Name, e.Interface, l.name, tiersText(l.tiers[rule.Ingress]), tiersText(l.tiers[rule.Egress]), list(e.Profiles), strconv.FormatUint(e.Revision, 10)}
				if !yield(row) {
					return
				}
			}
		}
	}
}

func settingRows(s *desired.Settings) iter.Seq[[]string] {
	return slices.Values([][]string{
		{"failsafe inbound", list(s.Failsafe[rule.Ingress])},
		{"failsafe outbound", list(s.Failsafe[rule.Egress])},
		{"endpoint to host", s.EndpointToHost.String()},
		{"reject", strconv.FormatBool(s.Reject)},
		{"keep connections", strconv.FormatBool(s.KeepConnections)},
		{"allow invalid", strconv.FormatBool(s.AllowInvalid)},
		{"clamp TCP segment size", strconv.FormatBool(s.ClampMSS)},
		{"VXLAN port", strconv.Itoa(int(s.Tunnels.VXLANPort))},
		{"VXLAN from", cmp.Or(string(s.Tunnels.VXLANPeers), "anybody")},
		{"WireGuard ports", fmt.Sprint(s.Tunnels.WireGuardPorts[0], " and ", s.Tunnels.WireGuardPorts[1])},
		{"WireGuard from", cmp.Or(string(s.Tunnels.WireGuardPeers), "anybody")},
		{"IP-in-IP from", cmp.Or(string(s.Tunnels.IPIPPeers), "anybody")},
		{"VXLAN from workloads", strconv.FormatBool(s.Tunnels.AllowVXLAN)},
		{"IP-in-IP from workloads", strconv.FormatBool(s.Tunnels.AllowIPIP)},
		{"NAT of", cmp.Or(string(s.SourceNAT.Sources), "nothing")},
		{"NAT not towards", string(s.SourceNAT.Inside)},
		{"NAT address", valid(s.SourceNAT.Address)},
		{"NAT ports", natPorts(s.SourceNAT)},
		{"NAT interface", cmp.Or(s.SourceNAT.Interface, "any")},
		{"driver", cmp.Or(s.Driver, "any")},
	})
}

func natPorts(n desired.SourceNAT) string {
	if n.MinPort == 0 {
		return "any"
	}
	return strconv.Itoa(int(n.MinPort)) + "-" + strconv.Itoa(int(n.MaxPort))
}

func tiersText(tiers []desired.TierPolicies) string {
	parts := make([]string, len(tiers))
	for i, t := range tiers {
		parts[i] = t.Tier + ": " + list(t.Policies) + ", then " + t.DefaultAction.String()
	}
	return strings.Join(parts, "; ")
}

func policyRow(p *desired.Policy) []string {
	return []string{p.ID.String(), strconv.Itoa(len(p.Rules[rule.Ingress])), strconv.Itoa(len(p.Rules[rule.Egress]))}
}

func ruleRows(v desired.View) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for p := range v.Policies() {
			for d, rules := range p.Rules {
				for _, r := range rules {
					if !yield([]string{p.ID.String(), rule.Direction(d).String(), strconv.Itoa(r.Index), string(r.ID), r.Text}) {
						return
					}
				}
			}
		}
	}
}

func (g *Graph) setRows() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for id, set := range sorted(g.sets.byID, cmp.Compare[rule.SetID]) {
			members := set.service.String()
			if set.selector != nil {
				members = set.selector.String()
			}
			if set.nodes {
				members = "nodes " + members
			}
			row := []string{string(id), set.Kind.String(), members, set.port.Value(), strconv.Itoa(len(set.Members)), strconv.Itoa(set.refs)}
			if !yield(row) {
				return
			}
		}
	}
}

func memberRows(v desired.View) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for set := range v.IPSets() {
			for m := range sorted(set.Members, desired.Member.Compare) {
				if !yield([]string{string(set.ID), m.String()}) {
					return
				}
			}
		}
	}
}

func routeRow(r desired.Route) []string {
	via := ""
	if r.Via.IsValid() {
		via = r.Via.String()
	}
	return []string{r.Dst.String(), r.Kind.String(), r.Interface, via}
}

func tunnelRow(t desired.Tunnel) []string {
	mtu := "detected"
	if t.MTU > 0 {
		mtu = strconv.Itoa(t.MTU)
	}
	return []string{t.Name, t.Addr.String(), t.MAC.String(), t.Local.String(), strconv.Itoa(int(t.VNI)), strconv.Itoa(int(t.Port)), mtu, t.Keepalive.String()}
}

func tunnelPeerRow(p desired.TunnelPeer) []string {
	key := ""
	if p.Key != (desired.Key{}) {
		key = p.Key.String()
	}
	return []string{p.ID.Tunnel, p.ID.Node, p.Addr.String(), p.MAC.String(), p.Remote.String(), key, list(p.Nets)}
}

func bgpSettings(b *desired.BGP) iter.Seq[[]string] {
	if b == nil {
		return slices.Values([][]string(nil))
	}
	return slices.Values([][]string{
		{"AS", strconv.FormatUint(uint64(b.AS), 10)},
		{"router ID", b.RouterID.String()},
		{"port", strconv.Itoa(int(b.ListenPort))},
		{"listens on", list(b.Listen)},
		{"cluster ID", valid(b.ClusterID)},
		{"advertises", list(b.Advertise)},
		{"exports within", list(b.ExportOnly)},
	})
}

func peers(b *desired.BGP) iter.Seq[desired.Peer] {
	if b == nil {
		return slices.Values([]desired.Peer(nil))
	}
	return slices.Values(b.Peers)
}

func peerRow(p desired.Peer) []string {
	return []string{p.Name, p.Addr.String(), strconv.Itoa(int(p.Port)), strconv.FormatUint(uint64(p.AS), 10), strconv.FormatUint(uint64(p.LocalAS), 10),
		valid(p.Source), strconv.FormatBool(p.Passive), strconv.FormatBool(p.RRClient)}
}

func (g *Graph) tierRows() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		all := make([]*tier, 0, len(g.policies.tiers))
		for _, t := range g.policies.tiers {
			all = append(all, t)
		}
		slices.SortFunc(all, func(a, b *tier) int { return rule.CompareTiers(a.Tier, b.Tier) })
		for _, t := range all {
			order, end := "", ""
			if t.exists {
				end = t.DefaultAction.String()
			}
			if t.Order != nil {
				order = strconv.FormatFloat(*t.Order, 'f', -1, 64)
			}
			if !yield([]string{t.Name, order, end, strconv.Itoa(len(t.holds)), strconv.FormatBool(t.exists)}) {
				return
			}
		}
	}
}

func (g *Graph) profileRows() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		for name, p := range sorted(g.profiles.byName, strings.Compare) {
			from, labels := "missing", ""
			switch now := p.now(); {
			case now == nil:
			case p.made != nil:
				from, labels = "Profile", labelText(now.labels)
			default:
				from, labels = profileOrigin(name), labelText(now.labels)
			}
			if !yield([]string{name, from, labels, strconv.Itoa(len(p.listed))}) {
				return
			}
		}
	}
}

func labelText(labels []label) string {
	parts := make([]string, len(labels))
	for i, l := range labels {
		parts[i] = l.name + "=" + l.value
	}
	return strings.Join(parts, ",")
}

func problemRow(p Problem) []string { return []string{p.Key.String(), p.Field, p.Text()} }

// list joins values with commas.
func list[T fmt.Stringer](values []T) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = v.String()
	}
	return strings.Join(parts, ", ")
}

// valid renders an address, an unset one as nothing.
func valid(v interface {
	IsValid() bool
	String() string
}) string {
	if !v.IsValid() {
		return ""
	}
	return v.String()
}
