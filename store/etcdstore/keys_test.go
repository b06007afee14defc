// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/api"
)

func TestPath(t *testing.T) {
	for want, key := range map[string]api.Key{
		"/weft/projectcalico.org/ippools/a":                       {Resource: api.IPPools, Name: "a"},
		"/weft/projectcalico.org/networkpolicies/prod/web":        {Resource: api.NetworkPolicies, Namespace: "prod", Name: "web"},
		"/weft/networking.k8s.io/networkpolicies/prod/web":        {Resource: api.KubeNetworkPolicies, Namespace: "prod", Name: "web"},
		"/weft/core/namespaces/prod":                              {Resource: api.Namespaces, Name: "prod"},
		"/weft/projectcalico.org/ippools/":                        {Resource: api.IPPools},
		"/weft/projectcalico.org/networkpolicies/one-part":        {Resource: api.NetworkPolicies, Name: "one-part"},
		"/weft/projectcalico.org/networkpolicies//x":              {Resource: api.NetworkPolicies, Name: "/x"},
		"/weft/projectcalico.org/networkpolicies/a/":              {Resource: api.NetworkPolicies, Namespace: "a"},
		"/weft/projectcalico.org/networkpolicies/a/b/c":           {Resource: api.NetworkPolicies, Namespace: "a", Name: "b/c"},
		"/weft/projectcalico.org/globalnetworkpolicies/default.x": {Resource: api.GlobalNetworkPolicies, Name: "default.x"},
		"/weft/~projectcalico.org/ipamhandles/a":                  {Resource: api.IPAMHandles, Name: "a"},
	} {
		ks := keyspace(DefaultPrefix)
		if got := ks.path(key); got != want {
			t.Errorf("path of %q is %q, want %q", key, got, want)
		}
		if got, ok := ks.parse(want); !ok || got != key {
			t.Errorf("%q parses to %q, %v; want %q", want, got, ok, key)
		}
	}
}

// TestAside: where a key lies must not give two etcd keys to one object.
func TestAside(t *testing.T) {
	for _, path := range []string{"/weft/projectcalico.org/ipamblocks/a", "/weft/~projectcalico.org/ippools/a", "/weft/~~projectcalico.org/ipamblocks/a"} {
		if key, ok := keyspace(DefaultPrefix).parse(path); ok {
			t.Errorf("%q parses to %q", path, key)
		}
	}
}

// TestCoverLeavesAside: a watch of everything else is not told what changes with every workload.
func TestCoverLeavesAside(t *testing.T) {
	ks := keyspace(DefaultPrefix)
	var others []api.Resource
	for kind := range api.Kinds() {
		if !slices.Contains(aside, kind.Resource) {
			others = append(others, kind.Resource)
		}
	}
	from, to := ks.cover(others)
	for _, r := range aside {
		if path := ks.path(api.Key{Resource: r, Name: "a"}); from <= path && path < to {
			t.Errorf("%q lies between %q and %q", path, from, to)
		}
	}
}

// FuzzParse checks that every etcd key under a resource has an object key of its own, which leads back to it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"projectcalico.org/ippools/a", "projectcalico.org/networkpolicies//", "core/namespaces/", "core/namespaces", "x/y/z", "", "//", "core/serviceaccounts/\xff/\x00", "~projectcalico.org/ipamblocks/a", "~projectcalico.org/ippools/a"} {
		f.Add(s)
	}
	ks := keyspace(DefaultPrefix)
	f.Fuzz(func(t *testing.T, rest string) {
		path := DefaultPrefix + rest
		key, ok := ks.parse(path)
		if !ok {
			for kind := range api.Kinds() {
				if strings.HasPrefix(path, ks.scope(kind.Resource, "")) {
					t.Fatalf("%q is under %s and was not recognised", path, kind.Resource)
				}
			}
			return
		}
		if back := ks.path(key); back != path {
			t.Fatalf("%q parses to %q, which leads to %q", path, key, back)
		}
	})
}

func TestCover(t *testing.T) {
	ks := keyspace(DefaultPrefix)
	from, to := ks.cover([]api.Resource{api.Nodes})
	if from != "/weft/projectcalico.org/nodes/" || to != "/weft/projectcalico.org/nodes0" {
		t.Errorf("one resource: %q to %q", from, to)
	}
	all := []api.Resource{api.Tiers, api.Namespaces, api.IPPools, api.KubeNetworkPolicies}
	from, to = ks.cover(all)
	for _, r := range all {
		for _, key := range []api.Key{{Resource: r}, {Resource: r, Namespace: "\xff", Name: "\xff"}} {
			if path := ks.path(key); path < from || path >= to {
				t.Errorf("%q is not between %q and %q", path, from, to)
			}
		}
	}
}
