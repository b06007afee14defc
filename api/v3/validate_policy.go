// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"slices"
)

func validateNetworkPolicy(s *NetworkPolicySpec, r report) {
	validateTypes(s.Tier, s.Types, r)
	namespaced := ruleContext{direction: Ingress}
	namespaced.rules(s.Ingress, r.at("ingress"))
	namespaced.direction = Egress
	namespaced.rules(s.Egress, r.at("egress"))
}

func validateGlobalNetworkPolicy(s *GlobalNetworkPolicySpec, r report) {
	validateTypes(s.Tier, s.Types, r)
	global := ruleContext{direction: Ingress, global: true}
	global.rules(s.Ingress, r.at("ingress"))
	global.direction = Egress
	global.rules(s.Egress, r.at("egress"))

	noTrack, preDNAT := isTrue(s.DoNotTrack), isTrue(s.PreDNAT)
	if noTrack && preDNAT {
		r.at("preDNAT").add("cannot be true together with doNotTrack")
	}
	if (noTrack || preDNAT) && !isTrue(s.ApplyOnForward) {
		r.at("applyOnForward").add("must be true with doNotTrack or preDNAT, which act before it is known whether a packet is forwarded")
	}
	if preDNAT && len(s.Egress) > 0 {
		r.at("egress").add("must be empty with preDNAT, which acts on arriving packets only")
	}
	if preDNAT && slices.Contains(s.Types, Egress) {
		r.at("types").add("must not hold Egress with preDNAT, which acts on arriving packets only")
	}
}

func validateProfile(s *ProfileSpec, r report) {
	profile := ruleContext{direction: Ingress, global: true}
	profile.rules(s.Ingress, r.at("ingress"))
	profile.direction = Egress
	profile.rules(s.Egress, r.at("egress"))
}

func validateTypes(tier string, types []PolicyType, r report) {
	if tier != "" && !policyName.MatchString(tier) {
		r.at("tier").add("%q is no tier name; write lower-case letters, digits and '-'", tier)
	}
	if dup := duplicate(types); dup != "" {
		r.at("types").add("%s is there twice; remove one", dup)
	}
}

func isTrue(b *bool) bool { return b != nil && *b }
