// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weftnet/weft/api/clusterpolicy"
	"github.com/weftnet/weft/api/internal/shape"
)

// all are empty objects of all kinds whose tags hold rules.
var all = []any{
	&IPPool{}, &IPReservation{}, &IPAMConfiguration{}, &KubeControllersConfiguration{}, &IPAMBlock{}, &BlockAffinity{}, &IPAMHandle{}, &Node{}, &BGPConfiguration{}, &BGPPeer{},
	&WorkloadEndpoint{}, &HostEndpoint{}, &Profile{}, &Tier{}, &NetworkPolicy{}, &GlobalNetworkPolicy{},
	&StagedNetworkPolicy{}, &StagedGlobalNetworkPolicy{}, &StagedKubernetesNetworkPolicy{}, &NetworkSet{}, &GlobalNetworkSet{},
	&FelixConfiguration{}, &ClusterInformation{},
	&clusterpolicy.ClusterNetworkPolicy{}, &clusterpolicy.AdminNetworkPolicy{}, &clusterpolicy.BaselineAdminNetworkPolicy{},
}

// structs visits every struct type with tags that objects hold.
func structs(visit func(reflect.Type)) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		class, t := shape.ClassOf(t)
		for class == shape.List || class == shape.Map {
			class, t = shape.ClassOf(t.Elem())
		}
		if class != shape.Object || seen[t] || !shape.Own(t) {
			return
		}
		seen[t] = true
		visit(t)
		for i := range t.NumField() {
			walk(t.Field(i).Type)
		}
	}
	for _, obj := range all {
		walk(reflect.TypeOf(obj))
	}
}

var tagKey = regexp.MustCompile(`([A-Za-z]+):"(?:[^"\\]|\\.)*"\s*`)

// TestTags checks what reading a tag cannot report: unknown keys, limits that are no numbers, formats that do not exist.
func TestTags(t *testing.T) {
	known := strings.Fields("json default defaultText enum min max maxLen maxItems format immutable later laterValues idle")
	structs(func(s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			name := s.Name() + "." + f.Name
			if rest := strings.TrimSpace(tagKey.ReplaceAllString(string(f.Tag), "")); rest != "" {
				t.Errorf("%s: the tag is malformed at %s", name, rest)
			}
			for _, m := range tagKey.FindAllStringSubmatch(string(f.Tag), -1) {
				if !slices.Contains(known, m[1]) {
					t.Errorf("%s: unknown tag %s", name, m[1])
				}
			}
			for _, key := range []string{"min", "max", "maxLen", "maxItems"} {
				if text, ok := f.Tag.Lookup(key); ok {
					if _, err := strconv.ParseInt(text, 10, 64); err != nil {
						t.Errorf("%s: %s: %v", name, key, err)
					}
				}
			}
			format := f.Tag.Get("format")
			if formats[format] == nil && textFormats[format] == nil && !slices.Contains([]string{"", "selector", "namespaceSelector", "anyCase"}, format) {
				t.Errorf("%s: there is no format %s", name, format)
			}
		}
	})
}

// TestDefaultsParse checks that each default is a value of its field and one that users could write themselves.
func TestDefaultsParse(t *testing.T) {
	defaults := 0
	structs(func(s reflect.Type) {
		for _, f := range shape.Of(s).Fields {
			value, ok, err := f.ParseDefault()
			if err != nil {
				t.Error(err)
			}
			if !ok {
				continue
			}
			defaults++
			obj := reflect.New(s).Elem()
			obj.FieldByIndex(f.Index).Set(value)
			var found FieldErrors
			checker{}.object(obj, rulesOf(s), report{path: "", all: &found})
			for _, e := range found {
				if strings.HasPrefix(e.Path, f.Name) {
					t.Errorf("default %s of %s.%s: %v", f.Default, s.Name(), f.Name, e)
				}
			}
		}
	})
	if defaults < 150 {
		t.Errorf("only %d defaults found", defaults)
	}
}

// TestOptionalScalarsKeepZero: what a user wrote, an explicit false or 0, must survive; so such fields are pointers, required, or
// machine-written.
func TestOptionalScalarsKeepZero(t *testing.T) {
	structs(func(s reflect.Type) {
		if strings.HasPrefix(s.Name(), "Allocation") || strings.HasPrefix(s.Name(), "IPAMBlock") || strings.HasPrefix(s.Name(), "BlockAffinity") || strings.HasPrefix(s.Name(), "IPAMHandle") {
			return
		}
		for _, f := range shape.Of(s).Fields {
			class, _ := shape.ClassOf(f.Type)
			switch {
			case f.Required || f.Type.Kind() == reflect.Pointer:
			case class == shape.Boolean || class == shape.Integer || class == shape.Number || class == shape.Leaf:
				t.Errorf("%s.%s would lose an explicit zero; make it a pointer", s.Name(), f.GoName)
			case class == shape.List || class == shape.Map:
				sf, _ := s.FieldByName(f.GoName)
				if !strings.Contains(sf.Tag.Get("json"), "omitzero") {
					t.Errorf("%s.%s would lose an explicit empty list; use omitzero", s.Name(), f.GoName)
				}
			}
		}
	})
}

// TestDefaultsHaveEffect: nothing that weft fills in itself may be reported as without effect.
func TestDefaultsHaveEffect(t *testing.T) {
	for _, obj := range all {
		SetDefaults(obj)
		if notes := NotYetEffective(obj); len(notes) > 0 {
			t.Errorf("%T with defaults: %v", obj, notes)
		}
	}
}

// TestEveryAgentSettingIsReported sets each field of a FelixConfiguration to something and expects a note, unless weft acts upon it.
func TestEveryAgentSettingIsReported(t *testing.T) {
	s := reflect.TypeFor[FelixConfigurationSpec]()
	for _, f := range shape.Of(s).Fields {
		obj := &FelixConfiguration{}
		v := reflect.ValueOf(obj).Elem().FieldByName("Spec").FieldByIndex(f.Index)
		v.Set(other(f.Type))
		if standard, ok, _ := f.ParseDefault(); ok && f.Type == reflect.TypeFor[*bool]() {
			v.Set(reflect.ValueOf(new(!standard.Elem().Bool())))
		}
		notes := NotYetEffective(obj)
		if f.Idle != "" && len(notes) == 0 && f.Type == reflect.TypeFor[*bool]() {
			continue // one value is the default, and with the other nothing is missing
		}
		inForce := []reflect.Type{reflect.TypeFor[FelixPolicy](), reflect.TypeFor[FelixNAT](), reflect.TypeFor[FelixTunnels](), reflect.TypeFor[FelixSources](), reflect.TypeFor[FelixIPIP](), reflect.TypeFor[FelixVXLAN](),
			reflect.TypeFor[FelixWireguard](), reflect.TypeFor[FelixMTU](), reflect.TypeFor[FelixCloud](), reflect.TypeFor[FelixRuntime]()}
		if effective := slices.Contains(inForce, f.Owner); effective && len(notes) == 0 {
			continue
		}
		if len(notes) != 1 || notes[0].Path != "spec."+f.Name || notes[0].Note == "" {
			t.Errorf("%s: notes %v", f.Name, notes)
		}
	}
}

// TestIdleValuesAreNotReported: nothing is missing with a value that turns off what there is not.
func TestIdleValuesAreNotReported(t *testing.T) {
	found := 0
	for _, f := range shape.Of(reflect.TypeFor[FelixConfigurationSpec]()).Fields {
		idle, ok, err := f.ParseIdle()
		if err != nil {
			t.Error(err)
		}
		if !ok {
			continue
		}
		found++
		obj := &FelixConfiguration{}
		reflect.ValueOf(obj).Elem().FieldByName("Spec").FieldByIndex(f.Index).Set(idle)
		if notes := NotYetEffective(obj); len(notes) > 0 {
			t.Errorf("%s: notes %v", f.Name, notes)
		}
	}
	if found < 3 {
		t.Errorf("%d fields with such a value", found)
	}
}

// other returns a value that is no default.
func other(t reflect.Type) reflect.Value {
	switch t.Kind() {
	case reflect.Pointer:
		v := reflect.New(t.Elem())
		if t.Elem().Kind() != reflect.Struct {
			v.Elem().Set(other(t.Elem()))
		} else if f := v.Elem().Field(0); f.CanInt() {
			f.SetInt(77)
		}
		return v
	case reflect.Slice:
		return reflect.MakeSlice(t, 0, 0)
	case reflect.Map:
		return reflect.MakeMap(t)
	}
	v := reflect.New(t).Elem()
	switch {
	case v.CanInt():
		v.SetInt(77)
	case v.CanUint():
		v.SetUint(77)
	case v.Kind() == reflect.String:
		v.SetString("other")
	}
	return v
}
