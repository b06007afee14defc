// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// kernelView is how a table's state is read back.
type kernelView struct {
	verdicts func(set *nft.Set, iface string) (map[string]nft.Verdict, error)
	chain    func(name string) (nft.Chain, bool, error)
}

// readBack confirms that the kernel leads the packets of a delta's endpoints to their chains.
func (d *Driver) readBack(delta *desired.Delta) ([]desired.EndpointID, error) {
	var out []desired.EndpointID
	kernel := kernelView{
		func(set *nft.Set, iface string) (map[string]nft.Verdict, error) {
			return d.conn.Lookup(tableName, set, ifname(iface))
		},
		func(name string) (nft.Chain, bool, error) { return d.conn.Chain(tableName, name) },
	}
	for _, e := range delta.Endpoints {
		if err := d.ledger.confirm(d.ledger.endpoints[e.ID], kernel); err != nil {
			return nil, err
		}
		out = append(out, e.ID)
	}
	for _, e := range delta.HostEndpoints {
		if err := d.ledger.confirm(d.ledger.hosts[e.ID], kernel); err != nil {
			return nil, err
		}
		out = append(out, e.ID)
	}
	return out, nil
}

// readBackAll does the same for all endpoints but the closed ones, reading the chains and each map once.
func (d *Driver) readBackAll(l *ledger, closed map[desired.EndpointID]error) ([]desired.EndpointID, error) {
	maps, chains := map[string]map[string]nft.Verdict{}, map[string]nft.Chain{}
	list, err := d.conn.Chains(tableName)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		chains[c.Name] = c
	}
	kernel := kernelView{
		func(set *nft.Set, _ string) (map[string]nft.Verdict, error) {
			if maps[set.Name] == nil {
				got, err := d.conn.Verdicts(tableName, set)
				if err != nil {
					return nil, err
				}
				maps[set.Name] = got
			}
			return maps[set.Name], nil
		},
		func(name string) (nft.Chain, bool, error) {
			c, ok := chains[name]
			return c, ok, nil
		},
	}
	var out []desired.EndpointID
	for _, list := range []map[desired.EndpointID]*endpoint{l.endpoints, l.hosts} {
		for id, x := range list {
			if err := l.confirm(x, kernel); err != nil {
				return nil, err
			}
			if closed[id] == nil {
				out = append(out, id)
			}
		}
	}
	slices.SortFunc(out, desired.EndpointID.Compare)
	return out, nil
}

// confirm compares what the kernel has for an endpoint's interface with its routes and its guard. That of all other interfaces has none.
func (l *ledger) confirm(x *endpoint, kernel kernelView) error {
	if x.iface == desired.AnyInterface {
		return nil
	}
	for _, r := range x.routes {
		got, err := kernel.verdicts(r.set, x.iface)
		if err != nil {
			return err
		}
		if v := got[string(ifname(x.iface))]; v.Chain != r.chain {
			return fmt.Errorf("%v: map %s sends interface %s to chain %q and not to %q as just written", x.unit, r.set.Name, x.iface, v.Chain, r.chain)
		}
	}
	if !l.options.guarded || !x.sends() {
		return nil
	}
	want := shutter(x.iface)
	if got, ok, err := kernel.chain(want.name); err != nil || !ok || !sameHook(got.Hook, want.hook) {
		return errors.Join(err, fmt.Errorf("%v: chain %s is not bound to the interface as just written", x.unit, want.name))
	}
	return nil
}
