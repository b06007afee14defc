// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calctest

import (
	"fmt"
	"iter"
	"net/netip"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
)

// Scale is the size of a made-up cluster: 50 namespaces, 20 applications in each, endpoints spread over them.
type Scale struct {
	Locals, Remotes int // endpoints of Me and of other nodes
	Policies        int // spread over the namespaces; each lets two applications reach a third
}

const (
	scaleNamespaces = 50
	scaleApps       = 20
)

// Changes returns everything there is, made one by one so that nobody holds all of it.
func (s Scale) Changes() iter.Seq[calc.Change] {
	return func(yield func(calc.Change) bool) {
		var revision uint64
		for obj := range s.objects() {
			revision++
			if !yield(calc.Change{Key: api.KeyOf(obj), Object: obj, Revision: revision}) {
				return
			}
		}
	}
}

func (s Scale) objects() iter.Seq[api.Object] {
	return func(yield func(api.Object) bool) {
		for i := range scaleNamespaces {
			ns := scaleNamespace(i)
			if !yield(Namespace(ns, Labels{"team": fmt.Sprint("team-", i%10), "env": "prod"})) || !yield(ServiceAccount(ns+"/default", nil)) {
				return
			}
		}
		for i := range s.Policies {
			if !yield(s.Policy(i, "role == 'monitor'")) {
				return
			}
		}
		for i := range s.Locals + s.Remotes {
			if !yield(s.Endpoint(i, Labels{})) {
				return
			}
		}
	}
}

func scaleNamespace(i int) string { return fmt.Sprintf("namespace-%02d", i%scaleNamespaces) }
func scaleApp(i int) string       { return fmt.Sprintf("app-%02d", i/scaleNamespaces%scaleApps) }

// Policy returns policy number i, which lets one application and what a second selector selects reach another.
func (s Scale) Policy(i int, second string) api.Object {
	return Policy(fmt.Sprintf("%s/policy-%d", scaleNamespace(i), i/scaleNamespaces), func(p *v3.NetworkPolicySpec) {
		p.Selector = fmt.Sprintf("app == '%s'", scaleApp(i))
		web := ToPort(v3.Allow, intstr.FromInt32(80), intstr.FromInt32(443))
		web.Source = &v3.EntityRule{Selector: fmt.Sprintf("app == '%s'", scaleApp(i+scaleNamespaces))}
		p.Ingress = []v3.Rule{web, From(v3.Allow, second)}
	})
}

// Endpoint returns endpoint number i; those below Locals are of Me. Extra labels are added to its own.
func (s Scale) Endpoint(i int, extra Labels) *v3.WorkloadEndpoint {
	node := Me
	if i >= s.Locals {
		node = fmt.Sprintf("node-%04d", i/100)
	}
	app := scaleApp(i)
	labels := Labels{"app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/instance": app + "-" + scaleNamespace(i), "pod-template-hash": fmt.Sprintf("%x", 0x6d4cf56db6+i%1000)}
	for k, v := range extra {
		labels[k] = v
	}
	name := fmt.Sprintf("%s/%s-6d4cf56db6-%05x", scaleNamespace(i), app, i)
	e := Endpoint(name, node, labels, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String())
	e.Spec.InterfaceName = fmt.Sprintf("cali%011x", i)
	return e
}
