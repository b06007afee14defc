// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/sys/packet"
)

// arrival is where a packet came out, and under which addresses. At the host itself only the ports are known.
type arrival struct {
	out      string // see Net.Send
	src, dst netip.AddrPort
}

func (a arrival) String() string { return fmt.Sprintf("%q from %v to %v", a.out, a.src, a.dst) }

// Pass sends a packet of TCP, UDP or SCTP as Send does, and finds it whatever addresses and ports it gets on the way.
func (n *Net) Pass(from string, p eval.Packet) (arrival, error) {
	n.token += 0x10001
	token := n.token
	if err := n.deliver(from, p, segment(p, token)); err != nil {
		return arrival{}, err
	}
	var got arrival
	for _, name := range n.names() {
		err := n.read(name, 0, func(f []byte) bool {
			if src, dst, segment, ok := carried(f); ok && carries(segment, p.Protocol, token) {
				got = arrival{name, netip.AddrPortFrom(src, portAt(segment, 0)), netip.AddrPortFrom(dst, portAt(segment, 2))}
			}
			return false
		})
		if !errors.Is(err, packet.ErrTimeout) {
			return arrival{}, err
		}
	}
	for {
		segment, err := n.host.Receive(n.buf, 0)
		switch {
		case errors.Is(err, packet.ErrTimeout):
			return got, nil
		case err != nil:
			return arrival{}, err
		case carries(segment, p.Protocol, token):
			got = arrival{out: toHost}
		}
	}
}

// carries tells whether a segment is the one with the token: TCP has it as sequence number, UDP and SCTP at the end.
func carries(segment []byte, protocol uint8, token uint32) bool {
	mark := binary.BigEndian.AppendUint32(nil, token)
	if protocol == protoTCP {
		return len(segment) >= 8 && bytes.Equal(segment[4:8], mark)
	}
	return len(segment) > 8 && bytes.HasSuffix(segment, mark)
}

func portAt(segment []byte, offset int) uint16 { return binary.BigEndian.Uint16(segment[offset:]) }
