// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package filterbench

import (
	"fmt"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/calc/calctest"
	"github.com/weftnet/weft/desired"
)

const (
	port        = 9000
	metricsPort = 9100
	members     = 10 // workloads of an application
)

// address is that of local workload i: the client is 0, the server 1.
func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 65, byte(i), 2}) }

func iface(i int) string { return fmt.Sprint("cali", i) }

// view is what the node of client and server ought to be with a number of policies.
func view(policies int) desired.View {
	objects := []api.Object{calctest.Namespace("shop", nil)}
	for i := range policies {
		objects = append(objects, policy(i))
		for n := range members {
			objects = append(objects,
				workload(fmt.Sprintf("app-%d-%d", i, n), "other", application(i), netip.AddrFrom4([4]byte{10, 66 + byte(i>>8), byte(i), byte(n)})),
				workload(fmt.Sprintf("monitor-%d-%d", i, n), "other", monitor(i), netip.AddrFrom4([4]byte{10, 96 + byte(i>>8), byte(i), byte(n)})))
		}
	}
	for i := range 2 {
		w := workload(fmt.Sprint("local-", i), calctest.Me, application(policies-1), address(i))
		w.Spec.InterfaceName = iface(i)
		objects = append(objects, w)
	}
	graph := calc.New(calctest.Me)
	for _, obj := range objects {
		graph.Apply([]calc.Change{{Key: api.KeyOf(obj), Object: obj, Revision: 1}})
	}
	graph.Flush()
	return graph.View()
}

func application(i int) string { return fmt.Sprint("app-", i) }
func monitor(i int) string     { return fmt.Sprint("monitor-", i) }

func workload(name, node, app string, addr netip.Addr) *v3.WorkloadEndpoint {
	return calctest.Endpoint("shop/"+name, node, calctest.Labels{"app": app}, addr.String())
}

// policy lets application i talk with everybody in the namespace.
func policy(i int) api.Object {
	return calctest.Policy(fmt.Sprintf("shop/app-%04d", i), func(p *v3.NetworkPolicySpec) {
		p.Selector = "all()"
		p.Types = []v3.PolicyType{v3.Ingress, v3.Egress}
		for _, rule := range []v3.Rule{
			calctest.ToPort(v3.Allow, intstr.FromInt(metricsPort)),
			calctest.ToPort(v3.Allow, intstr.FromInt(80), intstr.FromInt(443), intstr.FromInt(port)),
		} {
			peer := &v3.EntityRule{Selector: fmt.Sprintf("app == '%s'", application(i))}
			if len(rule.Destination.Ports) == 1 {
				peer.Selector = fmt.Sprintf("app == '%s'", monitor(i))
			}
			in, out := rule, rule
			in.Source = peer
			out.Destination = &v3.EntityRule{Selector: peer.Selector, Ports: rule.Destination.Ports}
			p.Ingress, p.Egress = append(p.Ingress, in), append(p.Egress, out)
		}
	})
}
