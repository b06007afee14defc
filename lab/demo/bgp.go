// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// pollEvery is the pause between two looks at BGP sessions.
const pollEvery = 50 * time.Millisecond

// established is what a session that works is in.
const established = "established"

func showSessions(ctx context.Context, d *demo) error {
	status, err := d.sessions(ctx, "n1", func(agentapi.PeerStatus) bool { return true })
	if err != nil {
		return err
	}
	d.showPeers(status.BGP)
	d.expect(len(status.BGP.Peers) == 6, "n1 has six sessions: two nodes and the router, in two families", fmt.Sprintf("it has %d", len(status.BGP.Peers)))
	return nil
}

func fromOutside(ctx context.Context, d *demo) error {
	target, err := d.lab.Workload(web)
	if err != nil {
		return err
	}
	for _, addr := range target.Addresses {
		lines, err := d.lab.ToR(ctx, "show route for "+addr.String()+" primary")
		if err != nil {
			return err
		}
		via := strings.Join(strings.Fields(strings.Join(lines[min(1, len(lines)):], " ")), " ")
		d.printf("  BIRD: %s\n", via)
		d.expect(strings.Contains(via, "unicast"), fmt.Sprintf("BIRD has a route to %s, %s", web, addr), "it has none")
	}
	m, err := d.outside(ctx)
	if err != nil {
		return err
	}
	d.expect(slices.Equal(reachers(m, web, database), []string{lab.External}), "the external host reaches "+web, firstOf(m.Cells))
	d.expect(len(reachers(m, db, database)) == 0, "and does not reach "+db, firstOf(m.Cells))
	return nil
}

// outside probes two workloads from behind the router.
func (d *demo) outside(ctx context.Context) (probe.Matrix, error) {
	crew, err := d.lab.Crew(ctx, []string{lab.External, web, db}, []probe.Service{database})
	if err != nil {
		return probe.Matrix{}, err
	}
	defer crew.Close()
	var flows []probe.Flow
	for _, dst := range []string{web, db} {
		between, err := crew.Between(lab.External, dst)
		if err != nil {
			return probe.Matrix{}, err
		}
		flows = append(flows, between...)
	}
	return crew.Settle(ctx, flows, nil)
}

func reflect(ctx context.Context, d *demo) error {
	if err := d.lab.StartReflector(ctx); err != nil {
		return err
	}
	for _, node := range d.lab.Nodes() { // make before break: the mesh goes when the reflector is there
		if _, err := d.sessions(ctx, node, d.isReflector); err != nil {
			return err
		}
	}
	if err := d.lab.SetMesh(ctx, false); err != nil {
		return err
	}
	for _, node := range d.lab.Nodes() {
		if err := d.meshGone(ctx, node); err != nil {
			return err
		}
	}
	if err := d.lab.Converge(ctx); err != nil {
		return err
	}
	status, err := d.lab.Agent("n1").Status(ctx)
	if err != nil {
		return err
	}
	d.showPeers(status.BGP)
	d.expect(!slices.ContainsFunc(status.BGP.Peers, isMesh), "n1 has no session with another node any more", "it still has")
	learned := 0
	for _, p := range status.BGP.Peers {
		if d.isReflector(p) {
			learned += p.Received
		}
	}
	d.expect(learned >= 4, "n1 learns the blocks of n2 and n3 from the reflector, IPv4 and IPv6", fmt.Sprintf("it got %d routes", learned))
	return d.expectStillProtected(ctx)
}

// sessions waits until a node has sessions that pick chooses, and all of them work.
func (d *demo) sessions(ctx context.Context, node string, pick func(agentapi.PeerStatus) bool) (agentapi.Status, error) {
	return d.await(ctx, node, func(s agentapi.Status) error {
		n := 0
		for _, p := range s.BGP.Peers {
			if !pick(p) {
				continue
			}
			if !strings.EqualFold(p.State, established) {
				return fmt.Errorf("%s: the session with %s is %s %s", node, p.Address, p.State, p.Error)
			}
			n++
		}
		if n == 0 {
			return fmt.Errorf("%s has no such session yet", node)
		}
		return nil
	})
}

func (d *demo) meshGone(ctx context.Context, node string) error {
	_, err := d.await(ctx, node, func(s agentapi.Status) error {
		if slices.ContainsFunc(s.BGP.Peers, isMesh) {
			return fmt.Errorf("%s still has mesh sessions", node)
		}
		return nil
	})
	return err
}

// await polls a node's agent until ok returns nil.
func (d *demo) await(ctx context.Context, node string, ok func(agentapi.Status) error) (agentapi.Status, error) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		s, err := d.lab.Agent(node).Status(ctx)
		if err == nil {
			err = ok(s)
		}
		if err == nil {
			return s, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return s, errors.Join(err, ctx.Err())
		}
	}
}

func isMesh(p agentapi.PeerStatus) bool { return strings.Contains(p.Type, "mesh") }

// isReflector recognises the sessions with the reflector by its addresses.
func (d *demo) isReflector(p agentapi.PeerStatus) bool {
	addr, err := netip.ParseAddr(p.Address)
	return err == nil && slices.Contains(d.lab.ReflectorAddrs(), addr)
}
