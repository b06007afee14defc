// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package uninstall takes what an agent has made out of the kernel: Find it, show it, Remove it.
//
// The agent has to be stopped, gracefully or not, and its workloads deleted. What does not carry weft's mark is not touched.
package uninstall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/weftnet/weft/agent/before"
	"github.com/weftnet/weft/agent/cniinstall"
	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/dataplane/iptables"
	"github.com/weftnet/weft/dataplane/nft"
	"github.com/weftnet/weft/internal/lockfile"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/netlink"
	sysnft "github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/xtables"
)

// ErrWorkloads says that there still are workloads.
var ErrWorkloads = errors.New("workloads are left")

// Item is something of weft's.
type Item struct {
	// Lines say what it is.
	Lines  []string
	remove func(context.Context) error
}

// Node is a host without a running agent, held so until Close.
type Node struct {
	stateDir string
	cacheDir string
	cni      cniinstall.Options
	log      *slog.Logger
	lock     *lockfile.Lock
	made     bool // the lock's file is our own
}

// Open makes sure that no agent runs with the state directory. The error of a running one names its process. cacheDir is where it keeps its inputs; cni says where the CNI plugin and its
// configuration may be.
func Open(stateDir, cacheDir string, cni cniinstall.Options, log *slog.Logger) (*Node, error) {
	n := &Node{stateDir: stateDir, cacheDir: cacheDir, cni: cni, log: log}
	if _, err := os.Stat(stateDir); errors.Is(err, fs.ErrNotExist) {
		return n, nil // nothing that a lock could be taken in
	}
	path := filepath.Join(stateDir, "lock")
	_, err := os.Stat(path)
	n.made = errors.Is(err, fs.ErrNotExist)
	if n.lock, err = lockfile.Acquire(path); err != nil {
		return nil, fmt.Errorf("an agent runs here; stop it first: %w", err)
	}
	return n, nil
}

// Close lets agents start again.
func (n *Node) Close() error {
	if n.lock == nil {
		return nil
	}
	if n.made {
		return errors.Join(os.RemoveAll(filepath.Join(n.stateDir, "lock")), n.lock.Release())
	}
	return n.lock.Release()
}

// Find lists what there is of weft's, in the order of its removal. The error Is ErrWorkloads while there are interfaces of workloads.
func (n *Node) Find(ctx context.Context) ([]Item, error) {
	if err := noWorkloads(); err != nil {
		return nil, err
	}
	var items []Item
	for _, find := range []func(context.Context) (Item, error){n.runtime, n.routes, n.tunnels, n.nftables, n.iptables, n.sysctls, n.files} {
		item, err := find(ctx)
		if err != nil {
			return nil, err
		}
		if len(item.Lines) > 0 {
			items = append(items, item)
		}
	}
	return items, nil
}

// Remove removes items.
func Remove(ctx context.Context, items []Item) error {
	for _, item := range items {
		if err := item.remove(ctx); err != nil {
			return err
		}
	}
	return nil
}

// links returns the links of a group.
func links(group uint32) ([]netlink.Link, error) {
	conn, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	all, err := conn.Links()
	var out []netlink.Link
	for _, l := range all {
		if l.Group == group {
			out = append(out, l)
		}
	}
	return out, err
}

func noWorkloads() error {
	left, err := links(own.LinkGroup)
	if err != nil || len(left) == 0 {
		return err
	}
	var names []string
	for _, l := range left {
		names = append(names, l.Name)
	}
	return fmt.Errorf("%w: interfaces %s; delete the workloads of this node first, or drain it: without weft they have no network", ErrWorkloads, strings.Join(names, ", "))
}

// runtime is what makes a container runtime use weft.
func (n *Node) runtime(context.Context) (item Item, err error) {
	files, err := n.cni.Files()
	for _, path := range files {
		item.Lines = append(item.Lines, "file "+path)
	}
	item.remove = func(context.Context) error { return n.cni.Remove() }
	return item, err
}

func (n *Node) routes(context.Context) (item Item, err error) {
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return item, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, protocol := range []uint8{own.RouteProtocol, own.RouteProtocolBGP} {
		list, err := conn.List(protocol)
		if err != nil {
			return item, err
		}
		for _, r := range list {
			item.Lines = append(item.Lines, "route "+r.String())
		}
	}
	item.remove = func(ctx context.Context) error {
		m, err := routes.Open(nil, n.log)
		if err != nil {
			return err
		}
		return errors.Join(m.Remove(ctx), m.Close())
	}
	return item, nil
}

func (n *Node) tunnels(context.Context) (item Item, err error) {
	devices, err := links(own.TunnelGroup)
	if err != nil {
		return item, err
	}
	for _, l := range devices {
		item.Lines = append(item.Lines, "tunnel device "+l.Name)
	}
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return item, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	rules, err := conn.Rules(own.RouteProtocol)
	for _, r := range rules {
		item.Lines = append(item.Lines, "routing rule "+r.String()+", with its routes")
	}
	item.remove = func(ctx context.Context) error {
		m, err := tunnel.Open(tunnel.Options{Log: n.log})
		if err != nil {
			return err
		}
		return errors.Join(m.Remove(ctx), m.Close())
	}
	return item, err
}

func (n *Node) nftables(context.Context) (item Item, err error) {
	conn, err := sysnft.Open()
	if err != nil {
		return item, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	there, _, err := conn.Table(own.NFTable)
	if there {
		item.Lines = []string{"nftables table inet " + own.NFTable}
	}
	item.remove = func(ctx context.Context) error {
		d, err := nft.New(nft.Options{Log: n.log})
		if err != nil {
			return err
		}
		return errors.Join(d.Remove(ctx), d.Close())
	}
	return item, err
}

// iptables looks at both flavours. Where the tools are not installed, nothing was made with them.
func (n *Node) iptables(ctx context.Context) (item Item, err error) {
	var used []xtables.Flavour
	for _, flavour := range []xtables.Flavour{xtables.NFT, xtables.Legacy} {
		lines, err := chains(ctx, flavour)
		if err != nil {
			return item, err
		}
		if len(lines) > 0 {
			item.Lines, used = append(item.Lines, lines...), append(used, flavour)
		}
	}
	sets, err := sets()
	if err != nil {
		return item, err
	}
	if item.Lines = append(item.Lines, sets...); len(used) == 0 {
		used = []xtables.Flavour{xtables.NFT}
	}
	item.remove = func(ctx context.Context) error {
		for _, flavour := range used {
			d, err := iptables.New(iptables.Options{Flavour: flavour, Log: n.log})
			if err != nil {
				return err
			}
			if err := errors.Join(d.Remove(ctx), d.Close()); err != nil {
				return err
			}
		}
		return nil
	}
	return item, nil
}

// chains says how many chains of ours the tables of a flavour have.
func chains(ctx context.Context, flavour xtables.Flavour) (lines []string, err error) {
	if _, err := xtables.Path(flavour); err != nil {
		return nil, nil //nolint:nilerr // without the tools there is nothing
	}
	tool, err := xtables.Open(flavour)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tool.Close()) }()
	for _, family := range []string{"IPv4", "IPv6"} {
		for _, table := range []string{"filter", "mangle", "raw", "nat"} {
			held, err := tool.Save(ctx, family == "IPv6", table)
			if err != nil {
				return nil, err
			}
			if len(held.Chains) > 0 {
				lines = append(lines, fmt.Sprintf("%d chains %s* in table %s of iptables (%s, %s)", len(held.Chains), own.ChainPrefix, table, flavour, family))
			}
		}
	}
	return lines, nil
}

func sets() (lines []string, err error) {
	conn, err := ipset.Open()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	all, err := conn.Headers()
	for _, h := range all {
		if strings.HasPrefix(h.Name, own.SetPrefix+"4-") || strings.HasPrefix(h.Name, own.SetPrefix+"6-") {
			lines = append(lines, "IP set "+h.Name)
		}
	}
	return lines, err
}

func (n *Node) sysctls(context.Context) (item Item, err error) {
	changes, err := before.Changes(n.stateDir)
	for _, c := range changes {
		item.Lines = append(item.Lines, fmt.Sprintf("sysctl %s: %s becomes %s again", c.Key, c.Now, c.Was))
	}
	item.remove = func(context.Context) error { return before.Restore(n.stateDir) }
	return item, err
}

// files are what the agent has written into its directories, and these, if there is nothing else in them.
func (n *Node) files(context.Context) (item Item, err error) {
	var paths []string
	for _, name := range []string{"agent.sock", "cni.sock", "apiservers", "endpoints", "lastgood", "instance", "sysctls.json", "lock"} {
		paths = append(paths, filepath.Join(n.stateDir, name))
	}
	for _, name := range []string{"wireguard.key", "wireguard.key.next", "wireguard-v6.key", "wireguard-v6.key.next"} {
		paths = append(paths, filepath.Join(n.cacheDir, name))
	}
	paths = append(paths, inputcache.Paths(n.cacheDir)...)
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil && (filepath.Base(path) != "lock" || !n.made) {
			item.Lines = append(item.Lines, "file "+path)
		}
	}
	dirs, err := n.directories(paths)
	for _, dir := range dirs {
		item.Lines = append(item.Lines, "directory "+dir)
	}
	item.remove = func(context.Context) error {
		var errs []error
		for _, path := range paths {
			errs = append(errs, os.RemoveAll(path))
		}
		for _, dir := range dirs {
			if err := os.Remove(dir); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EBUSY) { // busy: a mount of the container that this runs in
				errs = append(errs, err)
			}
		}
		return errors.Join(errs...)
	}
	return item, err
}

// directories returns those of the agent that hold nothing but the given paths.
func (n *Node) directories(paths []string) (out []string, err error) {
	for _, dir := range slices.Compact([]string{n.stateDir, n.cacheDir}) {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("files: %w", err)
		}
		if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !slices.Contains(paths, filepath.Join(dir, e.Name())) }) {
			out = append(out, dir)
		}
	}
	return out, nil
}
