// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The drivers by name, as desired.Settings has them.
const (
	NFTables       = "nftables"
	IPTablesNFT    = "iptables-nft"
	IPTablesLegacy = "iptables-legacy"
	// IPTables leaves the kind to the node.
	IPTables = "iptables"
)

// Decision is which driver a node uses, and why.
type Decision struct {
	Driver   string // empty: none is usable
	Reason   string
	Rejected []string // each with what is against it
	// Unmet is why the wanted driver is not the one in use, empty if it is.
	Unmet string
}

// Facts is what the choice depends on.
type Facts struct {
	Wanted  string // by the settings; "" leaves the choice to the node
	Current string // in use already; "" at the start
	// Flavour returns which kind of iptables suits the node better, and why. It is only asked where iptables comes into question.
	Flavour func() (kind, reason string)
	// Probe returns what is against a driver, nil for nothing. It is only asked about those that come into question.
	Probe func(name string) error
}

// Choose picks the first usable driver: the wanted one; of iptables without a kind, the one that others on the node use, else that on
// nf_tables; without a wish nftables, then iptables. Where none that is wanted is usable, the node stays with what it has.
func Choose(f Facts) Decision {
	d := Decision{}
	switch f.Wanted {
	case "":
		if d.first(f, "needs no tables that others use", NFTables) || d.iptables(f, "nftables is not usable") {
			return d
		}
	case IPTables:
		if d.iptables(f, "the settings ask for iptables") {
			return d
		}
	default:
		if d.first(f, "the settings ask for it", f.Wanted) {
			return d
		}
	}
	d.Unmet = fmt.Sprintf("%s is not usable: %s", orAny(f.Wanted), strings.Join(d.Rejected, "; "))
	if f.Current != "" {
		d.Driver, d.Reason = f.Current, "in use already; what the settings ask for is not usable"
		return d
	}
	rest := slices.DeleteFunc([]string{NFTables, IPTablesNFT, IPTablesLegacy}, d.rejects)
	d.first(f, "what the settings ask for is not usable", rest...)
	return d
}

// iptables takes the better kind, or if that is not usable the other.
func (d *Decision) iptables(f Facts, reason string) bool {
	kind, why := f.Flavour()
	other := IPTablesLegacy
	if kind == IPTablesLegacy {
		other = IPTablesNFT
	}
	return d.first(f, reason+"; "+why, kind) || d.first(f, reason+"; the other kind is not usable", other)
}

// first takes the first usable one of names.
func (d *Decision) first(f Facts, reason string, names ...string) bool {
	for _, name := range names {
		err := f.Probe(name)
		if err == nil {
			d.Driver, d.Reason = name, reason
			return true
		}
		d.Rejected = append(d.Rejected, name+": "+err.Error())
	}
	return false
}

func (d *Decision) rejects(name string) bool {
	return slices.ContainsFunc(d.Rejected, func(r string) bool { return strings.HasPrefix(r, name+": ") })
}

func orAny(wanted string) string {
	if wanted == "" {
		return "any driver"
	}
	return wanted
}

// err is what a node without a driver says.
func (d *Decision) err() error {
	if d.Driver != "" {
		return nil
	}
	return errors.New("no data plane is usable on this node: " + strings.Join(d.Rejected, "; "))
}
