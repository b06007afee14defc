// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package agent runs one node: call Run with a Config.
//
// It wires inputs (datastore, CNI socket, kernel events) to the calculation and the calculation to the kernel writers. The wiring is in
// start, in order of dependency; loop.go has the drawing of the one goroutine in the middle.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/agent/cni"
	"github.com/weftnet/weft/agent/cniinstall"
	"github.com/weftnet/weft/agent/connections"
	"github.com/weftnet/weft/agent/inputcache"
	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/agent/nodeaddr"
	"github.com/weftnet/weft/agent/record"
	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/lockfile"
	"github.com/weftnet/weft/ipam"
	"github.com/weftnet/weft/routing/bgp"
	"github.com/weftnet/weft/routing/routes"
	"github.com/weftnet/weft/routing/tunnel"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/sys/ec2"
	"github.com/weftnet/weft/sys/netlink"
)

// Config is what a node must be told; all else comes from the datastore.
type Config struct {
	Node     string
	StateDir string
	// CacheDir is where the last inputs are kept, for a start while the datastore is away, and the private keys of WireGuard; default StateDir. It should
	// outlast a reboot.
	CacheDir string
	// IP4 and IP6 are the node's addresses: "autodetect", "none", an address, or an address with its subnet.
	IP4, IP6 string
	// Method4 and Method6 say how an address is found when it is to be detected.
	Method4, Method6 nodeaddr.Method
	Store            store.Store
	// CNI has the plugin and its configuration installed where the container runtime looks for them; without a ConfDir they are not.
	CNI cniinstall.Options
	// Health is where /livez and /readyz are answered over HTTP; nil for nowhere. It is closed when Run ends.
	Health net.Listener
	Log    *slog.Logger
}

// Agent is a running node.
type Agent struct {
	kernel
	config  Config
	log     *slog.Logger
	started time.Time
	records *record.Dir
	loop    *loop
	publish *publisher
	speaker bgp.Speaker // set at the start
	cni     *cni.Server
	ipam    *ipam.Allocator
	pods    *podBook
	cache   *inputcache.Cache
	last    lastInputs
	// connections ends those in tracked that policy no longer allows.
	connections *connections.Reviewer
	address     addresses
	sizes       *sizer
	check       *sourceCheck
	claimed     chan struct{} // closed once the node name is ours
	// nodeChanged is signalled when the datastore says something new of our Node; nameLost is why the name is no longer ours, nil if it is.
	nodeChanged chan struct{}
	// hostChanged is signalled when the host's links or addresses may have changed; addressLost is why an address of the node is not the host's, nil
	// if all are.
	hostChanged chan struct{}
	addressLost atomic.Pointer[error]
	// tunnelsChanged is signalled like nodeChanged.
	tunnelsChanged chan struct{}
	nameLost       atomic.Pointer[error]
	unclaimed      chan []desired.EndpointID // handed to sweep, once
	// bgpError is what the speaker could not do of what it was last told, a string.
	bgpError atomic.Value
}

// Run runs the agent until ctx ends or something makes it impossible to go on. What it programmed stays in force.
func Run(ctx context.Context, config Config) error {
	config.CacheDir = cmp.Or(config.CacheDir, config.StateDir)
	for _, dir := range []string{config.StateDir, config.CacheDir} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("state directory: %w", err)
		}
	}
	lock, err := lockfile.Acquire(filepath.Join(config.StateDir, "lock"))
	if err != nil {
		return fmt.Errorf("another agent runs here: %w", err)
	}
	below, err := openKernel(config)
	if err != nil {
		return errors.Join(err, lock.Release())
	}
	a, err := build(config, below)
	if err != nil {
		return errors.Join(err, below.close(), lock.Release())
	}
	return errors.Join(a.start(ctx), config.Store.Close(), lock.Release())
}

// tunnelWriter is the tunnel manager as the agent uses it.
type tunnelWriter interface {
	writer
	// Settle tells what became of what Apply has left to travel with the routes.
	Settle() error
	InForce() desired.TunnelAddrs
	PublicKeys() [desired.TunnelKinds]desired.Key
	Met() map[desired.TunnelPeerID]struct{}
	Meetings() <-chan struct{}
	Userspace() []string
	PlainHosts() []desired.TunnelPeerID
	RotateKeys() error
	Close() error
}

// kernel is what the agent stands on.
type kernel struct {
	filter     packetFilter
	tunnels    tunnelWriter
	routes     *routes.Manager
	newSpeaker func(bgp.Options) bgp.Speaker
	tracked    tracking
	links      hostLinks
	paths      pathKernel
	cloud      cloud
}

// openKernel opens the real one, of which only forwarding is switched on.
func openKernel(config Config) (kernel, error) {
	if err := enableForwarding(config.StateDir); err != nil {
		return kernel{}, err
	}
	conn, err := netlink.OpenRoutes(nil)
	if err != nil {
		return kernel{}, err
	}
	manager, err := routes.Over(conn, nil, config.Log)
	if err != nil {
		return kernel{}, err
	}
	tunnels, err := tunnel.Open(tunnel.Options{Kernel: conn, KeyDir: config.CacheDir, Log: config.Log})
	if err != nil {
		return kernel{}, errors.Join(err, manager.Close())
	}
	tracked, err := openTracking()
	if err != nil {
		return kernel{}, errors.Join(err, tunnels.Close(), manager.Close())
	}
	links, err := openLinks()
	if err != nil {
		return kernel{}, errors.Join(err, tracked.Close(), tunnels.Close(), manager.Close())
	}
	speaker := func(o bgp.Options) bgp.Speaker { return bgp.New(o) }
	return kernel{newFilter(config.Log), tunnelPart{tunnels}, manager, speaker, tracked, links, kernelPaths{}, ec2.New(ec2.Options{})}, nil
}

func (k kernel) close() error {
	return errors.Join(k.filter.Close(), k.tunnels.Close(), k.routes.Close(), k.tracked.Close(), k.links.Close())
}

// build makes the parts; nothing runs yet.
func build(config Config, below kernel) (*Agent, error) {
	config.CacheDir = cmp.Or(config.CacheDir, config.StateDir)
	records, err := record.Open(filepath.Join(config.StateDir, "endpoints"))
	if err != nil {
		return nil, err
	}
	good, err := lastgood.Open(filepath.Join(config.StateDir, "lastgood"))
	if err != nil {
		return nil, err
	}
	_, transactions := config.Store.(store.Transactor)
	a := &Agent{
		config: config, log: config.Log, started: time.Now(), records: records, kernel: below,
		publish: newPublisher(config.Store, config.Log),
		ipam:    ipam.New(config.Store, ipam.Options{Node: config.Node, SpareHandles: !transactions}), pods: newPodBook(config),
		cache:   inputcache.New(inputcache.Options{Dir: config.CacheDir, Node: config.Node, Prompt: isWritten, Log: config.Log}),
		claimed: make(chan struct{}), nodeChanged: make(chan struct{}, 1), hostChanged: make(chan struct{}, 1), tunnelsChanged: make(chan struct{}, 1), unclaimed: make(chan []desired.EndpointID, 1),
	}
	var news nodeNews
	a.loop = &loop{
		nodeKey: api.Key{Resource: api.Nodes, Name: config.Node}, echo: a.publish.echo,
		ownNode: func(e store.Event) {
			if news.in(e) {
				replace(a.nodeChanged, struct{}{})
				replace(a.tunnelsChanged, struct{}{})
			}
		},
		unclaimed: func(ids []desired.EndpointID) { a.unclaimed <- ids },
		log:       config.Log, graph: calc.New(config.Node), inputs: newInputs(), good: newGoodKeeper(good, config.Log), status: newStatusTable(),
		filter: &part{name: "dataplane", writer: below.filter, reopens: true}, routes: &part{name: "routes", writer: routeWriter{below.routes}},
		tunnels: &part{name: "tunnels", writer: below.tunnels}, tunnelDevices: below.tunnels, tunnelAddrs: make(chan desired.TunnelAddrs),
		batches: make(chan store.Batch), last: make(chan inputcache.State), locals: make(chan localChange, 64), links: make(chan []calc.Link), queries: make(chan func()), ended: make(chan struct{}),
	}
	a.sizes = newSizer(below.paths, config.Log)
	a.sizes.facts, a.sizes.resize, a.sizes.program = a.sizeFacts, a.resizeWorkloads, a.routes.SetMTUs
	a.loop.resize = a.sizes.change
	a.check = newSourceCheck(below.cloud, config.Log)
	a.loop.setSourceCheck = a.check.wish
	a.loop.setGoRuntime, a.loop.goRuntime = tuneGoRuntime, calc.DefaultGoRuntime()
	a.connections = connections.New(connections.Config{
		Table: below.tracked, Links: below.tracked.Links, Log: config.Log,
		Ask: func(ctx context.Context, f func(desired.View)) bool {
			return a.loop.ask(ctx, func() { f(a.loop.graph.View()) })
		},
	})
	a.loop.review = a.connections
	a.loop.judge() // not ready before the first round
	a.cni, err = cni.New(config.Node, backend{a}, records, config.Log)
	return a, err
}

// start runs all parts. Errors of the environment (no datastore, no peer) are waited out; only what cannot get better ends the agent.
func (a *Agent) start(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, a.close()) }()
	tuneGoRuntime(a.loop.goRuntime) // from the start: the first read of the datastore makes the most garbage
	restored, err := a.restore()
	if err != nil {
		return err
	}
	if err := a.loop.restoreGood(); err != nil {
		return err
	}
	a.loop.good.open(a.config)
	defer a.loop.good.close()
	links, err := a.links.List()
	if err != nil {
		return err
	}
	a.loop.graph.SetLinks(links)
	inherited, err := a.routes.Inherited()
	if err != nil {
		return err
	}
	a.speaker = a.newSpeaker(bgp.Options{Restarting: inherited, Log: a.log})
	defer func() { err = errors.Join(err, a.speaker.Close()) }()
	wishes := make(chan *desired.BGP, 1)
	a.loop.setBGP = func(b *desired.BGP) { replace(wishes, b) }
	states := make(chan tunnelState, 1)
	a.loop.setTunnelState = func(s tunnelState) { replace(states, s) }
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { defer close(a.loop.ended); a.loop.run(ctx); return nil })
	group.Go(func() error { return a.serveAdmin(ctx, filepath.Join(a.config.StateDir, "agent.sock")) })
	group.Go(func() error { return a.serveHealth(ctx) })
	group.Go(func() error { a.publish.run(ctx); return nil })
	group.Go(func() error { a.watchLinks(ctx, links); return nil })
	group.Go(func() error { a.connections.Run(ctx); return nil })
	group.Go(func() error { a.sizes.run(ctx); return nil })
	group.Go(func() error { a.sizes.measure(ctx); return nil })
	group.Go(func() error { a.check.run(ctx); return nil })
	group.Go(func() error { return a.claimName(ctx) })
	group.Go(func() error { return a.watch(ctx) })
	group.Go(func() error { a.cache.Run(ctx); return nil })
	group.Go(func() error { return a.pods.run(ctx, a.relabel) })
	group.Go(func() error { return a.sweep(ctx) })
	group.Go(func() error { return a.serveCNI(ctx, restored) })
	group.Go(func() error { return a.installCNI(ctx) })
	group.Go(func() error { return a.runBGP(ctx, wishes) })
	group.Go(func() error { return a.keepTunnelAddresses(ctx, states) })
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// replace leaves only the newest value in a channel of capacity one.
func replace[T any](c chan T, v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}

// watch feeds datastore batches to the loop once the node name is ours.
func (a *Agent) watch(ctx context.Context) error {
	select {
	case <-a.claimed:
	case <-ctx.Done():
		return nil
	}
	watcher, err := a.config.Store.Watch(ctx, watched...)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer watcher.Close()
	for read := false; ; {
		batch, err := watcher.Next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("watch: %w", err)
		}
		read = read || batch.InSync
		if batch.Err != nil && !read {
			if err := a.standIn(ctx); err != nil {
				return err
			}
		}
		a.pods.note(batch)
		a.cache.Note(batch)
		select {
		case a.loop.batches <- batch:
		case <-ctx.Done():
			return nil
		}
	}
}
