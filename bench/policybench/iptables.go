// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package policybench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/dataplane/iptables"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
	"github.com/weftnet/weft/sys/xtables"
)

// ruleRounds is how often a policy is changed by each side: both start processes.
const ruleRounds = 40

// RunIPTables measures at each number of remote endpoints with the nft flavour, and a change of rules with the legacy one too.
func RunIPTables(ctx context.Context, remotes ...int) ([]measure.Row, error) {
	var rows []measure.Row
	for i, n := range remotes {
		flavours := []xtables.Flavour{xtables.NFT}
		if i == 0 {
			flavours = append(flavours, xtables.Legacy)
		}
		for _, f := range flavours {
			more, err := scaleIPTables(ctx, n, f)
			if err != nil {
				return nil, fmt.Errorf("iptables-%s, %d remote endpoints: %w", f, n, err)
			}
			rows = append(rows, more...)
		}
	}
	return rows, nil
}

func scaleIPTables(ctx context.Context, remotes int, f xtables.Flavour) (_ []measure.Row, err error) {
	size := calctest.Scale{Locals: locals, Remotes: remotes, Policies: policies}
	w, dir, err := newWorld(ctx, size, func() (driver, error) { return iptables.New(iptables.Options{Flavour: f}) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close(), os.RemoveAll(dir)) }()
	where := fmt.Sprintf("iptables-%s, %%s change, %d remote endpoints", f, remotes)
	var rows []measure.Row
	if f == xtables.NFT { // members do not go through the tools
		if rows, err = w.labelIPTables(ctx, size, dir, fmt.Sprintf(where, "label")); err != nil {
			return nil, fmt.Errorf("label change: %w", err)
		}
	}
	more, err := w.policyIPTables(ctx, f, dir, fmt.Sprintf(where, "policy"))
	if err != nil {
		return nil, fmt.Errorf("policy change: %w", err)
	}
	return append(rows, more...), nil
}

// labelIPTables takes an endpoint out of the large set and puts it back.
func (w *world) labelIPTables(ctx context.Context, size calctest.Scale, dir, work string) ([]measure.Row, error) {
	i := locals + size.Remotes/2
	versions := [2]calc.Change{changeTo(size.Endpoint(i, calctest.Labels{"retired": "yes"})), changeTo(size.Endpoint(i, nil))}
	prefix := netip.MustParsePrefix(size.Endpoint(i, nil).Spec.IPNetworks[0])
	delta, err := w.apply(ctx, versions[0])
	if err != nil {
		return nil, err
	}
	if _, err := w.apply(ctx, versions[1]); err != nil {
		return nil, err
	}
	p, err := newMemberPeer(w.peers, dir, delta, prefix.Masked())
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.conn.Close() }()
	var ours, alone, bare, tool measure.Samples
	sides := [2]func(version int) error{
		func(version int) error {
			start := time.Now()
			delta, err := w.flush(versions[version])
			if err != nil {
				return err
			}
			calculated := time.Now()
			_, err = w.ours.driver.Apply(ctx, w.graph.View(), delta)
			ours.Add(time.Since(start))
			alone.Add(time.Since(calculated))
			return err
		},
		func(version int) error {
			start := time.Now()
			err := p.conn.Commit(&p.batches[version])
			bare.Add(time.Since(start))
			return err
		},
	}
	if err := interleave(sides); err != nil {
		return nil, err
	}
	for n := range toolRounds {
		start := time.Now()
		if _, err := proc.Output(ctx, proc.Spec{Path: "ipset", Args: []string{"-exist", "restore", "-file", p.files[n%2]}, NS: w.peers.ns}); err != nil {
			return nil, err
		}
		tool.Add(time.Since(start))
	}
	return []measure.Row{
		measure.Compare(work, ours, "bare netlink", bare, measure.Duration, measure.AtMost(3)),
		measure.Tail(work, ours, "bare netlink", bare, measure.Duration, measure.AtMost(3)),
		measure.Compare(work+", the driver alone", alone, "bare netlink", bare, measure.Duration, measure.AtMost(3)),
		measure.Tail(work+", the driver alone", alone, "bare netlink", bare, measure.Duration, measure.AtMost(3)),
		measure.Compare(work, ours, "ipset restore", tool, measure.Duration, measure.AtMost(0.2)),
	}, nil
}

// memberPeer takes one element out of a set (version 0) and puts it back (version 1).
type memberPeer struct {
	conn    *ipset.Conn
	batches [2]ipset.Batch
	files   [2]string
}

// newMemberPeer makes a peer of what a delta does: one member of one set.
func newMemberPeer(n *node, dir string, delta *desired.Delta, member netip.Prefix) (*memberPeer, error) {
	if len(delta.IPSets) != 1 || len(delta.IPSets[0].Removed) != 1 || len(delta.IPSets[0].Added) != 0 {
		return nil, fmt.Errorf("the change is not one member less: %+v", delta)
	}
	set := ipset.Set{Name: own.SetPrefix + "4-" + string(delta.IPSets[0].ID)}
	p := &memberPeer{}
	p.batches[0].Delete(set, ipset.Element{Prefix: member})
	p.batches[1].Add(set, ipset.Element{Prefix: member})
	for version, verb := range []string{"del", "add"} {
		p.files[version] = filepath.Join(dir, verb)
		if err := os.WriteFile(p.files[version], fmt.Appendf(nil, "%s %s %s\n", verb, set.Name, member.Addr()), 0o600); err != nil {
			return nil, err
		}
	}
	err := n.ns.Do(func() (err error) { p.conn, err = ipset.Open(); return err })
	return p, err
}

// policyIPTables changes a port of the policy with the large set. The peers do the same, by the chains that differ, and by the whole table: what a program
// has to do that does not know the difference.
func (w *world) policyIPTables(ctx context.Context, f xtables.Flavour, dir, work string) ([]measure.Row, error) {
	versions := [2]calc.Change{changeTo(clients(5433)), changeTo(clients(5432))}
	p := &restorePeer{ns: w.peers, flavour: f}
	for version := range versions {
		if _, err := w.apply(ctx, versions[version]); err != nil {
			return nil, err
		}
		if err := w.peers.program(ctx, w.graph.View()); err != nil {
			return nil, err
		}
		if err := p.learn(ctx, dir, version); err != nil {
			return nil, err
		}
	}
	if err := p.reduce(dir); err != nil {
		return nil, err
	}
	var ours, chains, tables measure.Samples
	for n := range ruleRounds {
		version := n % 2
		start := time.Now()
		if _, err := w.apply(ctx, versions[version]); err != nil {
			return nil, err
		}
		ours.Add(time.Since(start))
		took, err := p.restore(ctx, p.chains[version])
		if err != nil {
			return nil, err
		}
		chains.Add(took)
		if took, err = p.restore(ctx, p.tables[1-version]); err != nil {
			return nil, err
		}
		tables.Add(took)
		if _, err = p.restore(ctx, p.chains[version]); err != nil {
			return nil, err
		}
	}
	whole := measure.AtMost(0.3)
	if f == xtables.Legacy { // x_tables loads whole tables only, whatever the tool is told
		whole = measure.AtMost(0.5)
	}
	return []measure.Row{
		measure.Compare(work, ours, "iptables-restore, the chains", chains, measure.Duration, measure.AtMost(2)),
		measure.Compare(work, ours, "iptables-restore, the table", tables, measure.Duration, whole),
	}, nil
}

// restorePeer loads the filter tables of both families with the tools, version by version.
type restorePeer struct {
	ns      *node
	flavour xtables.Flavour
	text    [2][2]string // of our chains, by version and family
	tables  [2][2]string // files with all our chains
	chains  [2][2]string // files with those that differ between the versions; empty: none
}

// programs are the tools' names by family.
var programs = [2]string{"iptables", "ip6tables"}

func (p *restorePeer) spec(family int, verb string, args ...string) proc.Spec {
	return proc.Spec{Path: "xtables-" + string(p.flavour) + "-multi", Args: append([]string{programs[family] + verb}, args...), NS: p.ns.ns}
}

// learn writes down what the tables hold of ours.
func (p *restorePeer) learn(ctx context.Context, dir string, version int) error {
	for family := range programs {
		saved, err := proc.Output(ctx, p.spec(family, "-save", "-t", "filter"))
		if err != nil {
			return err
		}
		text := "*filter\n"
		for line := range strings.Lines(string(saved)) {
			if strings.HasPrefix(line, ":"+own.ChainPrefix) || strings.HasPrefix(line, "-A "+own.ChainPrefix) {
				text += line
			}
		}
		p.text[version][family] = text + "COMMIT\n"
		p.tables[version][family] = filepath.Join(dir, fmt.Sprint("table", version, family))
		if err := os.WriteFile(p.tables[version][family], []byte(p.text[version][family]), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// reduce writes down what differs between the versions.
func (p *restorePeer) reduce(dir string) error {
	for version := range p.text {
		for family := range programs {
			here, there := byChain(p.text[version][family]), byChain(p.text[1-version][family])
			text := ""
			for chain, lines := range here {
				if lines != there[chain] {
					text += lines
				}
			}
			if text == "" {
				continue
			}
			p.chains[version][family] = filepath.Join(dir, fmt.Sprint("chains", version, family))
			if err := os.WriteFile(p.chains[version][family], []byte("*filter\n"+text+"COMMIT\n"), 0o600); err != nil {
				return err
			}
		}
		if p.chains[version] == [2]string{} {
			return errors.New("the versions do not differ")
		}
	}
	return nil
}

// byChain takes a table's text apart: the lines of each chain.
func byChain(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		name, declared := strings.CutPrefix(words[0], ":")
		if words[0] == "-A" {
			name, declared = words[1], true
		}
		if declared {
			out[name] += line
		}
	}
	return out
}

// restore loads files of both families.
func (p *restorePeer) restore(ctx context.Context, files [2]string) (time.Duration, error) {
	start := time.Now()
	for family, file := range files {
		if file == "" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, err
		}
		var stderr bytes.Buffer
		if err := proc.Run(ctx, p.spec(family, "-restore", "--noflush"), proc.IO{In: bytes.NewReader(text), Err: &stderr}); err != nil {
			return 0, fmt.Errorf("%w: %s", err, stderr.String())
		}
	}
	return time.Since(start), nil
}
