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

// natNeeds is what of a kernel translation takes.
const natNeeds = "needs translation of addresses (modules nft_chain_nat, nft_nat, nft_masq, nft_fib_inet; CONFIG_NFT_NAT, CONFIG_NFT_MASQ, CONFIG_NFT_FIB_INET): load them"

// advice is what to do where the kernel refuses the unit.
func (u unit) advice() string {
	switch u {
	case ofNAT:
		return "; " + natNeeds + ", or take hostPort and ipNATs from the workload and reach it by its own address"
	case ofSetting(dataplane.NATOutgoing):
		return "; " + natNeeds + ", or set natOutgoing of the pools to false and have a router translate"
	case ofSetting(dataplane.MSSClamp):
		return "; needs changes to TCP options (Linux 4.14 or later; CONFIG_NF_TABLES): until then TCP depends on ICMP to learn what tunnels have room for"
	case ofSetting(dataplane.DenyAction):
		return "; needs rejecting (modules nft_reject, nft_reject_inet; CONFIG_NFT_REJECT_INET): load them, or set nftablesFilterDenyAction to Drop"
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
	switch {
	case s.isPolicy:
		return ofPolicy(s.policy)
	case s.hook != nil:
		return s.owner
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
