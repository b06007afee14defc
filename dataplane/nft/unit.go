// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// unit is what can fail by itself: an IP set, a policy, a chain of tiers, an endpoint, a host endpoint, a setting. Messages to the kernel are tagged with theirs. The
// zero value is the frame that all need.
type unit struct {
	kind     unitKind
	set      rule.SetID
	policy   rule.PolicyID
	chain    string
	endpoint desired.EndpointID
	setting  dataplane.Setting
}

type unitKind uint8

const (
	frameUnit unitKind = iota
	ipsetUnit
	policyUnit
	chainUnit
	endpointUnit
	hostUnit
	natUnit
	settingUnit
)

// ofNAT are the rules that translate destinations.
var ofNAT = unit{kind: natUnit}

// advice is what to do where the kernel refuses the unit.
func (u unit) advice() string {
	if u == ofNAT {
		return "; needs CONFIG_NFT_NAT, CONFIG_NFT_MASQ and CONFIG_NFT_FIB_INET"
	}
	return ""
}

func setUnit(id rule.SetID) unit            { return unit{kind: ipsetUnit, set: id} }
func ofPolicy(id rule.PolicyID) unit        { return unit{kind: policyUnit, policy: id} }
func ofChain(name string) unit              { return unit{kind: chainUnit, chain: name} }
func ofEndpoint(id desired.EndpointID) unit { return unit{kind: endpointUnit, endpoint: id} }
func ofSetting(s dataplane.Setting) unit    { return unit{kind: settingUnit, setting: s} }
func ofHost(id desired.EndpointID) unit     { return unit{kind: hostUnit, endpoint: id} }
func (s chainSpec) unit() unit {
	if s.isPolicy {
		return ofPolicy(s.policy)
	}
	return ofChain(s.name)
}

func (u unit) String() string {
	switch u.kind {
	case ipsetUnit:
		return "IP set " + string(u.set)
	case policyUnit:
		return u.policy.String()
	case chainUnit:
		return "chain " + u.chain
	case endpointUnit:
		return fmt.Sprintf("endpoint %s/%s", u.endpoint.Namespace, u.endpoint.Name)
	case hostUnit:
		return "host endpoint " + u.endpoint.Name
	case natUnit:
		return "address translation"
	case settingUnit:
		return "setting " + u.setting.String()
	}
	return "the frame of the table"
}
