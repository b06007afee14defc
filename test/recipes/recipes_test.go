// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package recipes

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/api"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/calc/oracle"
	"github.com/weftnet/weft/lab/probe"
	"github.com/weftnet/weft/policy/eval"
)

// TestVerdicts judges every flow between the cast, and from and to the outside, and compares with the tables. The end-to-end tests do the
// same with packets.
func TestVerdicts(t *testing.T) {
	all, err := Load("../../examples/policy-recipes")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 14 {
		t.Fatalf("%d recipes", len(all))
	}
	for _, r := range all {
		t.Run(r.Name, func(t *testing.T) { verdicts(t, &r) })
	}
}

func verdicts(t *testing.T, r *Recipe) {
	ends := map[string][]string{Outside: {"198.51.100.10", "2001:db8:100::10"}}
	var objects []api.Object
	for _, ns := range Namespaces() {
		objects = append(objects, ns)
	}
	for i, a := range Cast {
		ends[a.Key()] = []string{fmt.Sprintf("10.65.0.%d", i), fmt.Sprintf("fd65::%d", i)}
		objects = append(objects, ct.Endpoint(a.Key(), "n1", a.Labels, ends[a.Key()]...))
	}
	cluster := oracle.New(versions(append(objects, r.Objects...)))
	for key, err := range cluster.Refused {
		t.Errorf("%s: %v", key, err)
	}
	allowed, denied := 0, 0
	for from, sources := range ends {
		for to, destinations := range ends {
			for _, service := range Services {
				for family := range sources {
					if from == to {
						continue
					}
					j, err := cluster.Judge(packet(sources[family], destinations[family], service))
					if err != nil {
						t.Fatal(err)
					}
					if want := r.Allowed(from, to, service); j.Allowed() != want {
						t.Errorf("%s to %s by %s: allowed should be %v, but: %s", from, to, service, want, j)
					}
					if j.Allowed() {
						allowed++
					} else {
						denied++
					}
				}
			}
		}
	}
	t.Logf("%d allowed, %d denied", allowed, denied)
}

func versions(objects []api.Object) (out []oracle.Version) {
	for _, obj := range objects {
		out = append(out, oracle.Version{Object: obj})
	}
	return out
}

func packet(src, dst string, s probe.Service) eval.Packet {
	p := eval.Packet{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), SrcPort: 40000, DstPort: s.Port}
	p.Protocol = map[probe.Protocol]uint8{probe.TCP: 6, probe.UDP: 17, probe.SCTP: 132, probe.ICMP: 1}[s.Protocol]
	if s.Protocol == probe.ICMP {
		p.SrcPort, p.ICMPType = 0, 8
		if p.Dst.Is6() {
			p.Protocol, p.ICMPType = 58, 128
		}
	}
	return p
}

func TestBadTables(t *testing.T) {
	for name, text := range map[string]string{
		"none":       "# words\nkind: x\n",
		"short row":  "# from to service verdict\n# a b allow\nkind: x\n",
		"no verdict": "# from to service verdict\n# a b * maybe\nkind: x\n",
		"empty":      "# from to service verdict\n# a b * deny\n",
	} {
		if rows, err := table(text); err == nil {
			t.Errorf("%s: read as %v", name, rows)
		}
	}
}
