// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
)

// foreign ends the check of a workload's source addresses.
var foreign = ruleSpec{[]stmt{counter{}, drop}, "source address is not the workload's"}

// configuring lets a workload pass that has no address yet and looks for its router, or whether somebody has the address it wants (RFC 4862).
func configuring() ruleSpec {
	return ruleOf(isICMPv6, discovery, isIPv6, inConst(ipv6.saddr, false, prefixSet(ipv6, linkLocalSources)), accept)
}

// A guard is the chain that checks a workload's source addresses where its interface hands packets in, before anything else sees them: a
// comparison or two, and packets from elsewhere do not pay for it as they would for a hook of all interfaces. It is bound to the interface's name, so it
// needs a kernel that binds names (Linux 6.16): before, a chain goes with its interface, and one that came again under its name had none.
//
// A guard that lets nothing pass shuts an interface that no endpoint has: connections that are known pass forward without a look at the interface.

// guardOf is the guard of an endpoint.
func guardOf(e *desired.Endpoint) chainSpec {
	var rules []ruleSpec
	for _, f := range families {
		prefixes := ofFamily(e.SpoofPrefixes, f)
		for _, a := range e.Addrs {
			if familyOf(a) == f {
				prefixes = append(prefixes, netip.PrefixFrom(a, a.BitLen()))
			}
		}
		switch prefixes = outermost(prefixes); {
		case len(prefixes) == 1 && prefixes[0].IsSingleIP():
			rules = append(rules, ruleOf(f.is(), is{f: f.saddr, value: prefixes[0].Addr().AsSlice()}, accept))
		case len(prefixes) > 0:
			rules = append(rules, ruleOf(f.is(), inConst(f.saddr, false, prefixSet(f, prefixes)), accept))
		}
	}
	s := shutter(e.Interface)
	s.owner, s.fixed = ofEndpoint(e.ID), &fixed{rules: append(rules, configuring(), foreign)}
	return s
}

// shutter is the guard of an interface that no endpoint has.
func shutter(iface string) chainSpec {
	closed := ruleSpec{[]stmt{counter{}, drop}, "no policy in place for the interface"}
	return chainSpec{name: "source/" + iface, hook: ingress(iface), fixed: &fixed{rules: []ruleSpec{closed}}}
}

// ingress is the hook of a device, before flow tables take packets away.
func ingress(device string) *nft.Hook {
	return &nft.Hook{Num: nft.HookIngress, Priority: nft.PriorityRaw, Device: device}
}

// guard plans the change of an interface's guard. One that no endpoint has any more is shut as long as it is there.
func (l *ledger) guard(old, now *endpoint) {
	if now.sends() {
		l.hold(guardOf(now.e))
		l.unshut(now.iface)
	}
	if !old.sends() {
		return
	}
	if !now.sends() && l.present(old.iface) {
		l.shut(old.iface)
	}
	l.release(shutter(old.iface).name)
}

// sends reports whether packets may come from an endpoint at all.
func (e *endpoint) sends() bool { return e != nil && e.e != nil && len(e.routes) > 0 }

func (l *ledger) shut(iface string) {
	if _, already := l.shutters[iface]; !already {
		l.shutters[iface] = struct{}{}
		l.hold(shutter(iface))
	}
}

func (l *ledger) unshut(iface string) {
	if _, is := l.shutters[iface]; is {
		delete(l.shutters, iface)
		l.release(shutter(iface).name)
	}
}

// unshutGone takes away the guards of interfaces that have gone.
func (l *ledger) unshutGone() {
	for iface := range l.shutters {
		if !l.present(iface) {
			l.unshut(iface)
		}
	}
}

// watchLinks takes away the guards of shut interfaces when they go, until Close: no endpoint changes then, and they would stay.
func (d *Driver) watchLinks() {
	for {
		_, err := d.linkNews.Next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			d.signal() // comparing with the kernel finds what is not reported
			return
		}
		d.linksGone()
	}
}

// linksGone brings the kernel's guards in line with the links that there are.
func (d *Driver) linksGone() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ledger == nil || len(d.ledger.shutters) == 0 {
		return
	}
	d.ledger.begin(d.ledger.view)
	d.ledger.unshutGone()
	if err := d.carryOut(context.Background()); err != nil {
		d.options.Log.Warn("nftables: the guards of interfaces that have gone are still there; comparing with the kernel", "error", err)
		d.ledger = nil
		d.signal()
	}
}

// present reports whether an interface is there; when in doubt it is.
func (d *Driver) present(iface string) bool {
	_, err := d.links.Link(iface)
	return !errors.Is(err, fs.ErrNotExist)
}

// shutOrphans shuts the interfaces of workloads that no endpoint has.
func (d *Driver) shutOrphans(l *ledger) error {
	if !d.options.guarded {
		return nil
	}
	links, err := d.links.Links()
	for _, link := range links {
		if id, taken := l.ifaces[link.Name]; !(taken && l.endpoints[id].sends()) && strings.HasPrefix(link.Name, own.InterfacePrefix) {
			l.shut(link.Name)
		}
	}
	return err
}
