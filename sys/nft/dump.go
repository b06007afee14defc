// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// ErrNotFound says that the table, chain, set or element does not exist.
var ErrNotFound = unix.ENOENT

// Table says whether a table of family inet exists, and whether it is as [Batch.AddTable] makes it: active, and nobody's own.
func (c *Conn) Table(table string) (exists, plain bool, err error) {
	var a nfnetlink.Attrs
	a.String(unix.NFTA_TABLE_NAME, table)
	err = c.request(unix.NFT_MSG_GETTABLE, a, func(b []byte) {
		exists, plain = true, nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_TABLE_FLAGS)) == 0
	})
	if errors.Is(err, ErrNotFound) {
		return false, false, nil
	}
	return exists, plain, wrap("table", table, err)
}

// Chain returns one chain of a table, and whether it is there; see [Conn.Chains].
func (c *Conn) Chain(table, name string) (chain Chain, exists bool, err error) {
	var a nfnetlink.Attrs
	a.String(unix.NFTA_CHAIN_TABLE, table)
	a.String(unix.NFTA_CHAIN_NAME, name)
	err = c.request(unix.NFT_MSG_GETCHAIN, a, func(b []byte) { chain, exists = parseChain(b), true })
	if isNotFound(err) {
		err = nil
	}
	return chain, exists, wrap("chain", name, err)
}

// Chains lists the chains of a table. A base chain whose type or policy is not ours has a Hook with number ForeignHook.
func (c *Conn) Chains(table string) ([]Chain, error) {
	var out []Chain
	err := c.dump(unix.NFT_MSG_GETCHAIN, nil, func(b []byte) {
		if nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_CHAIN_TABLE)) == table {
			out = append(out, parseChain(b))
		}
	})
	return out, wrap("chains of table", table, err)
}

// ForeignHook is the number given to hooks that this package does not make.
const ForeignHook = ^uint32(0)

func parseChain(b []byte) Chain {
	c := Chain{Name: nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_CHAIN_NAME))}
	hook := nfnetlink.Attr(b, unix.NFTA_CHAIN_HOOK)
	if hook == nil {
		return c
	}
	c.Hook = &Hook{
		Num:      nfnetlink.Uint32(nfnetlink.Attr(hook, unix.NFTA_HOOK_HOOKNUM)),
		Priority: int32(nfnetlink.Uint32(nfnetlink.Attr(hook, unix.NFTA_HOOK_PRIORITY))),
		Device:   nfnetlink.String(nfnetlink.Attr(hook, unix.NFTA_HOOK_DEV)),
	}
	typ := nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_CHAIN_TYPE))
	c.Hook.NAT = typ == (&Hook{NAT: true}).chainType()
	if typ != c.Hook.chainType() || nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_CHAIN_POLICY)) != uint32(VerdictAccept) {
		c.Hook.Num = ForeignHook
	}
	return c
}

// Rules lists the rules of a table, or of one chain of it, in order within each chain.
func (c *Conn) Rules(table, chain string) ([]Rule, error) {
	var a nfnetlink.Attrs
	a.String(unix.NFTA_RULE_TABLE, table)
	if chain != "" {
		a.String(unix.NFTA_RULE_CHAIN, chain)
	}
	var out []Rule
	err := c.dump(unix.NFT_MSG_GETRULE, a, func(b []byte) {
		if nfnetlink.String(nfnetlink.Attr(b, unix.NFTA_RULE_TABLE)) == table {
			out = append(out, parseRule(b))
		}
	})
	return out, wrap("rules of table", table, err)
}

func parseRule(b []byte) Rule {
	var r Rule
	for typ, v := range nfnetlink.Each(b) {
		switch typ {
		case unix.NFTA_RULE_CHAIN:
			r.Chain = nfnetlink.String(v)
		case unix.NFTA_RULE_HANDLE:
			r.Handle = nfnetlink.Uint64(v)
		case unix.NFTA_RULE_EXPRESSIONS:
			r.Exprs = append([]byte(nil), v...)
			r.Packets, r.Bytes = zeroCounters(r.Exprs)
			hideFlags(r.Exprs)
		case unix.NFTA_RULE_USERDATA:
			r.UserData = append([]byte(nil), v...)
		}
	}
	return r
}

// Generation returns the number of the present rules of the namespace: each transaction that changes something makes it one more.
func (c *Conn) Generation() (uint32, error) {
	var generation uint32
	err := c.request(unix.NFT_MSG_GETGEN, nil, func(b []byte) { generation = nfnetlink.Uint32(nfnetlink.Attr(b, unix.NFTA_GEN_ID)) })
	if err != nil {
		return 0, fmt.Errorf("generation of nf_tables: %w", err)
	}
	return generation, nil
}

// request sends a query for one object and hands the attributes of the answers to yield, which are valid during the call.
func (c *Conn) request(msg uint8, body nfnetlink.Attrs, yield func([]byte)) error {
	return c.nl.Do(nfnetlink.Request{
		Subsystem: unix.NFNL_SUBSYS_NFTABLES, Message: msg, Family: unix.NFPROTO_INET, Body: body,
	}, yield)
}

// dump does the same for all objects that the body selects.
func (c *Conn) dump(msg uint8, body nfnetlink.Attrs, yield func([]byte)) error {
	return c.nl.Do(nfnetlink.Request{
		Subsystem: unix.NFNL_SUBSYS_NFTABLES, Message: msg, Dump: true, Family: unix.NFPROTO_INET, Body: body,
	}, yield)
}

func wrap(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, name, err)
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
