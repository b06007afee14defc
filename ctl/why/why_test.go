// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/ctl/why"
)

func TestParseDestination(t *testing.T) {
	number := func(n uint8) *uint8 { return &n }
	for text, want := range map[string]struct {
		name    string
		service why.Service
	}{
		"shop/db":                {"shop/db", why.Service{}},
		"shop/db:5432":           {"shop/db", why.Service{Port: 5432}},
		"shop/db:5432/tcp":       {"shop/db", why.Service{Port: 5432, Protocol: 6}},
		"shop/db:53/UDP":         {"shop/db", why.Service{Port: 53, Protocol: 17}},
		"shop/db:http":           {"shop/db", why.Service{PortName: "http"}},
		"shop/db:http/sctp":      {"shop/db", why.Service{PortName: "http", Protocol: 132}},
		"shop/db:/udp":           {"shop/db", why.Service{Protocol: 17}},
		"shop/db:/47":            {"shop/db", why.Service{Protocol: 47}},
		"n1:icmp":                {"n1", why.Service{Protocol: 1}},
		"n1:ICMP:8":              {"n1", why.Service{Protocol: 1, Type: number(8)}},
		"n1:icmp:3/1":            {"n1", why.Service{Protocol: 1, Type: number(3), Code: number(1)}},
		"10.0.0.1":               {"10.0.0.1", why.Service{}},
		"10.0.0.1:80":            {"10.0.0.1", why.Service{Port: 80}},
		"fd00::1":                {"fd00::1", why.Service{}},
		"[fd00::1]":              {"fd00::1", why.Service{}},
		"[fd00::1]:80/udp":       {"fd00::1", why.Service{Port: 80, Protocol: 17}},
		"[fd00::1]:icmpv6:128/0": {"fd00::1", why.Service{Protocol: 58, Type: number(128), Code: number(0)}},
	} {
		name, service, err := why.ParseDestination(text)
		if err != nil || name != want.name || !reflect.DeepEqual(service, want.service) {
			t.Errorf("%q: %q, %+v, %v; want %+v", text, name, service, err, want)
		}
	}
	for text, want := range map[string]string{
		"shop/db:":            "should follow the last ':'",
		"shop/db:99999":       "ports are 1-65535",
		"shop/db:0":           "ports are 1-65535",
		"shop/db:80/foo":      `"foo" is no protocol`,
		"shop/db:80/icmp":     "ICMP has no ports",
		"shop/db:80:90":       "ask about one",
		"shop/db:a b":         "is no port",
		"shop/db:icmp:x":      "is no ICMP type",
		"shop/db:icmp:8/256":  "is no ICMP code",
		"[fd00::1]80":         "should follow the last ':'",
		"shop/db:/":           "is no protocol",
		"shop/db:icmp:300/10": "is no ICMP type",
	} {
		if name, service, err := why.ParseDestination(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %+v, %v; want an error with %q", text, name, service, err, want)
		}
	}
}

func FuzzParseDestination(f *testing.F) {
	for _, text := range []string{"shop/db:80/tcp", "[fd00::1]:icmp:8/0", "fd00::1", "a:b:c", "[", ":", "x:/47"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		name, service, err := why.ParseDestination(text)
		if err == nil && len(name) > len(text) || service.Port != 0 && service.PortName != "" {
			t.Errorf("%q: %q %+v", text, name, service)
		}
	})
}
