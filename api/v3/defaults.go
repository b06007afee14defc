// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"reflect"
	"slices"
	"sync"

	"github.com/weftnet/weft/api/internal/shape"
)

// SetDefaults fills every absent field of obj that has a documented default. It changes obj: hand in a copy of what is
// stored. Configurations that are layered ("default" under "node.<name>") must be merged before.
func SetDefaults(obj any) {
	v := reflect.ValueOf(obj)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		fill(v.Elem())
	}
	switch o := obj.(type) {
	case *IPPool:
		defaultBlockSize(&o.Spec)
		defaultUses(&o.Spec)
	case *BGPPeer:
		defaultNextHopMode(&o.Spec)
	case *NetworkPolicy:
		o.Spec.Types = defaultTypes(o.Spec.Types, o.Spec.Ingress, o.Spec.Egress)
	case *GlobalNetworkPolicy:
		o.Spec.Types = defaultTypes(o.Spec.Types, o.Spec.Ingress, o.Spec.Egress)
	case *StagedNetworkPolicy:
		if o.Spec.StagedAction != StagedDelete {
			o.Spec.Types = defaultTypes(o.Spec.Types, o.Spec.Ingress, o.Spec.Egress)
		}
	case *StagedGlobalNetworkPolicy:
		if o.Spec.StagedAction != StagedDelete {
			o.Spec.Types = defaultTypes(o.Spec.Types, o.Spec.Ingress, o.Spec.Egress)
		}
	case *StagedKubernetesNetworkPolicy:
		defaultKubeTypes(&o.Spec)
	case *Tier:
		defaultTier(o)
	}
}

// The block sizes of pools that state none: 64 addresses in both families.
const (
	DefaultBlockSizeIPv4 = 26
	DefaultBlockSizeIPv6 = 122
)

func defaultBlockSize(s *IPPoolSpec) {
	cidr, err := ParseCIDR(s.CIDR)
	size := blockSize(s, err == nil && cidr.Addr().Is6())
	s.BlockSize = &size
}

// defaultUses leaves tunnels out of pools for certain namespaces, since tunnels have none.
func defaultUses(s *IPPoolSpec) {
	if s.AllowedUses != nil {
		return
	}
	s.AllowedUses = []string{UseWorkload}
	if s.NamespaceSelector == "" {
		s.AllowedUses = append(s.AllowedUses, UseTunnel)
	}
}

func defaultNextHopMode(s *BGPPeerSpec) {
	switch {
	case s.NextHopMode != "":
	case isTrue(s.KeepOriginalNextHop):
		s.NextHopMode = NextHopKeep
	default:
		s.NextHopMode = NextHopAuto
	}
}

// blockSize returns the block size of a pool; as in Calico, 0 means the default.
func blockSize(s *IPPoolSpec, six bool) int {
	switch {
	case s.BlockSize != nil && *s.BlockSize != 0:
		return *s.BlockSize
	case six:
		return DefaultBlockSizeIPv6
	default:
		return DefaultBlockSizeIPv4
	}
}

// defaultTypes follows Calico: both lists present, both directions; only egress, Egress; otherwise Ingress. An empty list is
// present.
func defaultTypes(types []PolicyType, ingress, egress []Rule) []PolicyType {
	switch {
	case len(types) > 0:
		return types
	case ingress != nil && egress != nil:
		return []PolicyType{Ingress, Egress}
	case egress != nil:
		return []PolicyType{Egress}
	default:
		return []PolicyType{Ingress}
	}
}

// fill sets the static defaults of a struct and of all that it holds.
func fill(v reflect.Value) {
	p := planOf(v.Type())
	for _, d := range p.defaults {
		if f := v.FieldByIndex(d.index); f.IsZero() {
			f.Set(freshCopy(d.value))
		}
	}
	for _, index := range p.inside {
		fillInside(v.FieldByIndex(index))
	}
}

// freshCopy keeps objects from sharing a default's memory. Defaults are scalars, pointers to scalars, or flat lists.
func freshCopy(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(v.Elem())
		return out
	case reflect.Slice:
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(out, v)
		return out
	default:
		return v
	}
}

func fillInside(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fillInside(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fillInside(v.Index(i))
		}
	case reflect.Struct:
		fill(v)
	}
}

// plan is what fill has to do for one struct type.
type plan struct {
	defaults []staticDefault
	inside   [][]int // fields that hold structs with defaults
}

type staticDefault struct {
	index []int
	value reflect.Value
}

var plans sync.Map // reflect.Type -> *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{}
	for _, f := range shape.Of(t).Fields {
		if value, ok, err := f.ParseDefault(); ok && err == nil { // TestDefaultsParse keeps err away
			p.defaults = append(p.defaults, staticDefault{f.Index, value})
		}
		if s := structIn(f.Type); s != nil {
			if inner := planOf(s); len(inner.defaults)+len(inner.inside) > 0 {
				p.inside = append(p.inside, slices.Clone(f.Index))
			}
		}
	}
	plans.Store(t, p)
	return p
}

// structIn returns the struct type that values of t are, point to or list, or nil.
func structIn(t reflect.Type) reflect.Type {
	class, t := shape.ClassOf(t)
	if class == shape.List {
		class, t = shape.ClassOf(t.Elem())
	}
	if class != shape.Object {
		return nil
	}
	return t
}
