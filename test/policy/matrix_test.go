// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package policy_test sends packets through policies as users write them: compiled, calculated for a node, programmed by each driver.
package policy_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/dataplane/iptables"
	"github.com/weftnet/weft/dataplane/nft"
	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/sys/packet"
	"github.com/weftnet/weft/sys/xtables"
)

// IP protocol numbers.
const (
	icmp, tcp, udp, icmpv6, sctp, udpLite, other = 1, 6, 17, 58, 132, 136, 99
)

// Who the workload under test, a/1, talks to, by name: pods of other nodes, network sets, and an address that nobody has.
var peers = map[string][2]string{
	"db": {"192.0.2.11", "2001:db8::11"}, "cache": {"192.0.2.12", "2001:db8::12"}, "own": {"192.0.2.13", "2001:db8::13"},
	"nets": {"203.0.113.20", "2001:db8:1::20"}, "outside": {"198.51.100.20", "2001:db8:2::20"}, "nobody": {"192.0.2.99", "2001:db8::99"},
}

// cluster is what the policies speak of.
func cluster() []api.Object {
	far := func(name, account string, labels calctest.Labels, peer string) *v3.WorkloadEndpoint {
		w := calctest.Endpoint(name, "far-away", labels, peers[peer][0], peers[peer][1])
		w.Spec.ServiceAccountName = account
		w.Spec.Profiles[1] = w.Spec.Profiles[1][:strings.LastIndex(w.Spec.Profiles[1], ".")+1] + account
		return w
	}
	return []api.Object{
		calctest.Namespace("a", calctest.Labels{"team": "x"}), calctest.Namespace("b", calctest.Labels{"team": "y"}), calctest.Namespace("c", calctest.Labels{"team": "z"}),
		calctest.ServiceAccount("b/default", calctest.Labels{"role": "plain"}), calctest.ServiceAccount("c/special", calctest.Labels{"role": "special"}),
		calctest.Endpoint("a/1", calctest.Me, calctest.Labels{"app": "web"}, drivertest.WorkloadAddr(1, false).String(), drivertest.WorkloadAddr(1, true).String()),
		far("b/db", "default", calctest.Labels{"app": "db", "tier": "back"}, "db"), far("c/cache", "special", calctest.Labels{"app": "cache", "tier": "back"}, "cache"),
		far("a/own", "default", calctest.Labels{"app": "own"}, "own"),
		calctest.NetworkSet("c/nets", calctest.Labels{"kind": "nets"}, "203.0.113.0/24", "2001:db8:1::/48"),
		calctest.GlobalNetworkSet("outside", calctest.Labels{"app": "outside", "env": "prod"}, "198.51.100.0/24", "2001:db8:2::/48"),
		calctest.Slice("b/db-4", "b/db", 8080, peers["db"][0]), calctest.Slice("b/db-6", "b/db", 8080, peers["db"][1]),
	}
}

// peerRow is one end of a rule in YAML, and which peers it matches: as destination of an egress rule, and as source of an ingress rule.
type peerRow struct {
	end string
	yes []string // the others are denied
}

const everyone = "db cache own nets outside nobody"

// peerRows have each operator of selectors, and each field of an EntityRule but for the ports.
var peerRows = []peerRow{
	{"{}", strings.Fields(everyone)},
	{`selector: app == "db"`, []string{"db"}},
	{`selector: app != "db"`, []string{"cache", "own", "nets", "outside"}},
	{`selector: 'app in {"db", "outside"}'`, []string{"db", "outside"}},
	{`selector: 'app not in {"db", "outside"}'`, []string{"cache", "own", "nets"}},
	{`selector: app contains "ach"`, []string{"cache"}},
	{`selector: app starts with "o"`, []string{"own", "outside"}},
	{`selector: app ends with "e"`, []string{"cache", "outside"}},
	{`selector: has(app)`, []string{"db", "cache", "own", "outside"}},
	{`selector: "!has(app)"`, []string{"nets"}},
	{`selector: all()`, []string{"db", "cache", "own", "nets", "outside"}},
	{`selector: app == "db" && tier == "back"`, []string{"db"}},
	{`selector: app == "db" || env == "prod"`, []string{"db", "outside"}},
	{`selector: "!(app == 'db' || env == 'prod')"`, []string{"cache", "own", "nets"}},
	{`selector: has(tier) && (app == "cache" || app == "own")`, []string{"cache"}},
	{`notSelector: app == "db"`, []string{"cache", "own", "nets", "outside", "nobody"}},
	{`{selector: has(tier), notSelector: app == "db"}`, []string{"cache"}},
	{`namespaceSelector: team == "y"`, []string{"db"}},
	{`namespaceSelector: 'team in {"y", "z"}'`, []string{"db", "cache", "nets"}},
	{`namespaceSelector: global()`, []string{"outside"}},
	{`{namespaceSelector: team == "z", selector: has(app)}`, []string{"cache"}},
	{`serviceAccounts: {names: [special]}`, []string{"cache"}},
	{`serviceAccounts: {selector: role == "plain"}`, []string{"db"}},
	{`{serviceAccounts: {names: [default]}, namespaceSelector: team == "y"}`, []string{"db"}},
	{`nets: [192.0.2.11, 198.51.100.0/24]`, []string{"db/4", "outside/4"}},
	{`nets: ["2001:db8::11", "2001:db8:1::/48"]`, []string{"db/6", "nets/6"}},
	{`{nets: [192.0.2.0/24], notNets: [192.0.2.11/32]}`, []string{"cache/4", "own/4", "nobody/4"}},
	{`{selector: has(app), nets: [192.0.2.0/24]}`, []string{"db/4", "cache/4", "own/4"}},
}

// packetOf is a packet of TCP between the workload and a peer.
func packetOf(peer string, v6, egress bool, source uint16) (from string, p eval.Packet, out string) {
	i := 0
	if v6 {
		i = 1
	}
	p = eval.Packet{Src: drivertest.WorkloadAddr(1, v6), Dst: netip.MustParseAddr(peers[peer][i]), Protocol: tcp, SrcPort: source, DstPort: 8080}
	from, out = drivertest.Workload(1), "up0"
	if peer == "nets" {
		out = "dmz0"
	}
	if !egress {
		p.Src, p.Dst, from, out = p.Dst, p.Src, out, from
	}
	return from, p, out
}

// lab is a router with a driver and the calculation of a node.
type lab struct {
	*drivertest.Net
	driver drivertest.Driver
	graph  *calc.Graph
	source uint16
	count  int
}

func drivers(t *testing.T, test func(t *testing.T, l *lab)) {
	for name, open := range map[string]func() (drivertest.Driver, error){
		"nftables":        func() (drivertest.Driver, error) { return nft.New(nft.Options{}) },
		"iptables-nft":    func() (drivertest.Driver, error) { return iptables.New(iptables.Options{Flavour: xtables.NFT}) },
		"iptables-legacy": func() (drivertest.Driver, error) { return iptables.New(iptables.Options{Flavour: xtables.Legacy}) },
	} {
		t.Run(name, func(t *testing.T) {
			l := &lab{Net: drivertest.NewNet(t), graph: calc.New(calctest.Me), source: 1024}
			must(t, l.Router.Do(func() (err error) {
				l.driver, err = open()
				return err
			}))
			t.Cleanup(func() { must(t, l.driver.Close()) })
			for _, obj := range cluster() {
				l.graph.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj}})
			}
			test(t, l)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// enforce puts one policy in force: rules in YAML, for the workload under test.
func (l *lab) enforce(t *testing.T, types, ingress, egress string) {
	t.Helper()
	var spec v3.GlobalNetworkPolicySpec
	text := fmt.Sprintf("selector: app == 'web'\ntypes: [%s]\ningress: [%s]\negress: [%s]\n", types, ingress, egress)
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	policy := &v3.GlobalNetworkPolicy{ObjectMeta: v3.ObjectMeta{Name: "matrix"}, Spec: spec}
	l.graph.Apply([]calc.Change{{Key: api.KeyOf(policy), Object: policy}})
	delta := l.graph.Flush()
	for _, p := range l.graph.Problems() {
		if p.Refused {
			t.Fatalf("%s: refused: %+v", text, p)
		}
	}
	if l.count++; l.count == 1 {
		delta = nil
	}
	r, err := l.driver.Apply(t.Context(), l.graph.View(), delta)
	if err != nil || len(r.Failed) > 0 {
		t.Fatalf("%s: %v, failed %v", text, err, r.Failed)
	}
}

func (l *lab) expect(t *testing.T, what, from string, p eval.Packet, want string) {
	t.Helper()
	got, err := l.Send(from, p)
	if err != nil || got != want {
		t.Errorf("%s: %+v from %s came out at %q (%v); want %q", what, p, from, got, err, want)
	}
}

// TestPeers sends a packet to and from each peer through each row.
func TestPeers(t *testing.T) {
	drivers(t, func(t *testing.T, l *lab) {
		must(t, packet.OnOneCPU(func() error {
			for _, row := range peerRows {
				end := row.end
				if !strings.HasPrefix(end, "{") {
					end = "{" + end + "}"
				}
				l.enforce(t, "Ingress, Egress", "{action: Allow, source: "+end+"}", "{action: Allow, destination: "+end+"}")
				for _, peer := range strings.Fields(everyone) {
					for _, v6 := range []bool{false, true} {
						for _, egress := range []bool{false, true} {
							l.source++
							from, p, out := packetOf(peer, v6, egress, l.source)
							family := map[bool]string{false: "/4", true: "/6"}[v6]
							if !slices.Contains(row.yes, peer) && !slices.Contains(row.yes, peer+family) {
								out = ""
							}
							l.expect(t, row.end+" "+peer, from, p, out)
						}
					}
				}
			}
			return nil
		}))
	})
}

// ruleRow is an egress rule in YAML without its action, and packets to the peer db that it lets through and that it does not.
type ruleRow struct {
	rule    string
	yes, no []eval.Packet
}

func to(protocol uint8, srcPort, dstPort uint16) eval.Packet {
	return eval.Packet{Protocol: protocol, SrcPort: srcPort, DstPort: dstPort}
}

func message(v6 bool, icmpType, code uint8) eval.Packet {
	if v6 {
		return eval.Packet{Protocol: icmpv6, ICMPType: icmpType, ICMPCode: code}
	}
	return eval.Packet{Protocol: icmp, ICMPType: icmpType, ICMPCode: code}
}

var (
	web, webTo81, webFrom7, dns = to(tcp, 1000, 80), to(tcp, 1000, 81), to(tcp, 7, 80), to(udp, 1000, 53)
	sctpWeb, liteWeb, opaque    = to(sctp, 1000, 80), to(udpLite, 1000, 80), to(other, 0, 0)
	named                       = to(tcp, 1000, 8080)
	ping, ping1, stamp          = message(false, 8, 0), message(false, 8, 1), message(false, 13, 0)
	ping6, ping61               = message(true, 128, 0), message(true, 128, 1)
)

// ruleRows have each field of a Rule, and the ports of an EntityRule.
var ruleRows = []ruleRow{
	{"", []eval.Packet{web, dns, sctpWeb, liteWeb, opaque, ping, ping6}, nil},
	{"ipVersion: 4", []eval.Packet{ping}, []eval.Packet{ping6}},
	{"ipVersion: 6", []eval.Packet{ping6}, []eval.Packet{ping}},
	{"protocol: TCP", []eval.Packet{web, webTo81}, []eval.Packet{dns, sctpWeb, liteWeb, opaque, ping, ping6}},
	{"protocol: UDP", []eval.Packet{dns}, []eval.Packet{web, liteWeb}},
	{"protocol: SCTP", []eval.Packet{sctpWeb}, []eval.Packet{web, dns}},
	{"protocol: UDPLite", []eval.Packet{liteWeb}, []eval.Packet{web, dns}},
	{"protocol: ICMP", []eval.Packet{ping, stamp}, []eval.Packet{web, ping6}},
	{"protocol: ICMPv6", []eval.Packet{ping6}, []eval.Packet{web, ping}},
	{"protocol: 99", []eval.Packet{opaque}, []eval.Packet{web, dns}},
	{"notProtocol: UDP", []eval.Packet{web, ping, opaque}, []eval.Packet{dns}},
	{"notProtocol: 99", []eval.Packet{web, dns}, []eval.Packet{opaque}},
	{"protocol: ICMP, icmp: {type: 8}", []eval.Packet{ping, ping1}, []eval.Packet{stamp, web}},
	{"protocol: ICMP, icmp: {type: 8, code: 1}", []eval.Packet{ping1}, []eval.Packet{ping}},
	{"protocol: ICMPv6, icmp: {type: 128, code: 0}", []eval.Packet{ping6}, []eval.Packet{ping61}},
	{"protocol: ICMP, notICMP: {type: 8}", []eval.Packet{stamp}, []eval.Packet{ping, ping1}},
	{"protocol: ICMPv6, notICMP: {type: 128, code: 1}", []eval.Packet{ping6}, []eval.Packet{ping61}},
	{"protocol: TCP, destination: {ports: [80]}", []eval.Packet{web}, []eval.Packet{webTo81, dns}},
	{`protocol: TCP, destination: {ports: [22, "80:81"]}`, []eval.Packet{web, webTo81}, []eval.Packet{named}},
	{"protocol: SCTP, destination: {ports: [80]}", []eval.Packet{sctpWeb}, []eval.Packet{web}},
	{"protocol: TCP, destination: {ports: [http]}", []eval.Packet{named}, []eval.Packet{web}},
	{"protocol: TCP, destination: {ports: [http, 80]}", []eval.Packet{named, web}, []eval.Packet{webTo81}},
	{"protocol: TCP, destination: {notPorts: [80]}", []eval.Packet{webTo81, named}, []eval.Packet{web, dns}},
	{"protocol: TCP, destination: {notPorts: [http]}", []eval.Packet{web}, []eval.Packet{named}},
	{"protocol: TCP, source: {ports: [7]}", []eval.Packet{webFrom7}, []eval.Packet{web}},
	{"protocol: TCP, source: {notPorts: [7]}", []eval.Packet{web}, []eval.Packet{webFrom7}},
	{"destination: {services: {name: db, namespace: b}}", []eval.Packet{named}, []eval.Packet{web, dns, ping}},
	{"metadata: {annotations: {name: any}}", []eval.Packet{web, dns, ping6}, nil},
}

// TestRules sends the packets of each row, in IPv4 and IPv6 where they are not of one alone.
func TestRules(t *testing.T) {
	drivers(t, func(t *testing.T, l *lab) {
		must(t, packet.OnOneCPU(func() error {
			for _, row := range ruleRows {
				l.enforce(t, "Egress", "", "{"+strings.TrimSuffix("action: Allow, "+row.rule, ", ")+"}")
				for _, p := range row.yes {
					l.both(t, row.rule, p, "up0")
				}
				for _, p := range row.no {
					l.both(t, row.rule, p, "")
				}
			}
			return nil
		}))
	})
}

func (l *lab) both(t *testing.T, what string, p eval.Packet, want string) {
	t.Helper()
	for i, v6 := range []bool{false, true} {
		if p.Protocol == icmp && v6 || p.Protocol == icmpv6 && !v6 {
			continue
		}
		p.Src, p.Dst = drivertest.WorkloadAddr(1, v6), netip.MustParseAddr(peers["db"][i])
		l.expect(t, what, drivertest.Workload(1), p, want)
	}
}

// TestActions has each action, and the ends of tiers, as users write them.
func TestActions(t *testing.T) {
	rows := []struct {
		rules string
		want  string
	}{
		{"{action: Allow}", "up0"},
		{"{action: Deny}, {action: Allow}", ""},
		{"{action: Log}, {action: Allow}", "up0"},
		{"{action: Log}", ""},
		{"{action: Pass}, {action: Deny}", "up0"}, // the namespace's profile allows
	}
	drivers(t, func(t *testing.T, l *lab) {
		must(t, packet.OnOneCPU(func() error {
			for _, row := range rows {
				l.enforce(t, "Egress", "", row.rules)
				l.both(t, row.rules, web, row.want)
			}
			return nil
		}))
	})
}

// TestComplete wants each field of rules, and each operator of selectors, in a row.
func TestComplete(t *testing.T) {
	var text strings.Builder
	for _, row := range peerRows {
		text.WriteString("{" + row.end + "}\n")
	}
	for _, row := range ruleRows {
		text.WriteString("{action: Allow, " + row.rule + "}\n")
	}
	has := func(what string) error {
		if !strings.Contains(text.String(), what) {
			return fmt.Errorf("%q is in no row", what)
		}
		return nil
	}
	var errs error
	for _, operator := range []string{" == ", " != ", " in {", " not in {", " contains ", " starts with ", " ends with ", "has(", "all()", "global()", " && ", " || ", "!has(", "!("} {
		errs = errors.Join(errs, has(operator))
	}
	for _, kind := range []reflect.Type{reflect.TypeFor[v3.Rule](), reflect.TypeFor[v3.EntityRule](), reflect.TypeFor[v3.ICMPFields](), reflect.TypeFor[v3.ServiceAccountMatch](), reflect.TypeFor[v3.ServiceMatch]()} {
		for f := range kind.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Tag.Get("later") == "" {
				errs = errors.Join(errs, has(name+":"))
			}
		}
	}
	if errs != nil {
		t.Error(errs)
	}
}
