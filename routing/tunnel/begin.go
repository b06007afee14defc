// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package tunnel

import (
	"context"
	"fmt"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netlink"
)

// begun is an errand under way.
type begun struct {
	errand
	held *netlink.Held
}

// Begin is Apply, but that a delta's entries may be left for the next change over Options.Kernel, which they go in front of: of a route to what is behind
// a peer, for one. Where it is not settled with that, the report is Settle's, which is to be called next.
func (m *Manager) Begin(ctx context.Context, view desired.View, delta *desired.Delta) (report Report, settled bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Report{}, true, fmt.Errorf("tunnels: %w", err)
	}
	if delta == nil || len(delta.Tunnels)+len(delta.TunnelsRemoved) > 0 {
		report, err := m.reconcile(view)
		return report, true, err
	}
	e := m.change(delta)
	if len(e.requests) == 0 {
		report, err := m.report(0, m.settleHosts())
		return report, true, err
	}
	m.begun = &begun{e, m.kernel.Hold(e.requests)}
	return Report{}, false, nil
}

// change makes what a delta says of peers, and returns what remains to be done of it.
func (m *Manager) change(delta *desired.Delta) errand {
	e := newErrand()
	for _, id := range delta.TunnelPeersRemoved {
		switch d := m.devices[id.Tunnel]; {
		case d == nil:
		case d.want.Kind.Encrypts():
			m.forgetEncrypted(d, id)
		default:
			d.forget(&e, id.Node)
		}
	}
	for _, p := range delta.TunnelPeers {
		switch d := m.devices[p.ID.Tunnel]; {
		case d == nil:
		case d.want.Kind.Encrypts():
			d.fail(m.meetEncrypted(d, p))
		default:
			d.meet(&e, p)
		}
	}
	for _, d := range m.devices {
		d.fail(m.withdraw(d))
	}
	return e
}

// Settle ends what Begin has left, and reports. Where nothing was left there is nothing to report.
func (m *Manager) Settle() (Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.begun
	if b == nil {
		return Report{}, nil
	}
	m.begun = nil
	m.mu.Unlock() // the watcher is told of the first entry while the kernel makes the next one
	refused, err := b.held.Result()
	m.mu.Lock()
	m.judge(b.errand, refused, err)
	return m.report(0, m.settleHosts())
}
