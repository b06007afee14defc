// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Families says which address families a lab uses, on the underlay and for workloads.
type Families string

// The choices of address families.
const (
	Dual Families = "dual" // default
	IPv4 Families = "ipv4"
	IPv6 Families = "ipv6"
)

// Autonomous system numbers of a lab (private use, RFC 6996).
const (
	NodeAS = 64512 // the nodes, and the route reflector
	ToRAS  = 64500 // the router
)

// MaxNodes is the largest lab: beyond it the addresses of one underlay subnet run out.
const MaxNodes = 200

// Spec says what lab to make. The zero value of every field but Name is a sensible default.
type Spec struct {
	// Name of the lab: 1 to 12 lower-case letters and digits, starting with a letter. It starts every namespace name.
	Name string `json:"name"`
	// Nodes is their number, 1 to MaxNodes. Default 3.
	Nodes int `json:"nodes"`
	// Subnets of the underlay: 1 (default) or 2, with a router between. The first half of the nodes lives in the first.
	Subnets int `json:"subnets"`
	// Families in use. Default Dual.
	Families Families `json:"families"`
	// Pools lists the CIDRs of the IP pools. Default: 10.65.0.0/16 and fd65::/64, as far as Families has them.
	Pools []string `json:"pools"`
	// RemoteEtcd is the URL of an etcd server to use, "http://10.0.0.1:2379". Default: an etcd of the lab's own.
	RemoteEtcd string `json:"remoteEtcd,omitempty"`
	// Kubeconfig is a kubeconfig file whose API server, of this or another machine, is the datastore. The nodes must reach it by the address in the file; Wired can
	// see to that. The lab does not run it: StartStore and StopStore do nothing.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// AgentKubeconfig is the one that agents use, with rights of their own. Default: Kubeconfig.
	AgentKubeconfig string `json:"agentKubeconfig,omitempty"`
	// MeshOff starts without the full mesh of BGP sessions between nodes.
	MeshOff bool `json:"meshOff,omitempty"`
	// ToR runs a BGP router (BIRD 2) at the top of the rack; see StartToR. Labs with two subnets always have it.
	ToR bool `json:"tor,omitempty"`
	// StartLimit is how long an agent may take to be ready. Default 30 s.
	StartLimit time.Duration `json:"startLimit,omitempty"`
	// Controllers runs `weft controllers`.
	Controllers bool `json:"controllers,omitempty"`
	// Owned binds the lab to the calling process: once it has died, Sweep removes the lab. Tests set it.
	Owned bool `json:"owned,omitempty"`
	// Bin is the directory that holds the programs weft and weft-cni. Default: that of the running program.
	Bin string `json:"bin"`
	// Wired is called when the network is there and no agent runs yet; nil does nothing.
	Wired func(*Lab) error `json:"-"`
	// Progress gets a line for each step of long work; nil discards them.
	Progress func(line string) `json:"-"`
}

var nameRE = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)

// complete returns s with defaults filled in, or says which field is wrong.
func (s Spec) complete() (Spec, error) {
	s.Nodes = orDefault(s.Nodes, 3)
	s.Subnets = orDefault(s.Subnets, 1)
	s.Families = orDefault(s.Families, Dual)
	s.ToR = s.ToR || s.Subnets == 2
	if s.Progress == nil {
		s.Progress = func(string) {}
	}
	if s.Wired == nil {
		s.Wired = func(*Lab) error { return nil }
	}
	if err := checkName(s.Name); err != nil {
		return Spec{}, err
	}
	switch {
	case s.Nodes < 1 || s.Nodes > MaxNodes:
		return Spec{}, fmt.Errorf("lab %s: nodes: %d is outside 1 to %d", s.Name, s.Nodes, MaxNodes)
	case s.Subnets != 1 && s.Subnets != 2:
		return Spec{}, fmt.Errorf("lab %s: subnets: %d is neither 1 nor 2", s.Name, s.Subnets)
	case s.Subnets > s.Nodes:
		return Spec{}, fmt.Errorf("lab %s: subnets: %d subnets need at least as many nodes, not %d", s.Name, s.Subnets, s.Nodes)
	case s.Families != Dual && s.Families != IPv4 && s.Families != IPv6:
		return Spec{}, fmt.Errorf("lab %s: families: %q is none of dual, ipv4, ipv6", s.Name, s.Families)
	}
	if s.RemoteEtcd != "" && s.Kubeconfig != "" {
		return Spec{}, fmt.Errorf("lab %s: remote etcd and kubeconfig: there is one datastore; leave one of them out", s.Name)
	}
	if s.RemoteEtcd != "" {
		if u, err := url.Parse(s.RemoteEtcd); err != nil || u.Host == "" {
			return Spec{}, fmt.Errorf("lab %s: remote etcd: %q is no URL such as http://10.0.0.1:2379", s.Name, s.RemoteEtcd)
		}
	}
	if err := s.completePools(); err != nil {
		return Spec{}, err
	}
	return s, s.completeBin()
}

func (s *Spec) completePools() error {
	if len(s.Pools) == 0 {
		for _, p := range []string{"10.65.0.0/16", "fd65::/64"} {
			if s.Families.Has(netip.MustParsePrefix(p).Addr()) {
				s.Pools = append(s.Pools, p)
			}
		}
	}
	for _, p := range s.Pools {
		if _, err := netip.ParsePrefix(p); err != nil {
			return fmt.Errorf("lab %s: pools: %q is no CIDR", s.Name, p)
		}
	}
	return nil
}

func (s *Spec) completeBin() error {
	if s.Bin != "" {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("lab %s: directory of the running program: %w", s.Name, err)
	}
	s.Bin = filepath.Dir(self)
	return nil
}

// checkName refuses names that could not be told apart in namespace names.
func checkName(name string) error {
	if !nameRE.MatchString(name) {
		return fmt.Errorf("lab name %q: want 1 to 12 lower-case letters and digits, starting with a letter", name)
	}
	return nil
}

// Has says whether addresses like a are in use.
func (f Families) Has(a netip.Addr) bool {
	return f == Dual || f == IPv4 && a.Is4() || f == IPv6 && a.Is6()
}

// String lists the families for people.
func (f Families) String() string {
	if f == Dual {
		return "IPv4 and IPv6"
	}
	return strings.Replace(string(f), "ip", "IP", 1)
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
