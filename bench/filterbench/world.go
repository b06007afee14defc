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
func view(policies int, policy func(i, of int) api.Object) desired.View {
	objects := []api.Object{calctest.Namespace("shop", nil)}
	for i := range policies {
		objects = append(objects, policy(i, policies))
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

// byPeer lets application i talk with everybody in the namespace.
func byPeer(i, _ int) api.Object {
	return both(i, entry{application(i), []int{80, 443, port}}, entry{monitor(i), []int{metricsPort}})
}

// byPort lets everybody in the namespace talk on two ports.
func byPort(i, of int) api.Object {
	return both(i, entry{"", []int{port + 1 + i - of}}, entry{"", []int{20000 + i}})
}

// entry is what a policy lets in and out: an application, everybody if empty, and ports.
type entry struct {
	app   string
	ports []int
}

// both is a policy for all workloads and both directions.
func both(i int, entries ...entry) api.Object {
	return calctest.Policy(fmt.Sprintf("shop/app-%04d", i), func(p *v3.NetworkPolicySpec) {
		p.Selector = "all()"
		p.Types = []v3.PolicyType{v3.Ingress, v3.Egress}
		for _, e := range entries {
			peer := "all()"
			if e.app != "" {
				peer = fmt.Sprintf("app == '%s'", e.app)
			}
			var ports []intstr.IntOrString
			for _, n := range e.ports {
				ports = append(ports, intstr.FromInt(n))
			}
			in, out := calctest.ToPort(v3.Allow, ports...), calctest.ToPort(v3.Allow, ports...)
			in.Source = &v3.EntityRule{Selector: peer}
			out.Destination.Selector = peer
			p.Ingress, p.Egress = append(p.Ingress, in), append(p.Egress, out)
		}
	})
}
