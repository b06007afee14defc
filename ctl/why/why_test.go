// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
	ct "github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/why"
	"github.com/weftnet/weft/internal/agentapi"
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

// kernelOf is an agent that knows one rule and one connection.
type kernelOf struct{ fail error }

func (k kernelOf) Hits(context.Context) (map[string]uint64, error) {
	return map[string]uint64{"c62613b5b5e3c766": 7}, k.fail
}

func (kernelOf) Connections(_ context.Context, q agentapi.ConnectionQuery) ([]agentapi.Connection, error) {
	return []agentapi.Connection{{Original: fmt.Sprintf("%s to %s protocol %d port %d", q.Source, q.Destination, q.Protocol, q.Port)}}, nil
}

func TestAskKernels(t *testing.T) {
	c := cluster.New([]api.Object{ct.Namespace("shop", nil), ct.ServiceAccount("shop/default", nil),
		ct.Endpoint("shop/web", "n1", nil, "10.65.0.1"), ct.Endpoint("shop/db", "n2", nil, "10.65.0.2")})
	a, err := why.Ask(c, "shop/web", "shop/db", why.Service{Port: 80})
	if err != nil {
		t.Fatal(err)
	}
	a.AskKernels(t.Context(), func(node string) (why.Agent, error) {
		if node == "n2" {
			return nil, errors.New("it sleeps")
		}
		return kernelOf{}, nil
	})
	if k := a.Egress.Kernel; k == nil || *k.Hits != 7 || k.Connections[0] != "10.65.0.1 to 10.65.0.2 protocol 6 port 80" {
		t.Errorf("n1 says %+v for rule %s", k, a.Egress.RuleID)
	}
	if a.Ingress.Kernel != nil || len(a.Notes) != 1 || a.Notes[0] != "what the kernel of node n2 says is not known: it sleeps" {
		t.Errorf("n2 says %+v, %q", a.Ingress.Kernel, a.Notes)
	}
}
