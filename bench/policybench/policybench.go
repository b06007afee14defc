// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package policybench measures one change on its way from the store to the kernel: Run compares weft with the least that the kernel can be
// asked, and with the nft tool.
//
// A made-up cluster has 2,000 policies; one of them lets nearly every endpoint of it in, so that its set holds them all. The change is a label of a
// remote endpoint, which makes it leave or join that set, or a port of that policy. weft's side is the calculation and the nftables driver,
// from the object as the store delivers it to the answer of the kernel, read-back included. Beside it run a bare
// netlink transaction of the same elements or rules, and the same change through `nft -f`. Before that, the first programming of an empty
// kernel is compared with loading the same table with `nft -f`.
//
// RunIPTables does the same with the iptables driver, beside a bare netlink message, `ipset restore` and `iptables-restore`.
package policybench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/dataplane/nft"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/netns"
)

// The rounds of each contender; starting a process is slow and steady enough for fewer.
const rounds, toolRounds = 1000, 20

const locals, policies = 100, 2000

// Run measures at each number of remote endpoints.
func Run(ctx context.Context, remotes ...int) ([]measure.Row, error) {
	var rows []measure.Row
	for _, n := range remotes {
		more, err := scale(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("%d remote endpoints: %w", n, err)
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// node is one network namespace with the graph's policy in it. That of the peers has a driver only while it is programmed: it would watch what
// the peers do, and cost time of whoever is next.
type node struct {
	ns     *netns.NS
	opener func() (driver, error)
	driver driver
}

// driver is a data plane of the namespace that it was opened in.
type driver interface {
	dataplane.Driver
	Close() error
}

func newNode(name string, open func() (driver, error)) (*node, error) {
	ns, err := netns.Create(fmt.Sprintf("weft-bench%d-%s", os.Getpid(), name))
	if err != nil {
		return nil, err
	}
	return &node{ns: ns, opener: open}, nil
}

// openDriver opens a driver that stays until close.
func (n *node) openDriver() error {
	return n.ns.Do(func() (err error) { n.driver, err = n.opener(); return err })
}

// program brings the kernel to a view with a driver of its own.
func (n *node) program(ctx context.Context, view desired.View) error {
	other := node{ns: n.ns, opener: n.opener}
	if err := other.openDriver(); err != nil {
		return err
	}
	_, err := other.driver.Apply(ctx, view, nil)
	return errors.Join(err, other.driver.Close())
}

func (n *node) close() error {
	var err error
	if n.driver != nil {
		err = n.driver.Close()
	}
	return errors.Join(err, n.ns.Close(), netns.Delete(n.ns.Name()))
}

// world is a graph and the two nodes that it is programmed into: ours, and the peers'.
type world struct {
	graph  *calc.Graph
	ours   *node
	peers  *node
	change [1]calc.Change // reused
}

// newWorld calculates a cluster and programs both nodes. The directory is for files.
func newWorld(ctx context.Context, size calctest.Scale, open func() (driver, error)) (_ *world, dir string, err error) {
	w := &world{graph: calc.New(calctest.Me)}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	for c := range size.Changes() {
		w.graph.Apply([]calc.Change{c})
	}
	w.graph.Apply([]calc.Change{changeTo(clients(5432))})
	w.graph.Flush()
	for name, n := range map[string]**node{"ours": &w.ours, "peers": &w.peers} {
		if *n, err = newNode(name, open); err != nil {
			return nil, "", err
		}
		if err := (*n).program(ctx, w.graph.View()); err != nil {
			return nil, "", err
		}
	}
	if err := w.ours.openDriver(); err != nil {
		return nil, "", err
	}
	dir, err = os.MkdirTemp("", "weft-bench-policy")
	return w, dir, err
}

func (w *world) close() error {
	var err error
	for _, n := range []*node{w.ours, w.peers} {
		if n != nil {
			err = errors.Join(err, n.close())
		}
	}
	return err
}

func scale(ctx context.Context, remotes int) (_ []measure.Row, err error) {
	size := calctest.Scale{Locals: locals, Remotes: remotes, Policies: policies}
	w, dir, err := newWorld(ctx, size, func() (driver, error) { return nft.New(nft.Options{}) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(), os.RemoveAll(dir)) }()
	first, err := w.first(ctx, remotes, dir)
	if err != nil {
		return nil, fmt.Errorf("first programming: %w", err)
	}
	label, err := w.label(ctx, size, dir)
	if err != nil {
		return nil, fmt.Errorf("label change: %w", err)
	}
	policy, err := w.policy(ctx, remotes, dir)
	if err != nil {
		return nil, fmt.Errorf("policy change: %w", err)
	}
	return slices.Concat([]measure.Row{first}, label, policy), nil
}

// label takes an endpoint out of the large set and puts it back.
func (w *world) label(ctx context.Context, size calctest.Scale, dir string) ([]measure.Row, error) {
	i := locals + size.Remotes/2
	versions := [2]calc.Change{changeTo(size.Endpoint(i, calctest.Labels{"retired": "yes"})), changeTo(size.Endpoint(i, nil))}
	addr := netip.MustParsePrefix(size.Endpoint(i, nil).Spec.IPNetworks[0]).Addr()
	delta, err := w.apply(ctx, versions[0])
	if err != nil {
		return nil, err
	}
	if _, err := w.apply(ctx, versions[1]); err != nil {
		return nil, err
	}
	p, err := newElementPeer(w.peers, dir, delta, addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.conn.Close() }()
	return w.compare(ctx, fmt.Sprintf("label change, %d remote endpoints", size.Remotes), versions, p)
}

// policy changes a port of the policy with the large set.
func (w *world) policy(ctx context.Context, remotes int, dir string) ([]measure.Row, error) {
	versions := [2]calc.Change{changeTo(clients(5433)), changeTo(clients(5432))}
	p, err := newRulePeer(ctx, w.peers, dir, "/np/namespace-00/clients", func(version int) error {
		if _, err := w.apply(ctx, versions[version]); err != nil {
			return err
		}
		return w.peers.program(ctx, w.graph.View())
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.conn.Close() }()
	return w.compare(ctx, fmt.Sprintf("policy change, %d remote endpoints", remotes), versions, p)
}

// clients is the policy that lets every endpoint without a certain label reach the first application.
func clients(port int) api.Object {
	return calctest.Policy("namespace-00/clients", func(p *v3.NetworkPolicySpec) {
		p.Selector = "app == 'app-00'"
		rule := calctest.ToPort(v3.Allow, intstr.FromInt(port))
		rule.Source = &v3.EntityRule{NamespaceSelector: "all()", Selector: "!has(retired)"}
		p.Ingress = []v3.Rule{rule}
	})
}

// changeTo is what comes out of an event of the store, which names the object by its key.
func changeTo(obj api.Object) calc.Change {
	return calc.Change{Key: api.KeyOf(obj), Object: obj, Revision: 1}
}

// apply takes a change all the way from the store's event to the kernel's answer.
func (w *world) apply(ctx context.Context, c calc.Change) (*desired.Delta, error) {
	delta, err := w.flush(c)
	if err != nil {
		return nil, err
	}
	_, err = w.ours.driver.Apply(ctx, w.graph.View(), delta)
	return delta, err
}

// flush calculates what a change makes of the desired state.
func (w *world) flush(c calc.Change) (*desired.Delta, error) {
	w.change[0] = c // like the agent, which has no list made for each
	w.graph.Apply(w.change[:])
	if delta := w.graph.Flush(); delta != nil {
		return delta, nil
	}
	return nil, errors.New("the change has no effect")
}

// compare does and undoes a change with all contenders. The two that take microseconds go in turn, each first every other time; the tool comes
// after them, because starting a process slows down what follows it.
func (w *world) compare(ctx context.Context, work string, versions [2]calc.Change, p peer) ([]measure.Row, error) {
	var ours, bare, tool measure.Samples
	err := interleave([2]func(int) error{
		func(version int) error {
			start := time.Now()
			_, err := w.apply(ctx, versions[version])
			ours.Add(time.Since(start))
			return err
		},
		func(version int) error {
			took, err := p.bare(version)
			bare.Add(took)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	for n := range toolRounds {
		took, err := w.peers.tool(ctx, p, n%2)
		if err != nil {
			return nil, fmt.Errorf("nft -f: %w", err)
		}
		tool.Add(took)
	}
	return []measure.Row{
		measure.Compare(work, ours, "bare netlink", bare, measure.Duration, measure.AtMost(3)),
		measure.Tail(work, ours, "bare netlink", bare, measure.Duration, measure.AtMost(3)),
		measure.Compare(work, ours, "nft -f", tool, measure.Duration, measure.AtMost(0.1)),
	}, nil
}

// interleave has two contenders change their kernels to each version in turn, each as often first as second: who comes second finds the machine warm. Tools
// are run by themselves, because the rounds behind a new process are slow.
func interleave(sides [2]func(version int) error) error {
	runtime.GC() // what the set-up has left is not collected at the rounds' expense
	for n := range rounds {
		first := n / 2 % 2
		if err := errors.Join(sides[first](n%2), sides[1-first](n%2)); err != nil {
			return err
		}
	}
	return nil
}
