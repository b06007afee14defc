// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"maps"
	"slices"

	"github.com/weftnet/weft/agent/driver"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/dataplane/iptables"
	"github.com/weftnet/weft/dataplane/nft"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/xtables"
)

// packetFilter is the data plane as the agent uses it: a driver.Switch.
type packetFilter interface {
	writer
	Decision() driver.Decision
	Hits() (map[rule.ID]uint64, error)
	Close() error
}

// newFilter makes the switch between all drivers of this network namespace.
func newFilter(log *slog.Logger) packetFilter {
	return driver.New([]driver.Kind{
		{Name: driver.NFTables, Open: func() (driver.Driver, error) { return nft.New(nft.Options{Log: log}) }},
		{Name: driver.IPTablesNFT, Family: driver.IPTables, Open: iptablesOf(xtables.NFT, log)},
		{Name: driver.IPTablesLegacy, Family: driver.IPTables, Open: iptablesOf(xtables.Legacy, log)},
	}, flavour, log)
}

// flavour says which kind of iptables suits this node.
func flavour() (kind, reason string) {
	choice, err := iptables.Here(context.Background())
	switch {
	case err != nil:
		return driver.IPTablesNFT, err.Error()
	case choice.Flavour == xtables.Legacy:
		return driver.IPTablesLegacy, choice.String()
	}
	return driver.IPTablesNFT, choice.String()
}

func iptablesOf(flavour xtables.Flavour, log *slog.Logger) func() (driver.Driver, error) {
	return func() (driver.Driver, error) { return iptables.New(iptables.Options{Flavour: flavour, Log: log}) }
}

// filterReport tells which driver is in use and why, and adds to problems what is wrong with that.
func (a *Agent) filterReport(problems *[]agentapi.Problem) agentapi.ComponentStatus {
	s := a.loop.filter.report(a.loop.synced)
	d := a.filter.Decision()
	s.Driver, s.Reason, s.Rejected = d.Driver, d.Reason, d.Rejected
	add := func(field, reason string) {
		settings := api.Key{Resource: api.FelixConfigurations, Name: "default"}
		*problems = append(*problems, agentapi.Problem{Object: settings.String(), Field: field, Reason: reason})
	}
	if d.Unmet != "" {
		add("spec.nftablesMode, spec.iptablesBackend", d.Unmet+"; the node uses "+d.Driver)
	}
	refused := a.loop.filter.refused
	for _, part := range slices.Sorted(maps.Keys(refused)) {
		add(part.String(), "the kernel refuses it, and what it took before stays in force; it is tried again: "+refused[part].Error())
	}
	return s
}
