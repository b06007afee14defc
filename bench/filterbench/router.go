// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package filterbench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/bench/traffic"
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/sysctl"
)

// setup is a router to build: its policies, and what programs them; nil: nothing does.
type setup struct {
	name     string
	policies int
	policy   func(i, of int) api.Object
	open     func() (driver, error)
}

// driver is a data plane of the namespace that it was opened in.
type driver interface {
	dataplane.Driver
	Close() error
}

// router is a namespace between those of a client and a server.
type router struct {
	ends    traffic.Ends
	ns      *netns.NS
	driver  driver
	created []string
}

var count atomic.Int32

// build makes namespaces and links, and programs the policies.
func (s setup) build(ctx context.Context) (_ *router, err error) {
	r := &router{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	for _, ns := range []**netns.NS{&r.ns, &r.ends.Client, &r.ends.Server} {
		if *ns, err = r.namespace(); err != nil {
			return nil, err
		}
	}
	if err := r.ns.Do(func() error { return sysctl.Set("net/ipv4/ip_forward", "1") }); err != nil {
		return nil, err
	}
	for i, ns := range []*netns.NS{r.ends.Client, r.ends.Server} {
		if err := r.cable(ns, i); err != nil {
			return nil, err
		}
	}
	r.ends.Addr, r.ends.Port = address(1), port
	if s.open == nil {
		return r, nil
	}
	if err := r.ns.Do(func() (err error) { r.driver, err = s.open(); return err }); err != nil {
		return nil, err
	}
	_, err = r.driver.Apply(ctx, view(s.policies, s.policy), nil)
	return r, err
}

func (r *router) namespace() (*netns.NS, error) {
	name := fmt.Sprintf("weft-filter%d-%d", os.Getpid(), count.Add(1))
	ns, err := netns.Create(name)
	if err == nil {
		r.created = append(r.created, name)
	}
	return ns, err
}

// cable connects workload i with the router.
func (r *router) cable(end *netns.NS, i int) error {
	here, err := netlink.Open(r.ns)
	if err != nil {
		return err
	}
	defer here.Close()
	link, err := here.AddVeth(netlink.VethSpec{LinkSpec: netlink.LinkSpec{Name: iface(i), Up: true}, Peer: netlink.LinkSpec{Name: "eth0"}, PeerNS: end})
	if err != nil {
		return err
	}
	gateway := address(i).Prev()
	if err := here.AddAddr(netlink.Addr{Link: link.Index, Prefix: netip.PrefixFrom(gateway, 24)}); err != nil {
		return err
	}
	there, err := netlink.Open(end)
	if err != nil {
		return err
	}
	defer there.Close()
	eth0, err := there.Link("eth0")
	if err != nil {
		return err
	}
	if err := errors.Join(there.SetUp(eth0.Index, true), there.AddAddr(netlink.Addr{Link: eth0.Index, Prefix: netip.PrefixFrom(address(i), 24)})); err != nil {
		return err
	}
	routes, err := netlink.OpenRoutes(end)
	if err != nil {
		return err
	}
	failed, err := routes.Change([]netlink.RouteChange{{Op: netlink.RouteAdd, Route: netlink.Route{
		Dst: netip.MustParsePrefix("0.0.0.0/0"), Type: netlink.RouteUnicast, NextHops: []netlink.NextHop{{Gateway: gateway, Link: eth0.Index}},
	}}})
	return errors.Join(err, failed[0], routes.Close())
}

func (r *router) close() error {
	var err error
	if r.driver != nil {
		err = r.driver.Close()
	}
	for _, ns := range []*netns.NS{r.ns, r.ends.Client, r.ends.Server} {
		if ns != nil {
			err = errors.Join(err, ns.Close())
		}
	}
	for _, name := range r.created {
		err = errors.Join(err, netns.Delete(name))
	}
	return err
}
