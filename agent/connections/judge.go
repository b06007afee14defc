// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import (
	"iter"
	"net/netip"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/conntrack"
	"github.com/weftnet/weft/sys/own"
)

// verdict is what becomes of a connection.
type verdict struct {
	conntrack.Flow
	denied bool
	keep   bool   // existingConnections: Keep
	why    string // denied
}

func (v *verdict) mark() uint32 {
	if v.denied {
		return own.EndedMark
	}
	return 0
}

// changes tells whether the mark has to be changed.
func (v *verdict) changes() bool {
	return v.Mark&own.EndedMark != v.mark() && !(v.denied && v.keep)
}

// judge appends the verdicts on connections, each as if its first packet came now. Of one that was taken up midway nobody knows who opened it, so
// both directions have to be allowed.
func judge(to []verdict, view desired.View, suspects []suspect) []verdict {
	hosts := []*desired.HostEndpoint{}
	for e := range view.HostEndpoints() {
		hosts = append(hosts, e)
	}
	keep := view.Settings().KeepConnections
	byLink := map[string]*desired.Endpoint{}
	for e := range view.Endpoints() {
		byLink[e.Interface] = e
	}
	for _, s := range suspects {
		v := verdict{Flow: s.Flow, keep: keep}
		near := narrow{view, []*desired.Endpoint{byLink[s.in], byLink[s.out]}, hosts}
		v.denied, v.why = denied(near, &s)
		if !v.denied && s.Midway && !view.Settings().AllowInvalid {
			v.denied, v.why = denied(near, s.reversed())
		}
		to = append(to, v)
	}
	return to
}

// denied sends the first packet of a connection through the node once more.
func denied(view desired.View, s *suspect) (bool, string) {
	orig, end := &s.Orig, &s.Reply
	n := eval.Node{
		View: view, WorkloadPrefix: own.InterfacePrefix,
		Route: func(a netip.Addr) string {
			if a == orig.Src {
				return s.in
			}
			return s.out
		},
		NAT: func(p eval.Packet) eval.Packet {
			p.Dst, p.DstPort = end.Src, end.SrcPort
			return p
		},
	}
	passage := n.Pass(s.in, eval.Packet{
		Src: orig.Src, Dst: orig.Dst, Protocol: orig.Protocol, SrcPort: orig.SrcPort, DstPort: orig.DstPort,
		ICMPType: orig.ICMPType, ICMPCode: orig.ICMPCode,
	})
	if passage.Verdict != rule.Deny {
		return false, ""
	}
	last := passage.Places[len(passage.Places)-1]
	return true, last.Decision().String()
}

// narrow is a view with no other endpoints than those that one connection passes: the search for them costs nothing.
type narrow struct {
	desired.View
	endpoints []*desired.Endpoint
	hosts     []*desired.HostEndpoint
}

func (n narrow) Endpoints() iter.Seq[*desired.Endpoint] {
	return func(yield func(*desired.Endpoint) bool) {
		for _, e := range n.endpoints {
			if e != nil && !yield(e) {
				return
			}
		}
	}
}

func (n narrow) HostEndpoints() iter.Seq[*desired.HostEndpoint] {
	return func(yield func(*desired.HostEndpoint) bool) {
		for _, e := range n.hosts {
			if !yield(e) {
				return
			}
		}
	}
}

// followMasters gives connections that others have announced (RELATED: the data of FTP) the verdict of those, as the data plane does, and
// returns what is to be changed. Where the other is not among them, nothing changes.
func followMasters(verdicts []verdict) []verdict {
	of := make(map[conntrack.Tuple]*verdict, len(verdicts))
	for i := range verdicts {
		of[verdicts[i].Orig] = &verdicts[i]
	}
	var out []verdict
	for _, v := range verdicts {
		if v.Master.Src.IsValid() {
			master, ok := of[v.Master]
			if !ok {
				continue
			}
			v.denied, v.why = master.denied, master.why
		}
		if v.changes() {
			out = append(out, v)
		}
	}
	return out
}
