// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/util/intstr"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/preview"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/policy/eval"
)

// dynamicPort stands for the port that a client's system picks (RFC 6335).
const dynamicPort = 49152

// recordedFlow is a line of a file of flows. Ends are named as for `weft why`: namespace/pod, a node or an address.
type recordedFlow struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Protocol    string `json:"protocol"` // name or number; TCP if absent
	Port        uint16 `json:"port"`
	ICMPType    *uint8 `json:"icmpType"` // echo request if absent
	ICMPCode    uint8  `json:"icmpCode"`
	Count       int    `json:"count"` // how often it was seen; 1 if absent
}

// readFlows reads a file with a JSON object a line.
func readFlows(path string) (seen map[preview.Flow]int, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	seen = map[preview.Flow]int{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		flow, count, err := parseFlow(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, n, err)
		}
		seen[flow] += count
	}
	return seen, lines.Err()
}

func parseFlow(line []byte) (preview.Flow, int, error) {
	var r recordedFlow
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return preview.Flow{}, 0, fmt.Errorf(`%w; write {"source": "shop/web", "destination": "shop/db", "protocol": "TCP", "port": 5432}`, err)
	}
	protocol, err := v3.ProtocolNumber(intstr.Parse(cmp.Or(r.Protocol, "TCP")))
	switch {
	case err != nil:
		return preview.Flow{}, 0, fmt.Errorf("protocol: %w", err)
	case r.Source == "" || r.Destination == "":
		return preview.Flow{}, 0, errors.New("source and destination are required")
	case v3.HasPorts(protocol) && r.Port == 0:
		return preview.Flow{}, 0, fmt.Errorf("port is required with protocol %s", v3.ProtocolName(protocol))
	case r.Count < 0:
		return preview.Flow{}, 0, fmt.Errorf("count %d is less than 0", r.Count)
	}
	p := eval.Packet{Protocol: protocol, ICMPCode: r.ICMPCode}
	switch {
	case v3.HasPorts(protocol):
		p.SrcPort, p.DstPort = dynamicPort, r.Port
	case r.ICMPType != nil:
		p.ICMPType = *r.ICMPType
	case protocol == 1:
		p.ICMPType = 8
	case protocol == 58:
		p.ICMPType = 128
	}
	return preview.Flow{Source: r.Source, Destination: r.Destination, Packet: p}, max(r.Count, 1), nil
}

// liveFlows adds the connections that the kernels of nodes know, of those whose agents can be asked. One that both its nodes know counts once.
func liveFlows(ctx context.Context, env *Env, sockets []string, seen map[preview.Flow]int) {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	known := map[string]bool{}
	for _, path := range sockets {
		list, err := agentapi.NewClient(path).Connections(ctx, agentapi.ConnectionQuery{})
		if err != nil && path != DefaultAgentSocket {
			fmt.Fprintf(env.Err, "warning: %v\n", err)
		}
		for _, c := range list {
			if known[c.Original] || c.Flow.Source.IsLoopback() {
				continue
			}
			known[c.Original] = true
			f := c.Flow
			p := eval.Packet{Protocol: f.Protocol, DstPort: f.Port, ICMPType: f.ICMPType, ICMPCode: f.ICMPCode}
			if v3.HasPorts(f.Protocol) {
				p.SrcPort = dynamicPort
			}
			seen[preview.Flow{Source: f.Source.String(), Destination: f.Destination.String(), Packet: p}]++
		}
	}
}
