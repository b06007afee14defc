// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/calc/oracle"
	"github.com/weftnet/weft/policy/eval"
)

// judgedPackets go between workloads, nodes and the outside of the random walks and of the states.
var judgedPackets = packetsBetween("10.65.0.1", "10.65.0.2", "10.65.1.1", "192.0.2.1", "192.0.2.9", "198.51.100.1", "203.0.113.5")

func packetsBetween(addrs ...string) (out []eval.Packet) {
	for i, src := range addrs {
		for j, dst := range addrs {
			if i != j {
				out = append(out, eval.Packet{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), Protocol: 6, SrcPort: 40000, DstPort: uint16(80 + (i+j)%2)})
			}
		}
	}
	return out
}

// perFlush is how many of them are judged after each flush, one after the other.
const perFlush = 4

// judge compares the oracle's judgement of packets at Me with what the graph's view does with them.
func (r *run) judge(all *oracle.Cluster) error {
	for range perFlush {
		packet := judgedPackets[r.judged%len(judgedPackets)]
		r.judged++
		j, err := all.Judge(packet)
		if err != nil {
			return fmt.Errorf("oracle: %v: %w", packet, err)
		}
		for _, p := range j.Passages {
			if p.Node != Me {
				continue
			}
			out := p.Out
			if out == eval.Loopback {
				out = ""
			}
			node := eval.Node{View: r.graph.View(), WorkloadPrefix: "cali", Route: func(netip.Addr) string { return out }, NAT: p.NAT}
			if got := node.Pass(p.In, p.Arriving); got.String() != p.String() {
				return fmt.Errorf("%v: %s\nand the oracle says %s", packet, &got, &p.Passage)
			}
		}
	}
	return nil
}
