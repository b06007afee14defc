// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/near"
)

// Kind describes one kind of object.
type Kind struct {
	Resource   Resource
	APIVersion string // "projectcalico.org/v3", "v1"
	Kind       string // "IPPool"
	Singular   string // "ippool"
	ShortNames []string
	Namespaced bool
	// Machine marks kinds that weft writes for itself: shown to people, not written by them.
	Machine bool

	goType reflect.Type // the struct
}

// New returns an empty object of the kind with apiVersion and kind filled in.
func (k *Kind) New() Object {
	obj := reflect.New(k.goType).Interface().(Object)
	obj.GetObjectKind().SetGroupVersionKind(k.groupVersionKind())
	return obj
}

// Plural returns the plural name: "ippools".
func (k *Kind) Plural() string { return k.Resource.Plural() }

func (k *Kind) groupVersionKind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(k.APIVersion, k.Kind)
}

// names yields all names of the kind that [Lookup] accepts without a group, the plural first.
func (k *Kind) names() []string {
	return append([]string{k.Plural(), k.Singular}, k.ShortNames...)
}

// kinds is the registry, in the order in which people read it.
var kinds = []*Kind{
	kind[v3.IPPool](IPPools, "IPPool"),
	kind[v3.IPReservation](IPReservations, "IPReservation"),
	kind[v3.IPAMConfiguration](IPAMConfigurations, "IPAMConfiguration").short("ipamconfig", "ipamconfigs"),
	kind[v3.Node](Nodes, "Node"),
	kind[v3.BGPConfiguration](BGPConfigurations, "BGPConfiguration").short("bgpconfig", "bgpconfigs"),
	kind[v3.BGPPeer](BGPPeers, "BGPPeer"),
	kind[v3.WorkloadEndpoint](WorkloadEndpoints, "WorkloadEndpoint").namespaced().short("wep", "weps"),
	kind[v3.HostEndpoint](HostEndpoints, "HostEndpoint").short("hep", "heps"),
	kind[v3.Profile](Profiles, "Profile"),
	kind[v3.Tier](Tiers, "Tier"),
	kind[v3.NetworkPolicy](NetworkPolicies, "NetworkPolicy").namespaced().short("cnp", "caliconetworkpolicy", "caliconetworkpolicies"),
	kind[v3.GlobalNetworkPolicy](GlobalNetworkPolicies, "GlobalNetworkPolicy").short("gnp", "cgnp", "calicoglobalnetworkpolicy"),
	kind[v3.StagedNetworkPolicy](StagedNetworkPolicies, "StagedNetworkPolicy").namespaced().short("snp", "scnp"),
	kind[v3.StagedGlobalNetworkPolicy](StagedGlobalNetworkPolicies, "StagedGlobalNetworkPolicy").short("sgnp"),
	kind[v3.StagedKubernetesNetworkPolicy](StagedKubernetesNetworkPolicies, "StagedKubernetesNetworkPolicy").namespaced().short("sknp"),
	kind[v3.NetworkSet](NetworkSets, "NetworkSet").namespaced().short("netset", "netsets"),
	kind[v3.GlobalNetworkSet](GlobalNetworkSets, "GlobalNetworkSet").short("gns"),
	kind[v3.FelixConfiguration](FelixConfigurations, "FelixConfiguration").short("felixconfig", "felixconfigs"),
	kind[v3.KubeControllersConfiguration](KubeControllersConfigurations, "KubeControllersConfiguration").short("kcconfig", "kcconfigs"),
	kind[v3.ClusterInformation](ClusterInformations, "ClusterInformation").short("clusterinfo"),
	kind[v3.IPAMBlock](IPAMBlocks, "IPAMBlock").machine(),
	kind[v3.BlockAffinity](BlockAffinities, "BlockAffinity").machine().short("affinity", "affinities"),
	kind[v3.IPAMHandle](IPAMHandles, "IPAMHandle").machine(),

	kind[networkingv1.NetworkPolicy](KubeNetworkPolicies, "NetworkPolicy").namespaced().short("knp", "netpol"),
	kind[clusterpolicy.ClusterNetworkPolicy](ClusterNetworkPolicies, "ClusterNetworkPolicy"),
	kind[clusterpolicy.AdminNetworkPolicy](AdminNetworkPolicies, "AdminNetworkPolicy").version(clusterpolicy.AdminAPIVersion).short("anp"),
	kind[clusterpolicy.BaselineAdminNetworkPolicy](BaselineAdminNetworkPolicies, "BaselineAdminNetworkPolicy").
		version(clusterpolicy.AdminAPIVersion).short("banp"),
	kind[corev1.Namespace](Namespaces, "Namespace").short("ns"),
	kind[corev1.ServiceAccount](ServiceAccounts, "ServiceAccount").namespaced().short("sa"),
	kind[corev1.Service](Services, "Service").namespaced().short("svc"),
	kind[discoveryv1.EndpointSlice](EndpointSlices, "EndpointSlice").namespaced(),
	kind[coordinationv1.Lease](Leases, "Lease").namespaced().machine(),
}

// The indexes of the registry. Where two kinds share a name the first of the registry has it, so that plain
// "networkpolicy" is Calico's and the Kubernetes one needs its group or a short name.
var (
	byType     = index(func(k *Kind) iter.Seq[reflect.Type] { return one(k.goType) })
	byResource = index(func(k *Kind) iter.Seq[Resource] { return one(k.Resource) })
	byName     = index(func(k *Kind) iter.Seq[string] { return slices.Values(k.names()) })
)

// Kinds yields all kinds: those that people write first, those of Kubernetes last.
func Kinds() iter.Seq[*Kind] { return slices.Values(kinds) }

// Kind returns the kind of a resource, or nil if weft does not store it.
func (r Resource) Kind() *Kind { return byResource[r] }

// KindOf returns the kind of obj, or nil if its Go type is none of weft's.
func KindOf(obj Object) *Kind {
	t := reflect.TypeOf(obj)
	if t == nil || t.Kind() != reflect.Pointer {
		return nil
	}
	return byType[t.Elem()]
}

// KeyOf returns the key under which obj is stored. The namespace is left out for cluster-scoped kinds. It is the zero Key
// for a Go type that is none of weft's.
func KeyOf(obj Object) Key {
	k := KindOf(obj)
	if k == nil {
		return Key{}
	}
	key := Key{Resource: k.Resource, Name: obj.GetName()}
	if k.Namespaced {
		key.Namespace = obj.GetNamespace()
	}
	return key
}

// Lookup finds a kind by what a user may type: plural, singular, Kind, short name or "plural.group", in any case. The error for an unknown
// name carries the nearest known one.
func Lookup(name string) (*Kind, error) {
	plain, group, qualified := strings.Cut(strings.ToLower(name), ".")
	if k := byName[plain]; k != nil && !qualified {
		return k, nil
	}
	for _, k := range kinds {
		version := k.groupVersionKind().Version + "." + k.Resource.Group()
		if qualified && slices.Contains(k.names(), plain) && (group == k.Resource.Group() || group == version) {
			return k, nil
		}
	}
	known := near.Best(plain, allNames())
	if known == "" {
		return nil, fmt.Errorf("%q is no kind that weft knows; \"weft explain\" lists them", name)
	}
	return nil, fmt.Errorf("%q is no kind that weft knows; did you mean %s?", name, byName[known].Plural())
}

// kind makes a registry entry. Its singular name is the lower-cased Kind, as in Kubernetes.
func kind[T any](r Resource, name string) *Kind {
	version := v3.APIVersion
	switch r.Group() {
	case "networking.k8s.io":
		version = networkingv1.SchemeGroupVersion.String()
	case clusterpolicy.Group:
		version = clusterpolicy.APIVersion
	case coordinationv1.GroupName:
		version = coordinationv1.SchemeGroupVersion.String()
	case discoveryv1.GroupName:
		version = discoveryv1.SchemeGroupVersion.String()
	case "core":
		version = corev1.SchemeGroupVersion.String()
	}
	return &Kind{Resource: r, APIVersion: version, Kind: name, Singular: strings.ToLower(name), goType: reflect.TypeFor[T]()}
}

func (k *Kind) version(v string) *Kind      { k.APIVersion = v; return k }
func (k *Kind) short(names ...string) *Kind { k.ShortNames = names; return k }
func (k *Kind) namespaced() *Kind           { k.Namespaced = true; return k }
func (k *Kind) machine() *Kind              { k.Machine = true; return k }

func one[T any](v T) iter.Seq[T] { return func(yield func(T) bool) { yield(v) } }

func allNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, k := range kinds {
			for _, name := range k.names() {
				if !yield(name) {
					return
				}
			}
		}
	}
}

// index maps each value that keys yields for a kind to the first kind that has it.
func index[T comparable](keys func(*Kind) iter.Seq[T]) map[T]*Kind {
	out := map[T]*Kind{}
	for _, k := range slices.Backward(kinds) {
		for key := range keys(k) {
			out[key] = k
		}
	}
	return out
}
