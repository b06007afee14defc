// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"context"
	"errors"
	"fmt"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/sys/nft"
)

// feature is something of the kernel that the driver needs.
type feature struct {
	name, advice string
	use          func(b *nft.Batch)
}

const probeTable = tableName + "-probe"

var probeChain = nft.Chain{Name: "chain"}

// features are tried in this order; each may build on those before.
var features = []feature{
	{"tables of family inet", "module nf_tables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)", func(b *nft.Batch) { b.AddTable() }},
	{"base chains", "module nf_tables (CONFIG_NF_TABLES_INET)", func(b *nft.Batch) {
		b.AddChain(base("prerouting", nft.HookPrerouting, nft.PriorityRaw))
		b.AddChain(base("forward", nft.HookForward, nft.PriorityFilter))
		b.AddChain(probeChain)
	}},
	{"hash sets", "module nf_tables (CONFIG_NF_TABLES)", func(b *nft.Batch) { b.AddSet(hostSetOf("probe", ipv4)) }},
	{"interval sets", "module nf_tables (CONFIG_NF_TABLES)", func(b *nft.Batch) { b.AddSet(netSetOf("probe", ipv6)) }},
	{"ranges of concatenated keys", "Linux 5.6 or later", func(b *nft.Batch) { b.AddSet(sourceNetSet(ipv4)) }},
	{"verdict maps", "module nf_tables (CONFIG_NF_TABLES)", func(b *nft.Batch) {
		s := ingressMap(ipv4)
		b.AddSet(s)
		b.AddVerdicts(s, nft.VerdictKey{Key: ifname("probe"), Verdict: nft.Verdict(jump(probeChain.Name))})
	}},
	{"connection tracking", "modules nft_ct, nf_conntrack (CONFIG_NFT_CT, CONFIG_NF_CONNTRACK)", probeRule(state(ctEstablished))},
	{"counters", "module nf_tables (CONFIG_NF_TABLES)", probeRule(counter{})},
	{"rejecting", "modules nft_reject, nft_reject_inet (CONFIG_NFT_REJECT, CONFIG_NFT_REJECT_INET)", probeRule(rejectOther{})},
	{"logging", "module nft_log (CONFIG_NFT_LOG)", probeRule(logged{logPrefix})},
	{"interface names", "module nf_tables (CONFIG_NF_TABLES)", probeRule(named{iifname, true, "probe"})},
}

func probeRule(s stmt) func(*nft.Batch) {
	return func(b *nft.Batch) {
		exprs, _ := ruleSpec{stmts: []stmt{s}}.encode()
		b.AddRule(probeChain.Name, exprs, nil)
	}
}

// Probe tries what the driver needs in a scratch table that is created and deleted in one transaction, so that it never exists outside it.
func (d *Driver) Probe(ctx context.Context) (dataplane.Caps, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := retry(ctx, func() error {
		b := nft.NewBatch(probeTable)
		for _, f := range features {
			b.Tag(f)
			f.use(b)
		}
		b.Tag(feature{name: "deletion of tables", advice: "module nf_tables (CONFIG_NF_TABLES)"})
		b.DelTable()
		return d.conn.Commit(b)
	})
	if err == nil {
		return dataplane.Caps{Usable: true}, nil
	}
	var refused *nft.RefusedError
	if !errors.As(err, &refused) {
		return dataplane.Caps{}, err
	}
	return dataplane.Caps{Reasons: reasons(refused)}, nil
}

// reasons names each feature that is missing, once.
func reasons(refused *nft.RefusedError) []string {
	if len(refused.Refusals) == 0 {
		return []string{fmt.Sprintf("nf_tables: %v; run as root with CAP_NET_ADMIN", refused.Err)}
	}
	var out []string
	last := ""
	for _, r := range refused.Refusals {
		if f, ok := r.Tag.(feature); ok && f.name != last {
			out = append(out, fmt.Sprintf("no %s (%v); needs %s", f.name, r.Err, f.advice))
			last = f.name
		}
	}
	return out
}

// bindsNames reports whether the kernel binds chains to names of devices, be they there or not (Linux 6.16). What it lacks besides is for Probe to say.
func bindsNames(conn *nft.Conn) bool {
	b := nft.NewBatch(probeTable)
	b.AddTable()
	b.AddChain(nft.Chain{Name: probeChain.Name, Hook: ingress(probeTable)})
	b.DelTable()
	return retry(context.Background(), func() error { return conn.Commit(b) }) == nil
}
