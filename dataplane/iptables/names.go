// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/ipset"
	"github.com/weftnet/weft/sys/own"
)

// Names of chains and sets are stable: the same object has the same name after a restart.
//
//	weft-FORWARD, weft-INPUT …   what the kernel's chains lead to
//	weft-from, weft-to           dispatch by input and output interface, and by the name's first letters: weft-from-cali1
//	weft-e-<hash>                what decides about an endpoint's packets, shared by all endpoints with the same policies in the same order
//	weft-t-<hash>                a tier whose policies can pass to the next
//	weft-g-<hash>                some policies of a long tier
//	weft-p-<hash>                the rules of a policy; the jump to it has its name in a comment
//	weft4-<set>                  the members of an IP set
//	weft4-any-<hash>             the members of several, which a group of policies asks for
//	weft4-nets-<hash>            a list of prefixes in a rule
//	weft4-source                 addresses that workload interfaces may send from

// hash is 64 bits of SHA-256 in hex.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

func chainName(kind, content string) string { return own.ChainPrefix + kind + "-" + hash(content) }

// setName is the kernel's name for an IP set's members of one family.
func (f *family) setName(id rule.SetID) string {
	name := own.SetPrefix + f.tag + "-" + string(id)
	if len(name) > ipset.NameMax || !plain(string(id)) || strings.Contains(string(id), "-") {
		return own.SetPrefix + f.tag + "-set-" + hash(string(id))
	}
	return name
}

// ownSet reports whether a set is ours by its name.
func ownSet(name string) bool {
	rest, found := strings.CutPrefix(name, own.SetPrefix)
	return found && (strings.HasPrefix(rest, "4-") || strings.HasPrefix(rest, "6-"))
}

// plain reports whether the tools take a name as one word that means nothing else to them.
func plain(name string) bool {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._", c)) {
			return false
		}
	}
	return name != "" && name[0] != '-'
}
