// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// withSettings is an empty state with some settings.
func withSettings(t *testing.T, change func(*desired.Settings)) *desired.State {
	t.Helper()
	s := *desired.DefaultSettings()
	change(&s)
	state := desired.NewState()
	if err := state.Apply(&desired.Delta{Settings: &s}); err != nil {
		t.Fatal(err)
	}
	return state
}

func TestRefusedSettingsStayAsTheyWere(t *testing.T) {
	var s dataplane.Settings
	why := errors.New("no module")
	ssh := []desired.Failsafe{{Protocol: 6, Port: 2222}}
	first := withSettings(t, func(s *desired.Settings) { s.Failsafe[rule.Ingress] = ssh })
	if got := s.View(first).Settings(); !got.Equal(first.Settings()) || s.Refused() != nil {
		t.Errorf("nothing is refused: %+v, %v", got, s.Refused())
	}
	s.Take(first)

	next := withSettings(t, func(s *desired.Settings) { s.Reject, s.AllowInvalid, s.Failsafe[rule.Ingress] = true, true, nil })
	if !s.Refuse(next, dataplane.FailsafePorts, why) || s.Refuse(next, dataplane.FailsafePorts, why) || s.Refuse(next, dataplane.HostAction, why) {
		t.Error("a part can be refused once, if there is something else to try")
	}
	want := *next.Settings()
	want.Failsafe = first.Settings().Failsafe
	if got := s.View(next).Settings(); !got.Equal(&want) {
		t.Errorf("in force are %+v; want %+v", got, want)
	}
	if got := s.Refused(); len(got) != 1 || !errors.Is(got[dataplane.FailsafePorts], why) || !strings.Contains(dataplane.FailsafePorts.String(), "spec.failsafeInboundHostPorts") {
		t.Errorf("refused are %v", got)
	}
	if !s.RefuseAny(next, why) || s.RefuseAny(next, why) {
		t.Error("the rest can be refused once")
	}
	if got := s.View(next).Settings(); !got.Equal(first.Settings()) {
		t.Errorf("in force are %+v; want the last", got)
	}
	s.Retry()
	if got := s.View(next).Settings(); !got.Equal(next.Settings()) || s.Refused() != nil {
		t.Errorf("tried again: %+v, %v", got, s.Refused())
	}

	var fresh dataplane.Settings
	if !fresh.Refuse(next, dataplane.DenyAction, why) || fresh.View(next).Settings().Reject {
		t.Error("without a last setting the default holds")
	}
}

// TestEverySettingCanBeRefused: a setting that shapes what a driver writes has a part.
func TestEverySettingCanBeRefused(t *testing.T) {
	// These two do not. Nor have the rules for tunnels: they name a set of the same change, so that older ones cannot stand in for them.
	shapes := desired.Settings{KeepConnections: true, Driver: "nftables", Tunnels: desired.TunnelRules{VXLANPort: 4790}, SourceNAT: desired.SourceNAT{MinPort: 1}}
	shapes.Failsafe[rule.Egress], shapes.EndpointToHost, shapes.Reject, shapes.AllowInvalid, shapes.ClampMSS = nil, desired.HostReturn, true, true, true
	for i := range reflect.TypeFor[desired.Settings]().NumField() {
		if f := reflect.TypeFor[desired.Settings]().Field(i); f.Name != "Failsafe" && reflect.ValueOf(shapes).Field(i).IsZero() {
			t.Fatalf("setting %s is new: name its part in Setting, or say here that it has none", f.Name)
		}
	}
	view := withSettings(t, func(s *desired.Settings) { *s = shapes })
	var s dataplane.Settings
	s.RefuseAny(view, errors.New("refused"))
	want := *desired.DefaultSettings()
	want.KeepConnections, want.Driver, want.Tunnels = shapes.KeepConnections, shapes.Driver, shapes.Tunnels
	if got := s.View(view).Settings(); !got.Equal(&want) {
		t.Errorf("in force are %+v; want %+v", got, want)
	}
}
