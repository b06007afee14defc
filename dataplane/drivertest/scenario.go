// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package drivertest

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// scenario is all that it takes to show a difference: a state, the state before it if the way there matters, and a packet.
type scenario struct {
	before *desired.Delta // creates a state; nil: programmed from scratch
	now    *desired.Delta // creates a state
	probe  probe
}

func scenarioOf(before, now *desired.State, p probe) scenario {
	s := scenario{now: creation(now), probe: p}
	if before != nil {
		s.before = creation(before)
	}
	return s
}

// creation returns the delta that makes a state from nothing.
func creation(s *desired.State) *desired.Delta {
	d := desired.Diff(desired.NewState(), s)
	if d == nil {
		d = &desired.Delta{}
	}
	d.Settings = s.Settings()
	return d
}

// stateOf makes the state that a creation describes; nil makes nil.
func stateOf(d *desired.Delta) (*desired.State, error) {
	if d == nil {
		return nil, nil
	}
	s := desired.NewState()
	return s, s.Apply(d)
}

// String renders a scenario as YAML.
func (s scenario) String() string {
	doc := map[string]any{"packet": neutral(reflect.ValueOf(s.probe.packet)), "from": s.probe.source(), "state": neutral(reflect.ValueOf(s.now))}
	if s.before != nil {
		doc["stateBefore"] = neutral(reflect.ValueOf(s.before))
	}
	out, err := yaml.Marshal(doc)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// neutral turns a value into what YAML can hold. Zero fields are left out; pairs are by direction.
func neutral(v reflect.Value) any {
	if text, ok := plain(v); ok {
		return text
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return neutral(v.Elem())
	case reflect.Array:
		out := map[string]any{}
		for i := range v.Len() {
			if !empty(v.Index(i)) {
				out[rule.Direction(i).String()] = neutral(v.Index(i))
			}
		}
		return out
	case reflect.Slice:
		out := make([]any, v.Len())
		for i := range out {
			out[i] = neutral(v.Index(i))
		}
		return out
	case reflect.Struct:
		out := map[string]any{}
		for f, field := range v.Fields() {
			if !empty(field) {
				out[camel(f.Name)] = named(f.Name, field)
			}
		}
		return out
	}
	return v.Interface()
}

// plain renders the values that have a form of their own.
func plain(v reflect.Value) (string, bool) {
	switch x := v.Interface().(type) {
	case netip.Addr, netip.Prefix, rule.PolicyID, rule.PortRange, rule.Action, rule.SetKind, desired.EndpointID, desired.Member:
		return fmt.Sprint(x), true
	case desired.HostAction:
		return [...]string{"Drop", "Accept", "Return"}[x], true
	}
	return "", false
}

// named renders a field, protocols by name.
func named(field string, v reflect.Value) any {
	if strings.HasSuffix(field, "Protocol") {
		if name, ok := protocolNames[v.Uint()]; ok {
			return name
		}
	}
	return neutral(v)
}

func empty(v reflect.Value) bool {
	return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0
}

// camel lowers the leading capitals of a Go name: "ID" becomes "id", "IPVersion" "ipVersion".
func camel(name string) string {
	r := []rune(name)
	for i := range r {
		if i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
		if i+1 < len(r) && unicode.IsLower(r[i+1]) {
			break
		}
	}
	return string(r)
}
