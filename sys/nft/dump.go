// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ErrChanged says that the rule set changed while it was being read: read again.
var ErrChanged = errors.New("nf_tables changed during the dump")

// ErrNotFound says that the table, chain, set or element does not exist.
var ErrNotFound = unix.ENOENT

// Table says whether a table of family inet exists, and whether it is as [Batch.AddTable] makes it: active, and nobody's own.
func (c *Conn) Table(table string) (exists, plain bool, err error) {
	var a attrs
	a.str(unix.NFTA_TABLE_NAME, table)
	err = c.request(unix.NFT_MSG_GETTABLE, 0, a.buf, func(b []byte) {
		exists, plain = true, number32(attr(b, unix.NFTA_TABLE_FLAGS)) == 0
	})
	if errors.Is(err, ErrNotFound) {
		return false, false, nil
	}
	return exists, plain, wrap("table", table, err)
}

// Chains lists the chains of a table. A base chain whose type or policy is not ours has a Hook with number ForeignHook.
func (c *Conn) Chains(table string) ([]Chain, error) {
	var out []Chain
	err := c.dump(unix.NFT_MSG_GETCHAIN, nil, func(b []byte) {
		if text(attr(b, unix.NFTA_CHAIN_TABLE)) == table {
			out = append(out, parseChain(b))
		}
	})
	return out, wrap("chains of table", table, err)
}

// ForeignHook is the number given to hooks that this package does not make.
const ForeignHook = ^uint32(0)

func parseChain(b []byte) Chain {
	c := Chain{Name: text(attr(b, unix.NFTA_CHAIN_NAME))}
	hook := attr(b, unix.NFTA_CHAIN_HOOK)
	if hook == nil {
		return c
	}
	c.Hook = &Hook{
		Num:      number32(attr(hook, unix.NFTA_HOOK_HOOKNUM)),
		Priority: int32(number32(attr(hook, unix.NFTA_HOOK_PRIORITY))),
	}
	if text(attr(b, unix.NFTA_CHAIN_TYPE)) != chainType || number32(attr(b, unix.NFTA_CHAIN_POLICY)) != uint32(VerdictAccept) {
		c.Hook.Num = ForeignHook
	}
	return c
}

// Rules lists the rules of a table, or of one chain of it, in order within each chain.
func (c *Conn) Rules(table, chain string) ([]Rule, error) {
	var a attrs
	a.str(unix.NFTA_RULE_TABLE, table)
	if chain != "" {
		a.str(unix.NFTA_RULE_CHAIN, chain)
	}
	var out []Rule
	err := c.dump(unix.NFT_MSG_GETRULE, a.buf, func(b []byte) {
		if text(attr(b, unix.NFTA_RULE_TABLE)) == table {
			out = append(out, parseRule(b))
		}
	})
	return out, wrap("rules of table", table, err)
}

func parseRule(b []byte) Rule {
	var r Rule
	for typ, v := range eachAttr(b) {
		switch typ {
		case unix.NFTA_RULE_CHAIN:
			r.Chain = text(v)
		case unix.NFTA_RULE_HANDLE:
			r.Handle = number64(v)
		case unix.NFTA_RULE_EXPRESSIONS:
			r.Exprs = append([]byte(nil), v...)
			r.Packets, r.Bytes = zeroCounters(r.Exprs)
		case unix.NFTA_RULE_USERDATA:
			r.UserData = append([]byte(nil), v...)
		}
	}
	return r
}

// Generation returns the number of the present rules of the namespace: each transaction that changes something makes it one more.
func (c *Conn) Generation() (uint32, error) {
	var generation uint32
	err := c.request(unix.NFT_MSG_GETGEN, 0, nil, func(body []byte) {
		if id := attr(body, unix.NFTA_GEN_ID); len(id) == 4 {
			generation = binary.BigEndian.Uint32(id)
		}
	})
	if err != nil {
		return 0, fmt.Errorf("generation of nf_tables: %w", err)
	}
	return generation, nil
}

// request sends a query for one object and hands the answers to yield. The bodies are valid during the call.
func (c *Conn) request(msg, flags uint16, body []byte, yield func([]byte)) error {
	if err := c.drain(); err != nil {
		return err
	}
	c.requests++
	b := appendHeader(nil, unix.NFNL_SUBSYS_NFTABLES<<8|msg, unix.NLM_F_REQUEST|flags, c.requests, unix.NFPROTO_INET, 0)
	b = append(b, body...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	if err := c.send(b); err != nil {
		return err
	}
	answer := query{yield: yield, dump: flags&unix.NLM_F_DUMP == unix.NLM_F_DUMP, seq: c.requests}
	if err := c.receive(answer.take); err != nil {
		return err
	}
	return answer.result()
}

func (c *Conn) dump(msg uint16, body []byte, yield func([]byte)) error {
	return c.request(msg, unix.NLM_F_DUMP, body, yield)
}

// query gathers the answers to one request.
type query struct {
	yield   func([]byte)
	dump    bool
	seq     uint32
	done    bool
	changed bool
	err     error
}

func (q *query) take(m message) bool {
	if m.seq != q.seq {
		return true
	}
	q.changed = q.changed || m.flags&unix.NLM_F_DUMP_INTR != 0
	switch {
	case m.typ == unix.NLMSG_DONE:
		q.done = true
		q.err = errors.Join(q.err, ackError(m))
	case m.typ == unix.NLMSG_ERROR:
		q.done = true
		q.err = errors.Join(q.err, ackError(m))
	case len(m.body) >= nfgenmsg:
		q.yield(m.body[nfgenmsg:])
	}
	return true
}

func (q *query) result() error {
	switch {
	case q.err != nil:
		return q.err
	case q.changed:
		return ErrChanged
	case q.dump && !q.done:
		return errors.New("nf_tables dump ended early")
	}
	return nil
}

func wrap(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, name, err)
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
