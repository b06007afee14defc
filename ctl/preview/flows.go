// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Flow is traffic that was seen. Its ends are what [cluster.Cluster.Find] reads; of the packet only the service counts.
type Flow struct {
	Source, Destination string
	Packet              eval.Packet
}

// FlowChange is a flow that was seen and would change its verdict.
type FlowChange struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Service string  `json:"service"` // "TCP 80"
	Seen    int     `json:"seen"`    // how often
	Before  Verdict `json:"before"`
	After   Verdict `json:"after"`
}

// AddFlows judges flows that were seen, and how often, in both versions; the report then counts them and lists those that change their verdict.
// A flow with an end that one of the versions does not know is an error.
func (r *Report) AddFlows(from, to *cluster.Cluster, seen map[Flow]int) error {
	judges := [2]*flowJudge{{cluster: from, ends: map[string]*cluster.End{}}, {cluster: to, ends: map[string]*cluster.End{}}}
	for flow, count := range seen {
		var judged [2]cluster.Judgement
		var names [2]string
		for v, j := range judges {
			var err error
			if judged[v], names, err = j.judge(flow); err != nil {
				return err
			}
		}
		r.Flows += count
		if judged[before].Allowed() != judged[after].Allowed() {
			c := FlowChange{From: names[0], To: names[1], Service: flow.service(), Seen: count}
			c.Before, c.After = judges[before].verdict(judged, before), judges[after].verdict(judged, after)
			r.FlowChanges = append(r.FlowChanges, c)
		}
	}
	slices.SortFunc(r.FlowChanges, func(a, b FlowChange) int {
		return cmp.Or(strings.Compare(a.After.Verdict, b.After.Verdict), b.Seen-a.Seen, strings.Compare(a.From, b.From),
			strings.Compare(a.To, b.To), strings.Compare(a.Service, b.Service))
	})
	return nil
}

// flowJudge judges flows in one version.
type flowJudge struct {
	cluster   *cluster.Cluster
	ends      map[string]*cluster.End // looked up before
	decisions decisions
}

func (j *flowJudge) end(text string) (*cluster.End, error) {
	if known := j.ends[text]; known != nil {
		return known, nil
	}
	end, err := j.cluster.Find(text)
	if err == nil {
		j.ends[text] = end
	}
	return end, err
}

func (j *flowJudge) judge(f Flow) (out cluster.Judgement, names [2]string, err error) {
	src, err := j.end(f.Source)
	if err != nil {
		return out, names, fmt.Errorf("source of a flow: %w", err)
	}
	dst, err := j.end(f.Destination)
	if err != nil {
		return out, names, fmt.Errorf("destination of a flow: %w", err)
	}
	p := f.Packet
	if p.Src, p.Dst = oneFamily(src, dst); !p.Src.IsValid() {
		return out, names, fmt.Errorf("flow from %s to %s: they have no addresses of one IP version", src.Name, dst.Name)
	}
	return j.cluster.Judge(src, dst, p), [2]string{src.Name, dst.Name}, nil
}

// oneFamily picks addresses of one IP version, the zero value if there are none.
func oneFamily(src, dst *cluster.End) (from, to netip.Addr) {
	for _, from := range src.Addrs {
		for _, to := range dst.Addrs {
			if from.Is4() == to.Is4() {
				return from, to
			}
		}
	}
	return from, to
}

// verdict words what decides in a version, at the end that makes the difference.
func (j *flowJudge) verdict(judged [2]cluster.Judgement, version int) Verdict {
	denying := before
	if judged[before].Allowed() {
		denying = after
	}
	dir := rule.Egress // comes first
	if judged[denying][rule.Egress].Allowed {
		dir = rule.Ingress
	}
	out := Verdict{Verdict: "allow", Direction: dir.String(), By: judged[version][dir].Reason}
	if version == denying {
		out.Verdict = "deny"
	}
	if at := judged[version][dir].At; at != nil {
		out.By = j.decisions.ofPlace(at, j.cluster.Written).text
	}
	return out
}

func (f Flow) service() string {
	name := protocolName(f.Packet.Protocol)
	switch {
	case v3.HasPorts(f.Packet.Protocol):
		name += " " + strconv.Itoa(int(f.Packet.DstPort))
	case f.Packet.Protocol == protoICMP || f.Packet.Protocol == protoICMPv6:
		name += fmt.Sprintf(" type %d", f.Packet.ICMPType)
	}
	return name
}
