// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// settings joins the FelixConfigurations for this node. Of what both state, the node's own wins over the one named default.
type settings struct {
	own     string // the name of the node's own
	byName  map[string]*v3.FelixPolicy
	tunnels desired.TunnelRules
	nat     desired.SourceNAT
	dirty   bool
	now     *desired.Settings
}

func newSettings(self string) *settings {
	return &settings{own: "node." + self, byName: map[string]*v3.FelixPolicy{}, now: desired.DefaultSettings(), tunnels: desired.DefaultSettings().Tunnels}
}

func (s *settings) put(key api.Key, obj *v3.FelixConfiguration) api.FieldErrors {
	if key.Name != s.own && key.Name != "default" {
		return nil
	}
	var wrong faults
	failsafes(&wrong, "spec.failsafeInboundHostPorts", obj.Spec.FailsafeInboundHostPorts)
	failsafes(&wrong, "spec.failsafeOutboundHostPorts", obj.Spec.FailsafeOutboundHostPorts)
	if wrong.list == nil {
		s.byName[key.Name], s.dirty = &obj.Spec.FelixPolicy, true
	}
	return wrong.list
}

func (s *settings) remove(key api.Key) {
	delete(s.byName, key.Name)
	s.dirty = true
}

// setTunnels says how the tunnels are to be guarded.
func (s *settings) setTunnels(now desired.TunnelRules) {
	s.dirty = s.dirty || s.tunnels != now
	s.tunnels = now
}

// setSourceNAT says what of the workloads' packets is translated.
func (s *settings) setSourceNAT(now desired.SourceNAT) {
	s.dirty = s.dirty || s.nat != now
	s.nat = now
}

// flush hands the settings out if they changed.
func (s *settings) flush(d *desired.Delta) {
	if !s.dirty {
		return
	}
	s.dirty = false
	now := compileSettings(s.byName[s.own], s.byName["default"])
	now.Tunnels, now.ClampMSS, now.SourceNAT = s.tunnels, len(s.tunnels.Sets()) > 0, s.nat
	if !now.Equal(s.now) {
		s.now, d.Settings = now, now
	}
}

// compileSettings joins configurations, the strongest first; those that are absent are nil.
func compileSettings(layers ...*v3.FelixPolicy) *desired.Settings {
	all := &v3.FelixConfiguration{}
	p := &all.Spec.FelixPolicy
	for _, l := range layers {
		if l != nil {
			overlay(p, l)
		}
	}
	v3.SetDefaults(all)
	var none faults // put has read the lists before
	out := &desired.Settings{
		KeepConnections: strings.EqualFold(*p.ExistingConnections, "Keep"),
		AllowInvalid:    *p.DisableConntrackInvalidCheck,
		Driver:          driver(p),
	}
	out.Failsafe[rule.Ingress] = failsafes(&none, "", p.FailsafeInboundHostPorts)
	out.Failsafe[rule.Egress] = failsafes(&none, "", p.FailsafeOutboundHostPorts)
	out.Reject = rejects(p, out.Driver)
	switch {
	case strings.EqualFold(*p.DefaultEndpointToHostAction, "Accept"):
		out.EndpointToHost = desired.HostAccept
	case strings.EqualFold(*p.DefaultEndpointToHostAction, "Return"):
		out.EndpointToHost = desired.HostReturn
	}
	return out
}

// overlay fills what is absent in p from a weaker configuration.
func overlay(p, weaker *v3.FelixPolicy) {
	p.DefaultEndpointToHostAction = cmp.Or(p.DefaultEndpointToHostAction, weaker.DefaultEndpointToHostAction)
	p.DisableConntrackInvalidCheck = cmp.Or(p.DisableConntrackInvalidCheck, weaker.DisableConntrackInvalidCheck)
	p.ExistingConnections = cmp.Or(p.ExistingConnections, weaker.ExistingConnections)
	p.IPTablesBackend = cmp.Or(p.IPTablesBackend, weaker.IPTablesBackend)
	p.IPTablesFilterDenyAction = cmp.Or(p.IPTablesFilterDenyAction, weaker.IPTablesFilterDenyAction)
	p.NFTablesFilterDenyAction = cmp.Or(p.NFTablesFilterDenyAction, weaker.NFTablesFilterDenyAction)
	p.NFTablesMode = cmp.Or(p.NFTablesMode, weaker.NFTablesMode)
	if p.FailsafeInboundHostPorts == nil { // an empty list is stated: no failsafe ports
		p.FailsafeInboundHostPorts = weaker.FailsafeInboundHostPorts
	}
	if p.FailsafeOutboundHostPorts == nil {
		p.FailsafeOutboundHostPorts = weaker.FailsafeOutboundHostPorts
	}
}

// driver chooses the packet filter: nftablesMode decides unless it is Auto; then a stated iptablesBackend does; else weft picks.
func driver(p *v3.FelixPolicy) string {
	backend := strings.ToLower(*p.IPTablesBackend)
	switch mode := *p.NFTablesMode; {
	case strings.EqualFold(mode, "Enabled"):
		return "nftables"
	case backend != "auto":
		return "iptables-" + backend
	case strings.EqualFold(mode, "Disabled"):
		return "iptables"
	}
	return ""
}

// rejects tells whether denied packets are answered: each packet filter has a field of its own, and where weft picks one, either counts.
func rejects(p *v3.FelixPolicy, driver string) bool {
	nft := strings.EqualFold(*p.NFTablesFilterDenyAction, "Reject")
	ipt := strings.EqualFold(*p.IPTablesFilterDenyAction, "Reject")
	return nft && !strings.HasPrefix(driver, "iptables") || ipt && driver != "nftables"
}

// failsafes reads a list of failsafe ports: sorted, each once; nil for none.
func failsafes(wrong *faults, path string, list []v3.ProtoPort) []desired.Failsafe {
	var out []desired.Failsafe
	for i, p := range list {
		number, err := v3.ProtocolNumber(intstr.FromString(cmp.Or(p.Protocol, "TCP")))
		wrong.add(fmt.Sprintf("%s[%d].protocol", path, i), err)
		f := desired.Failsafe{Protocol: number, Port: p.Port}
		if p.Net != "" {
			f.Net, err = v3.ParseCIDR(p.Net)
			wrong.add(fmt.Sprintf("%s[%d].net", path, i), err)
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b desired.Failsafe) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port), netip.Prefix.Compare(a.Net, b.Net))
	})
	return slices.Compact(out)
}
