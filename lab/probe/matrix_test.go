// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
)

func cell(src, dst, addr string, svc Service, v Verdict) Result {
	return Result{
		Flow: Flow{Src: src, Dst: dst, DstAddr: netip.MustParseAddr(addr), Service: svc},
		Seen: v != Denied, Answered: v == Allowed,
	}
}

func sample() Matrix {
	tcp, icmp := Service{TCP, 5432}, Service{Protocol: ICMP}
	const v4, v6 = "192.0.2.1", "2001:db8::1"
	results := []Result{
		cell("shop/web", "shop/database", v4, tcp, Denied), cell("shop/web", "shop/database", v6, tcp, Denied),
		cell("shop/web", "ext", v4, tcp, Allowed), cell("shop/web", "ext", v6, tcp, Denied),
		cell("ext", "shop/database", v6, tcp, Allowed), cell("ext", "shop/database", v4, tcp, Allowed),
		cell("shop/web", "ext", v4, icmp, Half),
	}
	return NewMatrix(results, func(f Flow) (Verdict, string) {
		switch {
		case f.Src == "ext":
			return Denied, "policy protect-database"
		case f.Service == icmp:
			return Unknown, ""
		case f.Dst == "ext":
			return Allowed, "no policy"
		}
		return Denied, "policy protect-database"
	})
}

func TestMatrixTable(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	const want = `tcp:5432  ext   shop/database
shop/web  ✓/✗!  ✗            
ext       ·     ✓!           

icmp      ext
shop/web  ~  

`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := sample().WriteTable(&b, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[1;31m✓!\x1b[0m") || !strings.Contains(b.String(), "\x1b[2m✗\x1b[0m") {
		t.Errorf("colours are missing: %q", b.String())
	}
}

func TestMismatches(t *testing.T) {
	m := sample()
	var got []string
	for _, c := range m.Mismatches() {
		got = append(got, c.String())
	}
	want := []string{
		"shop/web (invalid IP) to ext (2001:db8::1) tcp:5432 is denied, expected allowed: no policy",
		"ext (invalid IP) to shop/database (2001:db8::1) tcp:5432 is allowed, expected denied: policy protect-database",
		"ext (invalid IP) to shop/database (192.0.2.1) tcp:5432 is allowed, expected denied: policy protect-database",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if m.Count(Allowed) != 3 || m.Count(Denied) != 3 || m.Count(Half) != 1 {
		t.Errorf("counts %d %d %d", m.Count(Allowed), m.Count(Denied), m.Count(Half))
	}
}

func TestMatrixJSON(t *testing.T) {
	data, err := json.Marshal(Matrix{Cells: sample().Cells[2:3]})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"cells":[{"src":"shop/web","dst":"ext","srcAddr":"","dstAddr":"192.0.2.1","service":"tcp:5432",` +
		`"seen":true,"answered":true,"rtt":0,"verdict":"allowed","expected":"allowed","why":"no policy"}]}`
	if string(data) != want {
		t.Errorf("got %s", data)
	}
}
