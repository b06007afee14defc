// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package policybench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// peer makes the same change as weft in its own namespace, without weft. Versions are done in turn.
type peer interface {
	// bare commits a hand-made transaction.
	bare(version int) (time.Duration, error)
	// file returns the input of the nft tool.
	file(version int) string
}

// tool runs the nft tool on a file of p.
func (n *node) tool(ctx context.Context, p peer, version int) (time.Duration, error) {
	start := time.Now()
	_, err := proc.Output(ctx, proc.Spec{Path: "nft", Args: []string{"-f", p.file(version)}, NS: n.ns})
	return time.Since(start), err
}

func (n *node) open() (conn *nft.Conn, err error) {
	err = n.ns.Do(func() error { conn, err = nft.Open(); return err })
	return conn, err
}

// elementPeer takes one element out of a set (version 0) and puts it back (version 1).
type elementPeer struct {
	conn  *nft.Conn
	set   *nft.Set
	key   []byte
	files [2]string
}

// newElementPeer makes a peer of what a delta does: one member of one set.
func newElementPeer(n *node, dir string, delta *desired.Delta, addr netip.Addr) (*elementPeer, error) {
	if len(delta.IPSets) != 1 || len(delta.IPSets[0].Removed) != 1 || len(delta.IPSets[0].Added) != 0 {
		return nil, fmt.Errorf("the change is not one member less: %+v", delta)
	}
	conn, err := n.open()
	if err != nil {
		return nil, err
	}
	p := &elementPeer{conn: conn, set: &nft.Set{Name: fmt.Sprint("host4/", delta.IPSets[0].ID), Key: []nft.Field{nft.FieldIPv4}}, key: addr.AsSlice()}
	for version, verb := range []string{"delete", "add"} {
		p.files[version] = filepath.Join(dir, verb)
		text := fmt.Sprintf("%s element inet %s %s { %s }\n", verb, own.NFTable, p.set.Name, addr)
		if err := os.WriteFile(p.files[version], []byte(text), 0o600); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return p, nil
}

func (p *elementPeer) bare(version int) (time.Duration, error) {
	start := time.Now()
	b := nft.NewBatch(own.NFTable)
	if version == 0 {
		b.DelKeys(p.set, p.key)
	} else {
		b.AddKeys(p.set, p.key)
	}
	err := p.conn.Commit(b)
	return time.Since(start), err
}

func (p *elementPeer) file(version int) string { return p.files[version] }

// rulePeer swaps the rules of a policy's chains.
type rulePeer struct {
	conn   *nft.Conn
	chains map[string][2][]nft.Rule // by version
	files  [2]string
}

// newRulePeer makes a peer of the chains of a policy. apply makes the peers' driver program a version.
func newRulePeer(ctx context.Context, n *node, dir, suffix string, apply func(version int) error) (*rulePeer, error) {
	conn, err := n.open()
	if err != nil {
		return nil, err
	}
	p := &rulePeer{conn: conn, chains: map[string][2][]nft.Rule{}}
	for version := range 2 {
		if err := apply(version); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if err := p.learn(ctx, n, dir, suffix, version); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return p, nil
}

// learn reads the chains as they are now.
func (p *rulePeer) learn(ctx context.Context, n *node, dir, suffix string, version int) error {
	chains, err := p.conn.Chains(own.NFTable)
	if err != nil {
		return err
	}
	text := ""
	for _, c := range chains {
		if !strings.HasSuffix(c.Name, suffix) {
			continue
		}
		rules, err := p.conn.Rules(own.NFTable, c.Name)
		if err != nil {
			return err
		}
		versions := p.chains[c.Name]
		versions[version] = rules
		p.chains[c.Name] = versions
		listing, err := proc.Output(ctx, proc.Spec{Path: "nft", Args: []string{"list", "chain", "inet", own.NFTable, c.Name}, NS: n.ns})
		if err != nil {
			return err
		}
		text += fmt.Sprintf("flush chain inet %s %s\n%s", own.NFTable, c.Name, listing)
	}
	if text == "" {
		return fmt.Errorf("no chain of the policy %s", suffix)
	}
	p.files[version] = filepath.Join(dir, fmt.Sprint("chains", version))
	return os.WriteFile(p.files[version], []byte(text), 0o600)
}

// bare replaces the rules that differ between the versions. Their present handles are looked up before the clock starts.
func (p *rulePeer) bare(version int) (time.Duration, error) {
	present := map[string][]nft.Rule{}
	for chain := range p.chains {
		rules, err := p.conn.Rules(own.NFTable, chain)
		if err != nil {
			return 0, err
		}
		present[chain] = rules
	}
	start := time.Now()
	b := nft.NewBatch(own.NFTable)
	for chain, versions := range p.chains {
		for i, r := range versions[version] {
			if now := present[chain][i]; !now.Same(r.Exprs, r.UserData) {
				b.AddRuleAfter(chain, now.Handle, r.Exprs, r.UserData)
				b.DelRule(chain, now.Handle)
			}
		}
	}
	if b.Len() == 0 {
		return 0, errors.New("the versions do not differ")
	}
	err := p.conn.Commit(b)
	return time.Since(start), err
}

func (p *rulePeer) file(version int) string { return p.files[version] }
