// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/agentapi"
)

// encryptionReport says how packets to other nodes are encrypted; nil where they are not to be. The loop's goroutine calls it.
func (a *Agent) encryptionReport() *agentapi.EncryptionStatus {
	view := a.loop.graph.View()
	keys, userspace := a.tunnels.PublicKeys(), a.tunnels.Userspace()
	var s *agentapi.EncryptionStatus
	for k, needed := range a.loop.graph.NeedsTunnelAddress() {
		if needed && desired.TunnelKind(k).Encrypts() {
			s = &agentapi.EncryptionStatus{Devices: []agentapi.EncryptionDevice{}, Plain: a.loop.graph.Plain()}
		}
	}
	if s == nil {
		return nil
	}
	for _, id := range a.tunnels.PlainHosts() {
		s.PlainHosts = append(s.PlainHosts, id.String())
	}
	for t := range view.Tunnels() {
		s.Hosts = s.Hosts || t.Hosts != (desired.HostRouting{})
		if key := keys[t.Kind]; t.Kind.Encrypts() && key != (desired.Key{}) {
			d := agentapi.EncryptionDevice{Name: t.Name, PublicKey: key.String(), Place: "kernel"}
			if slices.Contains(userspace, t.Name) {
				d.Place = "agent"
			}
			s.Devices = append(s.Devices, d)
		}
	}
	return s
}
