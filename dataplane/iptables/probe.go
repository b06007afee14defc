// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"context"

	"github.com/weftnet/weft/dataplane"
)

// Probe implements [dataplane.Driver]: it reads the tables that the driver works on.
func (d *Driver) Probe(ctx context.Context) (dataplane.Caps, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var reasons []string
	if _, err := d.sets.Headers(); err != nil {
		reasons = append(reasons, "IP sets: "+err.Error()+"; needs the modules ip_set, ip_set_hash_net, ip_set_hash_ipport, ip_set_hash_netiface, xt_set (CONFIG_IP_SET, CONFIG_IP_SET_HASH_*, CONFIG_NETFILTER_XT_SET) and CAP_NET_ADMIN; or use nftables")
	}
	for _, key := range tableKeys() {
		if _, err := d.save(ctx, d.tables, key, &tablePlan{}); err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	return dataplane.Caps{Usable: len(reasons) == 0, Reasons: reasons, Choice: d.choice.String()}, ctx.Err()
}
