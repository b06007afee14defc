// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package bgp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"

	api "github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
	"github.com/osrg/gobgp/v4/pkg/server"
	"google.golang.org/protobuf/proto"
)

// engine is one run of the BGP library, with what was put into it. A change of AS number, router ID or listening address needs
// another one.
type engine struct {
	srv        *server.BgpServer
	restarting bool // new peers are told that we kept forwarding through a restart
	global     *plan
	policies   *api.SetPoliciesRequest
	peers      map[netip.Addr]*api.Peer
	own        map[netip.Prefix]netip.Addr
}

// start runs the library as p says, without peers or prefixes.
func start(ctx context.Context, p *plan, restarting bool, log server.ServerOption) (*engine, error) {
	e := &engine{
		srv: server.NewBgpServer(log), restarting: restarting, global: p,
		peers: map[netip.Addr]*api.Peer{}, own: map[netip.Prefix]netip.Addr{},
	}
	go e.srv.Serve()
	global := proto.CloneOf(p.global)
	if len(global.ListenAddresses) == 0 {
		global.ListenAddresses = anyAddress()
	}
	if err := e.srv.StartBgp(ctx, &api.StartBgpRequest{Global: global}); err != nil {
		return nil, errors.Join(fmt.Errorf("start BGP on port %d (is another BGP daemon running?): %w", global.ListenPort, err), e.stop(false))
	}
	return e, nil
}

// anyAddress lists the unspecified address of each family that this machine has.
func anyAddress() []string {
	list := []string{"0.0.0.0"}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		_ = l.Close()
		list = append(list, "::")
	}
	return list
}

// stop ends the run. A graceful stop drops the sessions without a word, so that neighbours wait for us to come back.
func (e *engine) stop(graceful bool) error {
	if err := e.srv.StopBgp(context.Background(), &api.StopBgpRequest{AllowGracefulRestart: graceful}); err != nil {
		return fmt.Errorf("stop BGP: %w", err)
	}
	return nil
}

// apply brings the library to p. What fails is tried again by the next call.
func (e *engine) apply(ctx context.Context, p *plan) error {
	// Policy comes before the routes that it judges, and both before the peers, so that a new peer hears everything at once.
	return errors.Join(e.applyPolicies(ctx, p.policies), e.applyOwn(p.own), e.applyPeers(ctx, p.peers))
}

func (e *engine) applyPolicies(ctx context.Context, want *api.SetPoliciesRequest) error {
	if e.policies != nil && proto.Equal(e.policies, want) {
		return nil
	}
	if err := e.srv.SetPolicies(ctx, want); err != nil {
		return fmt.Errorf("BGP export policy: %w", err)
	}
	if e.policies == nil {
		if err := e.srv.SetPolicyAssignment(ctx, assignment()); err != nil {
			return fmt.Errorf("BGP export policy: %w", err)
		}
	}
	e.policies = want
	if len(e.peers) == 0 {
		return nil
	}
	err := e.srv.ResetPeer(ctx, &api.ResetPeerRequest{Soft: true, Direction: api.ResetPeerRequest_DIRECTION_OUT})
	if err != nil {
		return fmt.Errorf("BGP export policy: announce anew: %w", err)
	}
	return nil
}

func (e *engine) applyOwn(want map[netip.Prefix]netip.Addr) error {
	var add, remove []*apiutil.Path
	for dst, hop := range want {
		if e.own[dst] != hop {
			add = append(add, ownPath(dst, hop, false))
		}
	}
	for dst, hop := range e.own {
		if _, ok := want[dst]; !ok {
			remove = append(remove, ownPath(dst, hop, true))
		}
	}
	if len(add) > 0 {
		if _, err := e.srv.AddPath(apiutil.AddPathRequest{Paths: add}); err != nil {
			return fmt.Errorf("BGP: announce %d prefixes: %w", len(add), err)
		}
	}
	if len(remove) > 0 {
		if err := e.srv.DeletePath(apiutil.DeletePathRequest{Paths: remove}); err != nil {
			return fmt.Errorf("BGP: withdraw %d prefixes: %w", len(remove), err)
		}
	}
	e.own = maps.Clone(want)
	return nil
}

// ownPath is a prefix that starts here.
func ownPath(dst netip.Prefix, hop netip.Addr, withdraw bool) *apiutil.Path {
	family := ipv4Unicast
	if dst.Addr().Is6() {
		family = ipv6Unicast
	}
	// The constructors fail only for a prefix or an address that is not one; plan let none through.
	nlri, _ := bgp.NewIPAddrPrefix(dst)
	reach, _ := bgp.NewPathAttributeMpReachNLRI(family, []bgp.PathNLRI{{NLRI: nlri}}, hop)
	return &apiutil.Path{
		Family: family, Nlri: nlri, Withdrawal: withdraw,
		Attrs: []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(bgp.BGP_ORIGIN_ATTR_TYPE_IGP), reach},
	}
}

func (e *engine) applyPeers(ctx context.Context, want map[netip.Addr]plannedPeer) error {
	var errs []error
	for _, addr := range slices.SortedFunc(maps.Keys(e.peers), netip.Addr.Compare) {
		if _, ok := want[addr]; !ok {
			errs = append(errs, e.deletePeer(ctx, addr))
		}
	}
	for _, addr := range slices.SortedFunc(maps.Keys(want), netip.Addr.Compare) {
		if err := e.setPeer(ctx, addr, want[addr].conf); err != nil {
			errs = append(errs, fmt.Errorf("BGP peer %s: %w", want[addr].desired.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (e *engine) setPeer(ctx context.Context, addr netip.Addr, conf *api.Peer) error {
	present, ok := e.peers[addr]
	switch {
	case !ok:
		first := proto.CloneOf(conf)
		first.GracefulRestart.LocalRestarting = e.restarting
		if err := e.srv.AddPeer(ctx, &api.AddPeerRequest{Peer: first}); err != nil {
			return err
		}
	case !proto.Equal(present, conf):
		if _, err := e.srv.UpdatePeer(ctx, &api.UpdatePeerRequest{Peer: proto.CloneOf(conf)}); err != nil {
			return err
		}
	}
	e.peers[addr] = conf
	return nil
}

// deletePeer takes the password away first: the library leaves the key of a deleted peer on the listening socket, and a later peer
// of that address without one would not get through.
func (e *engine) deletePeer(ctx context.Context, addr netip.Addr) error {
	if conf := e.peers[addr]; conf.Conf.AuthPassword != "" {
		open := proto.CloneOf(conf)
		open.Conf.AuthPassword = ""
		if err := e.setPeer(ctx, addr, open); err != nil {
			return fmt.Errorf("delete BGP peer %s: %w", addr, err)
		}
	}
	if err := e.srv.DeletePeer(ctx, &api.DeletePeerRequest{Address: addr.String()}); err != nil {
		return fmt.Errorf("delete BGP peer %s: %w", addr, err)
	}
	delete(e.peers, addr)
	return nil
}
