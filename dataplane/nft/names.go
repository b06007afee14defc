// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// Names of chains and sets are readable in the nft tool's listing and stable: the same object has the same name after a restart.
//
//	in4/np/<namespace>/<name>   rules of a policy for packets in one role: towards (in) or from (out) workloads, and so on
//	ep/in4/<hash>               what an endpoint's packets pass, shared by all endpoints with the same policies in the same order
//	tier/in4/<hash>             a tier whose policies can pass to the next, or those of its policies that concern some peers
//	index/in4/<hash>, peers/in4/<hash>   a tier with many policies, and the map from peers to tier/in4/...
//	rule/in4/<hash>             what a rule of a look-up ends with
//	ports/in4/<hash>            the rules about a port
//	host4/<set> net4/<set> port4/<set>   members of an IP set
//	const/<hash>                a list of ports or prefixes in a rule

const nameLimit = 120

// policyChain names the chain of a policy.
func policyChain(id rule.PolicyID, r *role, f *family) string {
	kind := kindNames[id.Kind]
	name := kind + "/" + plain(id.Name)
	if id.Namespace != "" {
		name = kind + "/" + plain(id.Namespace) + "/" + plain(id.Name)
	}
	return r.tag + f.tag + "/" + name
}

// kindNames are short names of the kinds of policy that are enforced.
var kindNames = map[rule.PolicyKind]string{
	rule.KindNetworkPolicy: "np", rule.KindGlobalNetworkPolicy: "gnp", rule.KindKubeNetworkPolicy: "knp", rule.KindProfile: "profile",
	rule.KindClusterNetworkPolicy: "cnp", rule.KindAdminNetworkPolicy: "anp", rule.KindBaselineAdminNetworkPolicy: "banp",
}

// plain returns the name if the nft tool's grammar takes it as part of an identifier, else a hash of it behind an underscore, which no
// plain name starts with.
func plain(name string) string {
	ok := name != "" && len(name) <= nameLimit && name[0] != '_'
	for _, c := range name {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._", c))
	}
	if ok {
		return name
	}
	return "_" + hash([]byte(name))
}

// hash is 64 bits of SHA-256 in hex.
func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
