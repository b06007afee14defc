// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/agent/nodeaddr"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// InstanceAnnotation on a Node names the agent installation that owns the node name.
const InstanceAnnotation = v3.AgentInstanceAnnotation

// ErrNameTaken says that another agent, on another host, uses this node name.
var ErrNameTaken = errors.New("node name is taken")

// addresses is the outcome of address detection; a family without an address has an invalid Value.
type addresses struct{ v4, v6 nodeaddr.Decision }

// instanceID returns this installation's identity, made at the first start and kept in the state directory.
func instanceID(stateDir string) (string, error) {
	path := filepath.Join(stateDir, "instance")
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("instance identity: %w", err)
	}
	if id := strings.TrimSpace(string(data)); id != "" {
		return id, nil
	}
	id := rand.Text()
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("instance identity: %w", err)
	}
	return id, nil
}

// claim is what an agent writes into its Node.
type claim struct {
	name, instance string
	addrs          addresses
	// running: this agent has had the name already. Then a Node that another installation has written since is left to it, whatever its
	// address: two agents that both take what is theirs would never come to an end.
	running bool
	// awaySince is when an address was first missed on the host; zero: it has them.
	awaySince time.Time
}

// enter creates or updates this host's Node object by compare-and-swap and says whether that was needed. A Node of another installation
// is taken over only when it has our address (the same host, set up anew); otherwise two hosts use one name, and the newcomer is refused.
func (c claim) enter(ctx context.Context, s store.Store) (wrote bool, err error) {
	for {
		wrote, err := c.try(ctx, s)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) && (!wrote || !errors.Is(err, store.ErrNotFound)) {
			return wrote, err
		}
	}
}

// try is one attempt; wrote says that a write was tried.
func (c claim) try(ctx context.Context, s store.Store) (wrote bool, err error) {
	key := api.Key{Resource: api.Nodes, Name: c.name}
	current, err := s.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		node := &v3.Node{TypeMeta: v3.TypeMeta{APIVersion: v3.APIVersion, Kind: "Node"}, ObjectMeta: v3.ObjectMeta{Name: c.name}}
		c.own(node)
		_, err = s.Create(ctx, node)
		return true, err
	}
	if err != nil {
		return false, err
	}
	old, ok := current.(*v3.Node)
	if !ok {
		return false, fmt.Errorf("%s holds a %T, not a Node", key, current)
	}
	if owner := old.Annotations[InstanceAnnotation]; owner != "" && owner != c.instance && (c.running || !sameHost(old, c.addrs)) {
		return false, fmt.Errorf("%w: Node %s belongs to another agent at %s; give this host another name with --node, or if that host is gone, run `weft delete node %s`",
			ErrNameTaken, c.name, describe(old), c.name)
	}
	node := api.Clone(old)
	if !c.own(node) {
		return false, nil
	}
	_, err = s.Update(ctx, node)
	return true, err
}

// own writes identity and addresses into node and says whether that changed anything. All else in the object is the user's.
func (c claim) own(node *v3.Node) bool {
	bgp := v3.NodeBGPSpec{}
	if node.Spec.BGP != nil {
		bgp = *node.Spec.BGP
	}
	v4, v6 := text(c.addrs.v4.Value), text(c.addrs.v6.Value)
	if node.Spec.BGP != nil && bgp.IPv4Address == v4 && bgp.IPv6Address == v6 && node.Annotations[InstanceAnnotation] == c.instance {
		return false
	}
	bgp.IPv4Address, bgp.IPv6Address = v4, v6
	node.Spec.BGP = &bgp
	if node.Annotations == nil {
		node.Annotations = map[string]string{}
	}
	node.Annotations[InstanceAnnotation] = c.instance
	return true
}

func text(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}

func sameHost(node *v3.Node, addrs addresses) bool {
	if node.Spec.BGP == nil {
		return true
	}
	same := func(stored string, mine netip.Prefix) bool {
		p, err := netip.ParsePrefix(stored)
		return err == nil && mine.IsValid() && p.Addr() == mine.Addr()
	}
	return node.Spec.BGP.IPv4Address == "" && node.Spec.BGP.IPv6Address == "" ||
		same(node.Spec.BGP.IPv4Address, addrs.v4.Value) || same(node.Spec.BGP.IPv6Address, addrs.v6.Value)
}

func describe(node *v3.Node) string {
	if node.Spec.BGP == nil {
		return "an unknown address"
	}
	return strings.Trim(node.Spec.BGP.IPv4Address+" "+node.Spec.BGP.IPv6Address, " ")
}
