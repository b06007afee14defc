// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/weftnet/weft/api/v3"
)

func TestLookup(t *testing.T) {
	for name, want := range map[string]Resource{
		"ippools": IPPools, "ippool": IPPools, "IPPool": IPPools, "ippools.projectcalico.org": IPPools, "ippool.v3.projectcalico.org": IPPools,
		"networkpolicy": NetworkPolicies, "networkpolicies": NetworkPolicies, "cnp": NetworkPolicies, "caliconetworkpolicy": NetworkPolicies,
		"knp": KubeNetworkPolicies, "networkpolicies.networking.k8s.io": KubeNetworkPolicies, "networkpolicy.v1.networking.k8s.io": KubeNetworkPolicies,
		"gnp": GlobalNetworkPolicies, "snp": StagedNetworkPolicies, "sgnp": StagedGlobalNetworkPolicies, "sknp": StagedKubernetesNetworkPolicies,
		"services": Services, "svc": Services, "endpointslices.discovery.k8s.io": EndpointSlices, "cgnp": GlobalNetworkPolicies, "gns": GlobalNetworkSets, "globalnetworkset": GlobalNetworkSets,
		"netsets": NetworkSets, "hep": HostEndpoints, "heps": HostEndpoints, "bgpconfig": BGPConfigurations, "bgpconfigs": BGPConfigurations,
		"ipamconfig": IPAMConfigurations, "ipamconfigs": IPAMConfigurations, "affinity": BlockAffinities, "affinities": BlockAffinities,
		"clusterinfo": ClusterInformations, "ns": Namespaces, "namespaces.core": Namespaces, "serviceaccounts": ServiceAccounts, "wep": WorkloadEndpoints,
		"clusternetworkpolicy": ClusterNetworkPolicies, "clusternetworkpolicies.policy.networking.k8s.io": ClusterNetworkPolicies,
		"anp": AdminNetworkPolicies, "adminnetworkpolicy.v1alpha1.policy.networking.k8s.io": AdminNetworkPolicies, "banp": BaselineAdminNetworkPolicies,
	} {
		k, err := Lookup(name)
		if err != nil || k.Resource != want {
			t.Errorf("Lookup(%q) = %+v, %v; want %s", name, k, err, want)
		}
	}
	for name, want := range map[string]string{
		"ipool": "did you mean ippools?", "NetworkPolicie": "did you mean networkpolicies?", "widgets": "weft explain", "": "weft explain",
		"ippools.networking.k8s.io": "did you mean ippools?",
	} {
		if k, err := Lookup(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Lookup(%q) = %v, %v; want an error with %q", name, k, err, want)
		}
	}
}

func TestRegistryIsConsistent(t *testing.T) {
	for k := range Kinds() {
		obj := k.New()
		if KindOf(obj) != k || k.Resource.Kind() != k {
			t.Errorf("%s: the registry does not find it again", k.Resource)
		}
		if gvk := obj.GetObjectKind().GroupVersionKind(); gvk.Kind != k.Kind || gvk.GroupVersion().String() != k.APIVersion {
			t.Errorf("%s: New has %v", k.Resource, gvk)
		}
		obj.SetName("a")
		obj.SetNamespace("b")
		if key := KeyOf(obj); key.Name != "a" || (key.Namespace == "b") != k.Namespaced || key.Resource != k.Resource {
			t.Errorf("KeyOf a %s = %+v", k.Kind, key)
		}
	}
	if KindOf(nil) != nil || KeyOf(nil) != (Key{}) {
		t.Error("nil has a kind")
	}
}

func TestEncodeFillsTypeMeta(t *testing.T) {
	pool := &v3.IPPool{Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/16"}}
	pool.Name = "a"
	data, err := Encode(pool)
	if err != nil {
		t.Fatal(err)
	}
	if pool.Kind != "" {
		t.Error("Encode changed its argument")
	}
	back, err := DecodeLenient(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := back.(*v3.IPPool); got.Kind != "IPPool" || got.APIVersion != v3.APIVersion || got.Spec.CIDR != "10.0.0.0/16" {
		t.Errorf("read back %+v", got)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	nat := true
	pool := &v3.IPPool{Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/16", NATOutgoing: &nat, AllowedUses: []string{"Workload"}}}
	pool.Labels = map[string]string{"a": "b"}
	got := Clone(pool)
	if !reflect.DeepEqual(got, pool) {
		t.Fatalf("Clone = %+v, want %+v", got, pool)
	}
	*got.Spec.NATOutgoing, got.Spec.AllowedUses[0], got.Labels["a"] = false, "Tunnel", "c"
	if !nat || pool.Spec.AllowedUses[0] != "Workload" || pool.Labels["a"] != "b" {
		t.Error("changing the copy changed the original")
	}
	if Clone[Object](nil) != nil || Clone((*v3.IPPool)(nil)) != nil {
		t.Error("Clone(nil) is not nil")
	}
}

// TestCloneOfCorpus looks for memory that a copy shares with its original.
func TestCloneOfCorpus(t *testing.T) {
	for _, docs := range corpus(t, "testdata/valid/*") {
		for _, d := range docs {
			d.Object.SetOwnerReferences([]metav1.OwnerReference{{Controller: new(true)}})
			copied := Clone(d.Object)
			if !reflect.DeepEqual(copied, d.Object) {
				t.Errorf("%s: the copy differs", d.Where())
			}
			if path := shared(reflect.ValueOf(copied), reflect.ValueOf(d.Object)); path != "" {
				t.Errorf("%s: the copy shares %s", d.Where(), path)
			}
		}
	}
	nested := reflect.ValueOf(map[string][][]int{"a": {{1}}})
	if path := shared(deepCopy(nested), nested); path != "" {
		t.Errorf("a map of lists shares %s", path)
	}
}

// shared returns the path of memory that two equal values have in common, or "".
func shared(a, b reflect.Value) string {
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || a.Type() == reflect.TypeFor[*time.Location]() {
			return ""
		}
		if a.Pointer() == b.Pointer() {
			return "*"
		}
		return shared(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if path := shared(a.Field(i), b.Field(i)); path != "" {
				return a.Type().Field(i).Name + "." + path
			}
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return "[]"
		}
		for i := range a.Len() {
			if path := shared(a.Index(i), b.Index(i)); path != "" {
				return "[]" + path
			}
		}
	case reflect.Map:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return "{}"
		}
		for it := a.MapRange(); it.Next(); {
			if path := shared(it.Value(), b.MapIndex(it.Key())); path != "" {
				return "{}" + path
			}
		}
	}
	return ""
}

func BenchmarkClone(b *testing.B) {
	wep := &v3.WorkloadEndpoint{Spec: v3.WorkloadEndpointSpec{Node: "n", IPNetworks: []string{"10.0.0.1/32", "fd00::1/128"}, Profiles: []string{"kns.a"}}}
	wep.Labels = map[string]string{"app": "web", "tier": "front", "projectcalico.org/namespace": "a"}
	b.ReportAllocs()
	for b.Loop() {
		Clone(wep)
	}
}
