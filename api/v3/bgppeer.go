// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The values of nextHopMode.
const (
	NextHopAuto = "Auto"
	NextHopSelf = "Self"
	NextHopKeep = "Keep"
)

// BGPPeer asks some or all nodes to peer with something.
type BGPPeer struct {
	TypeMeta   `json:",inline"`
	ObjectMeta `json:"metadata,omitempty"`
	// Spec says who peers with whom, and how.
	Spec BGPPeerSpec `json:"spec"`
}

// BGPPeerSpec says who peers with whom, and how. The near side is node or nodeSelector, neither meaning all nodes; the far side is one of
// peerIP with asNumber, peerSelector, and localWorkloadSelector with asNumber.
type BGPPeerSpec struct {
	// Node is the one node that peers. Not with nodeSelector.
	Node string `json:"node,omitempty" maxLen:"253"`
	// NodeSelector chooses the nodes that peer, by their labels. Not with node.
	NodeSelector string `json:"nodeSelector,omitempty" format:"selector" maxLen:"1024"`
	// PeerIP is the peer's address, with its TCP port if that is not 179: 192.0.2.1, 192.0.2.1:1790 or [2001:db8::1]:1790.
	PeerIP string `json:"peerIP,omitempty" format:"peerIP" maxLen:"64"`
	// ASNumber is the peer's AS number.
	ASNumber *ASNumber `json:"asNumber,omitempty" format:"as"`
	// PeerSelector chooses other nodes as peers, by their labels.
	PeerSelector string `json:"peerSelector,omitempty" format:"selector" maxLen:"1024"`
	// LocalWorkloadSelector chooses workloads of the node as peers, by their labels.
	LocalWorkloadSelector string `json:"localWorkloadSelector,omitempty" format:"selector" maxLen:"1024" later:"nodes do not peer with workloads yet"`
	// LocalASNumber is the node's AS number towards this peer.
	LocalASNumber *ASNumber `json:"localASNumber,omitempty" defaultText:"AS number of the node" format:"as"`
	// KeepOriginalNextHop is the older form of nextHopMode: Keep. Deprecated.
	KeepOriginalNextHop *bool `json:"keepOriginalNextHop,omitempty"`
	// NextHopMode says which next hop routes to the peer carry: Self for the node, Keep for the one they came with, Auto for what BGP
	// does by itself.
	NextHopMode string `json:"nextHopMode,omitempty" defaultText:"Auto; Keep with keepOriginalNextHop" enum:"Auto Self Keep"`
	// Password protects the session.
	Password *BGPPassword `json:"password,omitempty" later:"sessions have no passwords yet"`
	// SourceAddress None lets the kernel choose the session's local address.
	SourceAddress string `json:"sourceAddress,omitempty" default:"UseNodeIP" enum:"UseNodeIP None"`
	// MaxRestartTime is the graceful restart time (RFC 4724).
	MaxRestartTime *metav1.Duration `json:"maxRestartTime,omitempty" default:"2m"`
	// KeepaliveTime is the time between keepalive messages.
	KeepaliveTime *metav1.Duration `json:"keepaliveTime,omitempty" defaultText:"a third of the hold time"`
	// NumAllowedLocalASNumbers is how often the own AS number may stand in the path of received routes.
	NumAllowedLocalASNumbers *int32 `json:"numAllowedLocalASNumbers,omitempty" default:"0" min:"0"`
	// TTLSecurity turns on the TTL check of RFC 5082 for a peer so many hops away.
	TTLSecurity *uint8 `json:"ttlSecurity,omitempty"`
	// ReachableBy is the gateway to the peer. Needs peerIP.
	ReachableBy string `json:"reachableBy,omitempty" format:"ip" maxLen:"64" later:"no route to the peer is made"`
	// Filters lists BGPFilters, applied in order.
	Filters []string `json:"filters,omitzero" later:"there are no BGP filters yet"`
	// ReversePeering Manual keeps the nodes that peerSelector chooses from setting up their side of the session.
	ReversePeering string `json:"reversePeering,omitempty" default:"Auto" enum:"Auto Manual"`
}
