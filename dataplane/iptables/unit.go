// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"fmt"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// unit is what can fail by itself: an IP set, a policy, an endpoint, a setting. Changes of the kernel are tagged with theirs. The zero value is what all need.
type unit struct {
	kind     unitKind
	set      rule.SetID
	policy   rule.PolicyID
	endpoint desired.EndpointID
	setting  dataplane.Setting
}

type unitKind uint8

const (
	frameUnit unitKind = iota
	setKind
	policyKind
	endpointKind
	settingKind
	natKind
)

// natUnit are the rules that translate destinations.
var natUnit = unit{kind: natKind}

func setUnit(id rule.SetID) unit              { return unit{kind: setKind, set: id} }
func policyUnit(id rule.PolicyID) unit        { return unit{kind: policyKind, policy: id} }
func endpointUnit(id desired.EndpointID) unit { return unit{kind: endpointKind, endpoint: id} }
func settingUnit(s dataplane.Setting) unit    { return unit{kind: settingKind, setting: s} }

func (u unit) String() string {
	switch u.kind {
	case setKind:
		return "IP set " + string(u.set)
	case policyKind:
		return u.policy.String()
	case endpointKind:
		return "endpoint " + u.endpoint.String()
	case settingKind:
		return "setting " + u.setting.String()
	case natKind:
		return "address translation"
	}
	return "the frame of the tables"
}

func policyName(id rule.PolicyID) string {
	if id.Namespace == "" {
		return id.Name
	}
	return id.Namespace + "/" + id.Name
}

// refusal is an error of one unit found while planning.
type refusal struct {
	unit unit
	err  error
}

func (r *refusal) Error() string { return fmt.Sprintf("%v: %v", r.unit, r.err) }
func (r *refusal) Unwrap() error { return r.err }
