// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/sysctl"
)

// What the nodes send each other themselves is led into a WireGuard device by a table of routes to the peers' own addresses, and a rule in front of
// the main table that sends all packets there but the device's own, which would go round in a circle.
//
// Like what is for workloads, such packets are encrypted from the moment on in which the peer has been met, and go on being so while it is a peer:
// whoever drops WireGuard's packets cuts two nodes off from each other, and does not make readable what they send.

// attentive is the keepalive where none is asked for: a peer that was started anew, and sends nothing itself, is called again.
const attentive = 25 * time.Second

// hostWays are rules and routes.
type hostWays struct {
	rules  map[netlink.Rule]struct{}
	routes map[netlink.TableRoute]struct{}
}

func newHostWays() hostWays {
	return hostWays{map[netlink.Rule]struct{}{}, map[netlink.TableRoute]struct{}{}}
}

func (w hostWays) empty() bool { return len(w.rules)+len(w.routes) == 0 }

// tables are those that rules lead to.
func (w hostWays) tables() map[uint32]struct{} {
	out := map[uint32]struct{}{}
	for r := range w.rules {
		out[r.Table] = struct{}{}
	}
	return out
}

// leadsHosts tells whether a device carries what the nodes send each other.
func (d *device) leadsHosts() bool {
	return d.want.Hosts != (desired.HostRouting{}) && d.index != 0 && d.hostErr == nil
}

// leadsHosts tells whether any device does.
func (m *Manager) leadsHosts() bool {
	for _, d := range m.devices {
		if d.leadsHosts() {
			return true
		}
	}
	return false
}

// wantedWays are those to the peers that have been met.
func (m *Manager) wantedWays() hostWays {
	out := newHostWays()
	for _, d := range m.devices {
		if !d.leadsHosts() {
			continue
		}
		h := d.want.Hosts
		out.rules[netlink.Rule{IPv6: d.want.Local.Is6(), Priority: h.Priority, Mark: own.UnderlayMark, Table: h.Table, Protocol: own.RouteProtocol}] = struct{}{}
		for _, p := range d.peers {
			if m.met[p.ID].met {
				out.routes[netlink.TableRoute{Table: h.Table, Dst: p.Remote, Src: d.want.Local, Link: d.index, Protocol: own.RouteProtocol}] = struct{}{}
			}
		}
	}
	return out
}

// settleHosts leads packets to the peers that have been met.
func (m *Manager) settleHosts() error {
	if m.ways.empty() && !m.leadsHosts() {
		return nil
	}
	want := m.wantedWays()
	err := m.exchangeWays(m.ways, want)
	m.ways = want
	return err
}

// exchangeWays replaces rules and routes: new routes before the rule that leads to them, old ones after.
func (m *Manager) exchangeWays(have, want hostWays) error {
	var requests []netlink.Request
	for r := range want.routes {
		if _, ok := have.routes[r]; !ok {
			requests = append(requests, r)
		}
	}
	for r := range want.rules {
		if _, ok := have.rules[r]; !ok {
			requests = append(requests, r)
		}
	}
	for r := range have.rules {
		if _, ok := want.rules[r]; !ok {
			requests = append(requests, netlink.RuleDelete(r))
		}
	}
	for r := range have.routes {
		if _, ok := want.routes[r]; !ok {
			requests = append(requests, netlink.TableRouteDelete(r))
		}
	}
	refused, err := m.kernel.Try(requests)
	for _, why := range refused {
		if !errors.Is(why, fs.ErrNotExist) && !errors.Is(why, fs.ErrExist) {
			err = errors.Join(err, why)
		}
	}
	if err != nil {
		return fmt.Errorf("lead what nodes send each other through WireGuard: %w", err)
	}
	return nil
}

// compareHosts brings rules and routes to the wanted ones and returns how many of those that were in force had been changed by others.
func (m *Manager) compareHosts() (repaired int, err error) {
	have, foreign, err := m.readWays()
	if err != nil {
		return 0, err
	}
	for _, d := range m.devices {
		d.hostErr = nil
		if d.leadsHosts() {
			d.hostErr = m.obstacle(d, foreign)
		}
	}
	for r := range m.ways.rules {
		if _, ok := have.rules[r]; !ok {
			repaired++
		}
	}
	for r := range m.ways.routes {
		if _, ok := have.routes[r]; !ok {
			repaired++
		}
	}
	m.ways = have
	return repaired, m.settleHosts()
}

// readWays reads what the kernel holds of ours, and says which tables have routes of others.
func (m *Manager) readWays() (have hostWays, foreign map[uint32]struct{}, err error) {
	have, foreign = newHostWays(), map[uint32]struct{}{}
	rules, err := m.kernel.Rules(own.RouteProtocol)
	if err != nil {
		return have, nil, err
	}
	for _, r := range rules {
		have.rules[r] = struct{}{}
	}
	tables := have.tables()
	for _, d := range m.devices {
		if d.want.Hosts != (desired.HostRouting{}) {
			tables[d.want.Hosts.Table] = struct{}{}
		}
	}
	for table := range tables {
		routes, err := m.kernel.Table(table)
		if err != nil {
			return have, nil, err
		}
		for _, r := range routes {
			if r.Protocol != own.RouteProtocol || !r.Dst.IsValid() {
				foreign[table] = struct{}{}
			} else {
				have.routes[r] = struct{}{}
			}
		}
	}
	return have, foreign, nil
}

// obstacle says what stands in the way of leading what nodes send each other through a device.
func (m *Manager) obstacle(d *device, foreign map[uint32]struct{}) error {
	const what = "packets between the nodes themselves are not encrypted: "
	if _, ok := foreign[d.want.Hosts.Table]; ok {
		return fmt.Errorf(what+"routing table %d has routes of others; give weft tables of its own with routeTableRanges of FelixConfiguration", d.want.Hosts.Table)
	}
	strict, err := m.strictlyFiltered(d)
	if err != nil {
		return fmt.Errorf(what+"%w", err)
	}
	if strict != "" {
		return fmt.Errorf(what+"with net.ipv4.conf.%s.rp_filter=1 the kernel drops packets, WireGuard's own too, that come from where it would not send to; set it to 2", strict)
	}
	return nil
}

// strictlyFiltered names a link on which the kernel takes packets only from where it would send to; "" for none. IPv6 has nothing of the kind.
func (m *Manager) strictlyFiltered(d *device) (string, error) {
	if d.want.Local.Is6() {
		return "", nil
	}
	underlay, err := m.underlay(d.want.Local)
	if err != nil {
		return "", err
	}
	found := ""
	err = m.enter(func() error {
		all, err := sysctl.Get("net/ipv4/conf/all/rp_filter")
		for _, name := range []string{underlay.Name, d.want.Name} {
			one, why := sysctl.Get("net/ipv4/conf/" + name + "/rp_filter")
			err = errors.Join(err, why)
			if max(all, one) == "1" { // the kernel takes the greater one, too
				found = name
				if one != "1" {
					found = "all"
				}
			}
		}
		return err
	})
	return found, err
}

// enter runs f in the manager's namespace.
func (m *Manager) enter(f func() error) error {
	if m.ns == nil {
		return f()
	}
	return m.ns.Do(f)
}

// removeWays ends all of them.
func (m *Manager) removeWays() error {
	have, _, err := m.readWays()
	if err == nil {
		err = m.exchangeWays(have, newHostWays())
	}
	m.ways = newHostWays()
	return err
}

// keepalive is the time between packets that keep a way open.
func (d *device) keepalive() time.Duration {
	if d.want.Hosts != (desired.HostRouting{}) {
		return cmp.Or(d.want.Keepalive, attentive)
	}
	return d.want.Keepalive
}

// PlainHosts lists the peers whose own addresses packets are sent to in the clear although they are to be encrypted.
func (m *Manager) PlainHosts() (ids []desired.TunnelPeerID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, d := range m.devices {
		for _, p := range d.peers {
			if d.want.Hosts != (desired.HostRouting{}) && (d.hostErr != nil || !m.met[p.ID].met) {
				ids = append(ids, p.ID)
			}
		}
	}
	slices.SortFunc(ids, desired.TunnelPeerID.Compare)
	return ids
}
