// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package agentapi is what the agent tells people over its unix socket: a Client asks, the agent answers with these types.
//
// HTTP with JSON bodies; GET /v1/status, /v1/state, /v1/state/<table>, /v1/hits, /v1/connections, /v1/mtu; POST /v1/rotate-key.
package agentapi

import "time"

// Status is the agent's own account of itself.
type Status struct {
	Node     string    `json:"node"`
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	InSync   bool      `json:"inSync"`
	Revision int64     `json:"revision"` // of the datastore, last seen
	// Datastore is empty, or why the datastore cannot be read; policy in force stays as it was.
	Datastore string `json:"datastore,omitempty"`
	// Cache is absent once the datastore has been read: what is in force is its state then.
	Cache     *CacheStatus    `json:"cache,omitempty"`
	Address   Decision        `json:"address"`
	Dataplane ComponentStatus `json:"dataplane"`
	// MTU is that of workloads' interfaces.
	MTU     Decision        `json:"mtu"`
	Tunnels ComponentStatus `json:"tunnels"`
	Routes  ComponentStatus `json:"routes"`
	// Encryption is absent where no WireGuard is wanted.
	Encryption *EncryptionStatus `json:"encryption,omitempty"`
	// SourceCheck is absent where the node is in no cloud that has one.
	SourceCheck *SourceCheckStatus `json:"sourceCheck,omitempty"`
	// Connections are the established ones under review after changes of policy.
	Connections ConnectionsStatus `json:"connections"`
	BGP         BGPStatus         `json:"bgp"`
	Endpoints   []EndpointStatus  `json:"endpoints"`
	Problems    []Problem         `json:"problems"`
	// Notices are about objects that are in force as they are written, such as policies that only failsafe ports keep from cutting the node off.
	Notices []Problem `json:"notices"`
}

// CacheStatus tells of inputs on disk that stand in for the datastore.
type CacheStatus struct {
	// Inputs is when the datastore was last known to say so, Since is when they came in force.
	Inputs time.Time `json:"inputs"`
	Since  time.Time `json:"since"`
}

// MTUs are the sizes of packets, in bytes of IP packets.
type MTUs struct {
	// Workload is that of workloads' interfaces.
	Workload int      `json:"workload"`
	Reason   string   `json:"reason"`
	Rejected []string `json:"rejected,omitempty"`
	// Error is why not all is in force.
	Error string    `json:"error,omitempty"`
	Paths []PathMTU `json:"paths"`
}

// PathMTU is how large packets to another node may be on one way.
type PathMTU struct {
	Peer     string `json:"peer"`           // the other node
	Address  string `json:"address"`        // of the other node
	Path     string `json:"path"`           // "direct", or the name of the tunnel device
	Link     string `json:"link,omitempty"` // that leads there
	Computed int    `json:"computed"`       // what fits by the link and the headers
	Probed   int    `json:"probed"`         // what arrived; 0: not known
	MTU      int    `json:"mtu"`            // in force
	Reason   string `json:"reason"`
	// LimitingHop is the router that has no room for more, where one says so.
	LimitingHop string    `json:"limitingHop,omitempty"`
	Measured    time.Time `json:"measured,omitzero"`
	Error       string    `json:"error,omitempty"` // of the last measurement
}

// Decision is a choice the agent made, with its reason and what it turned down.
type Decision struct {
	Value    []string `json:"value"`
	Reason   string   `json:"reason"`
	Rejected []string `json:"rejected,omitempty"`
}

// ComponentStatus is the state of one kernel writer.
type ComponentStatus struct {
	Name     string `json:"name"`
	State    string `json:"state"` // "programmed", "waiting", "error"
	Error    string `json:"error,omitempty"`
	Repaired int    `json:"repaired"` // foreign changes undone since start
	Applies  int    `json:"applies"`
	// Closed counts the endpoints that let nothing pass because the kernel refuses their policy; their own state says why.
	Closed int `json:"closed,omitempty"`
	// Retry is when what is not in force is tried again; zero: all is.
	Retry time.Time `json:"retry,omitzero"`
	// Driver is the data plane driver in use, with the reason for the choice and what was turned down. Empty for other writers.
	Driver   string   `json:"driver,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Rejected []string `json:"rejected,omitempty"`
}

// EncryptionStatus says how packets to other nodes are encrypted.
type EncryptionStatus struct {
	// Devices in use, with the public key that other nodes know this one by.
	Devices []EncryptionDevice `json:"devices"`
	// Plain lists the nodes that packets are sent to in the clear, with the reason: "n3 (IPv4): it has published no key".
	Plain []string `json:"plain"`
	// Hosts says that what the nodes send each other themselves is to be encrypted, too; PlainHosts lists those that it has not met yet, or
	// cannot lead packets to that way, and so sends them in the clear: "n3 on wireguard.cali".
	Hosts      bool     `json:"hosts,omitempty"`
	PlainHosts []string `json:"plainHosts,omitempty"`
}

// EncryptionDevice is a WireGuard device.
type EncryptionDevice struct {
	Name      string `json:"name"`
	PublicKey string `json:"publicKey"`
	// Place is "kernel" or "agent".
	Place string `json:"place"`
}

// SourceCheckStatus is the cloud's check of this node's source and destination addresses.
type SourceCheckStatus struct {
	Wanted    string `json:"wanted"`              // "Enable", "Disable" or "DoNothing"
	Interface string `json:"interface,omitempty"` // the cloud's name of the network interface
	State     string `json:"state"`               // "on", "off" or "unknown"
	Error     string `json:"error,omitempty"`     // why it is not known, or not as wanted
	// Retry is when that is tried again; zero: not needed.
	Retry time.Time `json:"retry,omitzero"`
}

// ConnectionsStatus is what became of established connections since the agent's start.
type ConnectionsStatus struct {
	Ended int `json:"ended"` // because policy no longer allows them
	// Pending: the review after the last change is not done yet.
	Pending bool   `json:"pending"`
	Error   string `json:"error,omitempty"`
}

// BGPStatus lists the sessions.
type BGPStatus struct {
	Running  bool         `json:"running"`
	AS       uint32       `json:"as,omitempty"`
	RouterID string       `json:"routerID,omitempty"`
	Peers    []PeerStatus `json:"peers"`
	Learned  int          `json:"learned"` // routes in the kernel that came over BGP
	Error    string       `json:"error,omitempty"`
}

// PeerStatus is one session.
type PeerStatus struct {
	Name     string    `json:"name"`
	Address  string    `json:"address"`
	Type     string    `json:"type"` // "node-to-node mesh", "node specific", "global"
	AS       uint32    `json:"as"`
	State    string    `json:"state"`
	Since    time.Time `json:"since"`
	Received int       `json:"received"`
	Accepted int       `json:"accepted"`
	Sent     int       `json:"sent"`
	Error    string    `json:"error,omitempty"`
}

// EndpointStatus says whether a local workload is protected and reachable.
type EndpointStatus struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Interface string   `json:"interface"`
	Addresses []string `json:"addresses"`
	State     string   `json:"state"` // "programmed", "pending", "error"
	Reason    string   `json:"reason,omitempty"`
}

// Problem is something that keeps an object from being in force as it is written, or from being published.
type Problem struct {
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	// Refused: the object is invalid. The reason says whether an older version is in force.
	Refused bool `json:"refused,omitempty"`
}

// Table is a dump of one table: of the calculation, or "kernel-routes".
type Table struct {
	Name    string     `json:"name"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}
