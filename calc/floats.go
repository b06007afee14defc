// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"net/netip"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/desired"
)

// floats knows which workloads of other nodes have a floating address. Few have any, so that it is kept whether tunnels need it or not.
type floats struct {
	byKey   map[api.Key]*item // with the floating addresses as nets
	holders holders
}

func newFloats() floats { return floats{byKey: map[api.Key]*item{}, holders: newHolders()} }

// putFloats replaces the floating addresses of a workload; without any it has none.
func (r *reach) putFloats(key api.Key, list []desired.FloatingIP, node string, revision uint64) {
	if len(list) == 0 || node == r.self {
		r.removeFloats(key)
		return
	}
	it := &item{node: node, revision: revision}
	for _, f := range list {
		it.nets = append(it.nets, desired.HostPrefix(f.External))
	}
	r.removeFloats(key)
	r.floats.byKey[key] = it
	r.floats.holders.add(it)
	r.touchAddrs(it)
}

func (r *reach) removeFloats(key api.Key) {
	if it := r.floats.byKey[key]; it != nil {
		delete(r.floats.byKey, key)
		r.floats.holders.remove(it)
		r.touchAddrs(it)
	}
}

// touchFloats marks all floating addresses.
func (r *reach) touchFloats() {
	for addr := range r.floats.holders.first {
		r.dirtyDst[desired.HostPrefix(addr)] = struct{}{}
	}
}

// floatNode returns the other node with the newest workload of those that have a floating address where such are in use, "" if there is none.
func (r *reach) floatNode(a netip.Addr) string {
	for _, it := range r.floats.holders.all(a) {
		if r.nat.configs.floatingOn(it.node) {
			return it.node
		}
	}
	return ""
}
