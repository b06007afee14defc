// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"errors"
	"net/netip"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/selector"
)

// bgpPeer is a BGPPeer in compact form.
type bgpPeer struct {
	name         string
	node         string
	nodeSelector *selector.Selector // nil: not given
	peerSelector *selector.Selector // nil: not given
	addr         netip.Addr
	port         uint16 // 0: the default, or the port the peer node listens on
	as           uint32
	oneWay       bool // reversePeering: Manual
	settings     desired.Peer
	keepEBGP     bool // keepOriginalNextHop
	anySource    bool // sourceAddress: None
	password     bool
}

// local tells whether the node is on the side of node and nodeSelector.
func (p *bgpPeer) local(h *host) bool {
	switch {
	case p.node != "":
		return p.node == h.name
	case p.nodeSelector != nil:
		return p.nodeSelector.Matches(h.labels)
	}
	return true
}

// remote tells whether the node is on the side of peerSelector.
func (p *bgpPeer) remote(h *host) bool {
	return p.peerSelector != nil && p.peerSelector.Matches(h.labels)
}

func (p *bgpPeer) kind() desired.PeerKind {
	if p.node == "" && p.nodeSelector == nil {
		return desired.PeerGlobal
	}
	return desired.PeerNode
}

func newBGPPeer(obj *v3.BGPPeer) (*bgpPeer, api.FieldErrors) {
	spec := &obj.Spec
	p := &bgpPeer{
		name: obj.Name, node: spec.Node, oneWay: spec.ReversePeering == "Manual", anySource: spec.SourceAddress == "None",
		keepEBGP: spec.KeepOriginalNextHop != nil && *spec.KeepOriginalNextHop, password: spec.Password != nil,
	}
	var wrong faults
	selectors := []struct {
		field, text string
		to          **selector.Selector
	}{{"spec.nodeSelector", spec.NodeSelector, &p.nodeSelector}, {"spec.peerSelector", spec.PeerSelector, &p.peerSelector}}
	for _, s := range selectors {
		if s.text == "" {
			continue
		}
		sel, err := selector.Parse(s.text)
		wrong.add(s.field, err)
		*s.to = sel
	}
	if spec.PeerIP != "" {
		var err error
		p.addr, p.port, err = v3.ParsePeerIP(spec.PeerIP)
		wrong.add("spec.peerIP", err)
	}
	if spec.ASNumber != nil {
		p.as = spec.ASNumber.Value
	}
	if p.addr.IsValid() && p.as == 0 {
		wrong.add("spec.asNumber", errors.New("required with peerIP; write the peer's AS number, 1 to 4294967295"))
	}
	p.settings = peerSettings(spec)
	return p, wrong.list
}

// peerSettings are the fields of a session that do not depend on the nodes at its ends.
func peerSettings(spec *v3.BGPPeerSpec) desired.Peer {
	out := desired.Peer{
		RestartSeconds:   seconds(spec.MaxRestartTime, maxRestart),
		KeepaliveSeconds: seconds(spec.KeepaliveTime, 0xffff),
	}
	switch spec.NextHopMode {
	case "Self":
		out.NextHop = desired.NextHopSelf
	case "Keep":
		out.NextHop = desired.NextHopKeep
	}
	if spec.TTLSecurity != nil {
		out.TTLSecurity = *spec.TTLSecurity
	}
	if n := spec.NumAllowedLocalASNumbers; n != nil {
		out.AllowLocalAS = uint8(max(0, min(*n, 255)))
	}
	if spec.LocalASNumber != nil {
		out.LocalAS = spec.LocalASNumber.Value
	}
	return out
}

func (s *speaker) putPeer(key api.Key, obj *v3.BGPPeer) api.FieldErrors {
	p, wrong := newBGPPeer(obj)
	if wrong == nil {
		s.peers[key.Name] = p
		s.dirty = true
	}
	return wrong
}

func (s *speaker) removePeer(key api.Key) {
	delete(s.peers, key.Name)
	s.dirty = true
}
