// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/routing/mtu"
	"github.com/weftnet/weft/routing/routes"
)

// sizer keeps packets to sizes that fit: of workloads' interfaces, and of routes to other nodes. It works them out from the configuration,
// the host's links and what probing measured, whenever one of these changes.
type sizer struct {
	kernel pathKernel
	log    *slog.Logger
	// facts asks the calculation.
	facts func(context.Context) (sizeFacts, bool)
	// resize and program put the results in force.
	resize  func(size int) error
	program func(context.Context, map[routes.Way]int) error

	changed chan struct{} // the facts may have
	due     chan struct{} // there may be paths to measure

	decided chan struct{} // closed once workload is known

	mu       sync.Mutex
	workload mtu.Decision
	paths    []path
	measured map[netip.Addr]*measurement // by the other node's address
	known    map[netip.Addr]bool         // addresses of other nodes
	own      [2]netip.Addr
	problem  error
}

// sizeFacts are those that the calculation knows.
type sizeFacts struct {
	calc.Underlay
	own     [2]netip.Addr // this node's addresses, IPv4 first
	tunnels []desired.Tunnel
	peers   []desired.TunnelPeer
}

// layers tells what a kind of tunnel puts around packets.
var layers = [desired.TunnelKinds]mtu.Encap{desired.VXLAN4: mtu.VXLAN4, desired.VXLAN6: mtu.VXLAN6, desired.IPIP: mtu.IPIP,
	desired.WireGuard4: mtu.WireGuard4, desired.WireGuard6: mtu.WireGuard6}

func newSizer(kernel pathKernel, log *slog.Logger) *sizer {
	return &sizer{kernel: kernel, log: log, changed: make(chan struct{}, 1), due: make(chan struct{}, 1), decided: make(chan struct{}),
		measured: map[netip.Addr]*measurement{}}
}

// change says that the facts may have changed. It never blocks.
func (s *sizer) change() { replace(s.changed, struct{}{}) }

// sizeRetry is the pause after something could not be read or put in force.
const sizeRetry = time.Second

// run keeps the sizes until ctx ends.
func (s *sizer) run(ctx context.Context) {
	var again <-chan time.Time
	complain := &complaint{log: s.log, message: "sizes of packets are not all in force, retrying"}
	for {
		select {
		case <-s.changed:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		err := s.settle(ctx)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.problem = err
		s.mu.Unlock()
		if complain.about(err) {
			again = time.After(sizeRetry)
		}
		replace(s.due, struct{}{})
	}
}

// settle works the sizes out and puts them in force.
func (s *sizer) settle(ctx context.Context) error {
	facts, ok := s.facts(ctx)
	if !ok {
		return ctx.Err()
	}
	links, err := s.kernel.Links()
	if err != nil {
		return err
	}
	config, tunnels := configOf(facts)
	var own []netip.Addr
	for _, a := range facts.own {
		if a.IsValid() {
			own = append(own, a)
		}
	}
	workload := mtu.Workload(config, links, own)
	s.decide(workload)
	resized := s.resize(workload.Value)
	paths := pathsOf(facts, tunnels)
	if err := s.size(config, links, paths); err != nil {
		return errors.Join(resized, err)
	}
	if !s.take(paths, facts) { // what an earlier run has measured holds until all is measured again
		return resized
	}
	return errors.Join(resized, s.program(ctx, narrow(paths)))
}

// decide lets workloads start with a size, whatever becomes of the ways to other nodes.
func (s *sizer) decide(workload mtu.Decision) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workload.Value == 0 {
		close(s.decided)
	}
	s.workload = workload
}

// configOf says what the sizes are worked out by, and which tunnels there are.
func configOf(facts sizeFacts) (c mtu.Config, tunnels map[string]desired.Tunnel) {
	c.Pattern, tunnels = facts.Pattern, map[string]desired.Tunnel{}
	for k, layer := range layers {
		c.Device[layer], c.Used[layer] = facts.MTU[k], facts.Used[k]
	}
	for _, t := range facts.tunnels {
		tunnels[t.Name] = t
	}
	return c, tunnels
}

// pathsOf lists the ways to other nodes: the plain one by each address, and through each tunnel.
func pathsOf(facts sizeFacts, tunnels map[string]desired.Tunnel) []path {
	var out []path
	for name, addrs := range facts.Nodes {
		for f, addr := range addrs {
			if addr.IsValid() && facts.own[f].IsValid() && addr != facts.own[f] {
				out = append(out, path{node: name, via: addr, remote: addr})
			}
		}
	}
	for _, p := range facts.peers {
		t, ok := tunnels[p.ID.Tunnel]
		if !ok {
			continue
		}
		via := p.Addr
		switch {
		case t.Kind == desired.IPIP: // it wraps packets for their next hop
			via = p.Remote
		case t.Kind.Encrypts(): // it knows by itself which peer has an address
			via = netip.Addr{}
		}
		out = append(out, path{node: p.ID.Node, tunnel: t.Name, layer: layers[t.Kind], via: via, remote: p.Remote})
	}
	sortPaths(out)
	return out
}

// size works out how large packets may be on each path.
func (s *sizer) size(config mtu.Config, links []mtu.Link, paths []path) error {
	remotes := make([]netip.Addr, len(paths))
	for i, p := range paths {
		remotes[i] = p.remote
	}
	towards, err := s.kernel.Towards(remotes)
	if err != nil {
		return err
	}
	sizes := map[string]int{}
	for _, l := range links {
		sizes[l.Name] = l.MTU
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range paths {
		p := &paths[i]
		p.link = towards[i]
		size := sizes[p.link]
		if size == 0 {
			p.link = ""
			continue
		}
		probed := 0
		if m := s.measured[p.remote]; m != nil && m.result.MTU < size {
			probed = m.result.MTU
		}
		p.most = size
		if p.layer == mtu.Direct {
			p.size = config.Way(size, probed)
			continue
		}
		p.size = config.Way(size, probed, p.layer)
		p.most = mtu.Inside(size, p.layer)
		if device := config.Device[p.layer]; device > 0 {
			p.most = device
		}
	}
	return nil
}

// take notes the ways to other nodes, and tells whether every one has been measured.
func (s *sizer) take(paths []path, facts sizeFacts) (complete bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paths, s.own, s.known = paths, facts.own, map[netip.Addr]bool{}
	complete = true
	for _, p := range paths {
		s.known[p.remote] = true
		complete = complete && (p.link == "" || s.measured[p.remote] != nil)
	}
	for addr := range s.measured {
		if !s.known[addr] {
			delete(s.measured, addr)
		}
	}
	return complete
}

// narrow returns the ways that take less than their device or link. Of paths that are one way to the routes, the narrowest counts.
func narrow(paths []path) map[routes.Way]int {
	out := map[routes.Way]int{}
	for _, p := range paths {
		way := routes.Way{Tunnel: p.tunnel, Via: p.via}
		if known, ok := out[way]; p.link != "" && p.size.Value < p.most && (!ok || p.size.Value < known) {
			out[way] = p.size.Value
		}
	}
	return out
}

// sizeFacts asks the calculation, once it has all inputs and this node has addresses.
func (a *Agent) sizeFacts(ctx context.Context) (facts sizeFacts, ok bool) {
	asked := a.loop.ask(ctx, func() {
		view := a.loop.graph.View()
		facts.Underlay, facts.own = a.loop.graph.Underlay(), [2]netip.Addr{a.address.v4.Value.Addr(), a.address.v6.Value.Addr()}
		facts.tunnels, facts.peers = slices.Collect(view.Tunnels()), slices.Collect(view.TunnelPeers())
		ok = a.loop.started && facts.own != [2]netip.Addr{}
	})
	return facts, asked && ok
}

// resizeWorkloads gives workloads their size.
func (a *Agent) resizeWorkloads(size int) error { return a.cni.Resize(size) }

// MTU returns the size of workloads' interfaces, once it is known.
func (s *sizer) MTU(ctx context.Context) (int, error) {
	select {
	case <-s.decided:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.workload.Value != 0:
		return s.workload.Value, nil
	case s.problem != nil:
		return 0, fmt.Errorf("the MTU of workloads is not known yet: %w", s.problem)
	}
	return 0, errors.New("the MTU of workloads is not known yet: this node waits for its address, or for the first complete read of the datastore")
}

// decision tells people about workloads.
func (s *sizer) decision() agentapi.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.workload.Value == 0 {
		return agentapi.Decision{Value: []string{}, Reason: "not known yet"}
	}
	return agentapi.Decision{Value: []string{strconv.Itoa(s.workload.Value)}, Reason: s.workload.Reason, Rejected: s.workload.Rejected}
}

// report tells people.
func (s *sizer) report() agentapi.MTUs {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := agentapi.MTUs{Workload: s.workload.Value, Reason: s.workload.Reason, Rejected: s.workload.Rejected, Paths: []agentapi.PathMTU{}}
	if s.problem != nil {
		out.Error = s.problem.Error()
	}
	for _, p := range s.paths {
		row := agentapi.PathMTU{Peer: p.node, Address: p.remote.String(), Path: p.tunnel, Link: p.link, Computed: p.size.Computed, MTU: p.size.Value, Reason: p.size.Reason}
		if p.tunnel == "" {
			row.Path = "direct"
		}
		if p.link == "" {
			row.Reason = "no route to " + p.remote.String()
		}
		if m := s.measured[p.remote]; m != nil {
			m.tell(&row, p.layer)
		}
		out.Paths = append(out.Paths, row)
	}
	return out
}
