// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"maps"
	"reflect"

	"github.com/weftnet/weft/desired"
)

// Setting is a part of desired.Settings that a kernel may refuse by itself.
type Setting uint8

// The parts.
const (
	DenyAction    Setting = iota // Settings.Reject
	FailsafePorts                // Settings.Failsafe
	HostAction                   // Settings.EndpointToHost
	InvalidCheck                 // Settings.AllowInvalid
	MSSClamp                     // Settings.ClampMSS
	NATOutgoing                  // Settings.SourceNAT
	settings                     // how many there are
)

// String names the fields of the FelixConfiguration, or what it is about where there is none.
func (s Setting) String() string {
	return [...]string{
		"spec.nftablesFilterDenyAction, spec.iptablesFilterDenyAction", "spec.failsafeInboundHostPorts, spec.failsafeOutboundHostPorts",
		"spec.defaultEndpointToHostAction", "spec.disableConntrackInvalidCheck", "TCP segment size of connections through tunnels",
		"spec.natOutgoing of IP pools, spec.natPortRange, spec.natOutgoingAddress",
	}[s]
}

// of points to the part.
func (s Setting) of(all *desired.Settings) any {
	return [...]any{&all.Reject, &all.Failsafe, &all.EndpointToHost, &all.AllowInvalid, &all.ClampMSS, &all.SourceNAT}[s]
}

func (s Setting) same(a, b *desired.Settings) bool { return reflect.DeepEqual(s.of(a), s.of(b)) }

// Settings are what a driver enforces of the settings that it is asked for: in place of a part that the kernel refuses, what it took last, or by
// default. The zero value has taken and refused nothing.
type Settings struct {
	taken   *desired.Settings
	refused map[Setting]error
}

// View is view with the settings that are to be enforced.
func (s *Settings) View(view desired.View) desired.View {
	if len(s.refused) == 0 {
		return view
	}
	now := *view.Settings()
	for part := range s.refused {
		reflect.ValueOf(part.of(&now)).Elem().Set(reflect.ValueOf(part.of(s.last())).Elem())
	}
	return settled{view, &now}
}

// last is what the kernel took.
func (s *Settings) last() *desired.Settings {
	if s.taken == nil {
		return desired.DefaultSettings()
	}
	return s.taken
}

// Refuse notes that the kernel refuses a part. It reports whether there is something else to be tried in its place.
func (s *Settings) Refuse(view desired.View, part Setting, why error) bool {
	if s.refused[part] != nil || part.same(view.Settings(), s.last()) {
		return false
	}
	if s.refused == nil {
		s.refused = map[Setting]error{}
	}
	s.refused[part] = why
	return true
}

// RefuseAny notes that the kernel refuses something that any part may be the cause of. It reports whether there is something else to be tried.
func (s *Settings) RefuseAny(view desired.View, why error) bool {
	found := false
	for part := range settings {
		found = s.Refuse(view, part, why) || found
	}
	return found
}

// Take notes that the kernel has what View returned.
func (s *Settings) Take(view desired.View) { s.taken = s.View(view).Settings() }

// Retry has everything tried again that was refused.
func (s *Settings) Retry() { clear(s.refused) }

// Refused is what was refused, and why; nil is nothing.
func (s *Settings) Refused() map[Setting]error {
	if len(s.refused) == 0 {
		return nil
	}
	return maps.Clone(s.refused)
}

// settled is a view with other settings.
type settled struct {
	desired.View
	settings *desired.Settings
}

// Settings returns the other ones.
func (v settled) Settings() *desired.Settings { return v.settings }
