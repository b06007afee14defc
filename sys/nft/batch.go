// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// chunk bounds the elements of one message; the length of the attribute around them has 16 bits.
const chunk = nfnetlink.MaxAttr - 2048

// small is room for a change of one element, in bytes.
const small = 512

// Batch collects the messages of one transaction on one table of family inet. The zero value is not usable: call [NewBatch].
type Batch struct {
	table string
	a     nfnetlink.Attrs
	ops   []op
	tag   any
}

// op says what a message does and for whom, to explain a refusal.
type op struct {
	what, name string
	tag        any
	at         int // offset in the buffer
}

// NewBatch starts a transaction on a table.
func NewBatch(table string) *Batch {
	b := &Batch{table: table, a: make(nfnetlink.Attrs, 0, small)}
	b.control(unix.NFNL_MSG_BATCH_BEGIN)
	return b
}

// Tag names the party on whose behalf the following messages are sent; a [Refusal] carries it.
func (b *Batch) Tag(tag any) { b.tag = tag }

// Len is the number of messages.
func (b *Batch) Len() int { return len(b.ops) }

// Size is the number of bytes.
func (b *Batch) Size() int { return len(b.a) }

// AddTable creates the table unless it exists.
func (b *Batch) AddTable() {
	at := b.start(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "create table", b.table)
	b.a.String(unix.NFTA_TABLE_NAME, b.table)
	b.a.Uint32(unix.NFTA_TABLE_FLAGS, 0)
	b.finish(at)
}

// DelTable deletes the table with all it holds.
func (b *Batch) DelTable() {
	at := b.start(unix.NFT_MSG_DELTABLE, 0, "delete table", b.table)
	b.a.String(unix.NFTA_TABLE_NAME, b.table)
	b.finish(at)
}

// AddChain creates a chain.
func (b *Batch) AddChain(c Chain) {
	at := b.start(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE|unix.NLM_F_EXCL, "create chain", c.Name)
	b.a.String(unix.NFTA_CHAIN_TABLE, b.table)
	b.a.String(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Hook != nil {
		hook := b.a.Open(unix.NFTA_CHAIN_HOOK)
		b.a.Uint32(unix.NFTA_HOOK_HOOKNUM, c.Hook.Num)
		b.a.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(c.Hook.Priority))
		if c.Hook.Device != "" {
			b.a.String(unix.NFTA_HOOK_DEV, c.Hook.Device)
		}
		b.a.Close(hook)
		b.a.Uint32(unix.NFTA_CHAIN_POLICY, uint32(VerdictAccept))
		b.a.String(unix.NFTA_CHAIN_TYPE, c.Hook.chainType())
	}
	b.finish(at)
}

// DelChain deletes a chain that has no rules and that nothing refers to.
func (b *Batch) DelChain(name string) {
	at := b.start(unix.NFT_MSG_DELCHAIN, 0, "delete chain", name)
	b.a.String(unix.NFTA_CHAIN_TABLE, b.table)
	b.a.String(unix.NFTA_CHAIN_NAME, name)
	b.finish(at)
}

// FlushChain deletes all rules of a chain.
func (b *Batch) FlushChain(name string) {
	at := b.start(unix.NFT_MSG_DELRULE, 0, "flush chain", name)
	b.a.String(unix.NFTA_RULE_TABLE, b.table)
	b.a.String(unix.NFTA_RULE_CHAIN, name)
	b.finish(at)
}

// AddRule appends a rule to its chain.
func (b *Batch) AddRule(chain string, exprs, userData []byte) {
	b.addRule(unix.NLM_F_APPEND, chain, 0, exprs, userData)
}

// AddRuleAfter inserts a rule behind the one with a handle, or with handle 0 in front of all.
func (b *Batch) AddRuleAfter(chain string, handle uint64, exprs, userData []byte) {
	if handle == 0 {
		b.addRule(0, chain, 0, exprs, userData)
		return
	}
	b.addRule(unix.NLM_F_APPEND, chain, handle, exprs, userData)
}

func (b *Batch) addRule(flags uint16, chain string, position uint64, exprs, userData []byte) {
	at := b.start(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|flags, "add rule to chain", chain)
	b.a.String(unix.NFTA_RULE_TABLE, b.table)
	b.a.String(unix.NFTA_RULE_CHAIN, chain)
	b.a.Bytes(unix.NFTA_RULE_EXPRESSIONS, exprs)
	if position != 0 {
		b.a.Uint64(unix.NFTA_RULE_POSITION, position)
	}
	if len(userData) > 0 {
		b.a.Bytes(unix.NFTA_RULE_USERDATA, userData)
	}
	b.finish(at)
}

// DelRule deletes one rule.
func (b *Batch) DelRule(chain string, handle uint64) {
	at := b.start(unix.NFT_MSG_DELRULE, 0, "delete rule of chain", chain)
	b.a.String(unix.NFTA_RULE_TABLE, b.table)
	b.a.String(unix.NFTA_RULE_CHAIN, chain)
	b.a.Uint64(unix.NFTA_RULE_HANDLE, handle)
	b.finish(at)
}

// start opens a message; finish closes it.
func (b *Batch) start(msg, flags uint16, what, name string) int {
	at := b.a.Begin(nfnetlink.Header{
		Kind: unix.NFNL_SUBSYS_NFTABLES<<8 | msg, Flags: flags, Seq: uint32(len(b.ops) + firstSeq), Family: unix.NFPROTO_INET,
	})
	b.ops = append(b.ops, op{what, name, b.tag, at})
	return at
}

func (b *Batch) finish(at int) { b.a.End(at) }

// control appends a batch begin or end.
func (b *Batch) control(kind uint16) {
	b.finish(b.a.Begin(nfnetlink.Header{Kind: kind, Seq: controlSeq, Resource: unix.NFNL_SUBSYS_NFTABLES}))
}

// Operations are numbered in sequence, so that an error names its operation; errors about the batch come with the number of its begin.
const (
	controlSeq = 0
	firstSeq   = 1
)

// seal requests an acknowledgement of the last operation and ends the batch.
func (b *Batch) seal() []byte {
	b.a.AddFlags(b.ops[len(b.ops)-1].at, unix.NLM_F_ACK)
	b.control(unix.NFNL_MSG_BATCH_END)
	return b.a
}
