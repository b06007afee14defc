// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package iptables

import (
	"slices"
	"strconv"
	"strings"
)

// Rules are written as iptables-save prints them, so that what the kernel holds can be compared without parsing it.

// criterion is one test of a rule. The tool prints the tests of its own first, in the order of their ranks, then the modules' as written.
type criterion struct {
	rank int
	text string
	// peer says where the other end's address must be: the name of a kernel set, or a prefix; empty: anywhere.
	peer string
	// ofProtocol: the tool takes it beside a test of the protocol only.
	ofProtocol bool
}

const (
	rankSource = iota
	rankDestination
	rankIn
	rankOut
	rankProtocol
	rankModule
)

// branch is a list of criteria that must all hold.
type branch []criterion

// and adds criteria.
func (b branch) and(c ...criterion) branch { return append(slices.Clip(b), c...) }

// rule renders a rule: criteria, comment, target.
func (b branch) rule(comment, target string) string {
	sorted := slices.Clone(b)
	slices.SortStableFunc(sorted, func(x, y criterion) int { return x.rank - y.rank })
	var words []string
	for _, c := range sorted {
		words = append(words, c.text)
	}
	if comment != "" {
		words = append(words, "-m comment --comment "+quoted(comment))
	}
	return strings.Join(append(words, target), " ")
}

// in, notIn and out test a packet's interface; a name ending in + stands for all that start so.
func in(iface string) branch    { return branch{{rank: rankIn, text: "-i " + iface}} }
func notIn(iface string) branch { return branch{{rank: rankIn, text: "! -i " + iface}} }
func out(iface string) branch   { return branch{{rank: rankOut, text: "-o " + iface}} }

func module(text string) criterion { return criterion{rank: rankModule, text: text} }

func state(states string) criterion { return module("-m conntrack --ctstate " + states) }

func jump(chain string) string { return "-j " + chain }
func goTo(chain string) string { return "-g " + chain }

const (
	accept  = "-j ACCEPT"
	drop    = "-j DROP"
	returns = "-j RETURN"
	notrack = "-j CT --notrack"
)

// bit is a packet mark bit as the tool prints it, with itself as mask.
func bit(b uint32) string {
	hex := "0x" + strconv.FormatUint(uint64(b), 16)
	return hex + "/" + hex
}

func marked(b uint32) criterion   { return module("-m mark --mark " + bit(b)) }
func unmarked(b uint32) criterion { return module("-m mark ! --mark " + bit(b)) }
func mark(b uint32) string        { return "-j MARK --set-xmark " + bit(b) }
func unmark(b uint32) string {
	return "-j MARK --set-xmark 0x0/0x" + strconv.FormatUint(uint64(b), 16)
}

// commentMax keeps comments well below the kernel's limit of 255 bytes.
const commentMax = 120

// quoted makes a comment of any text. The tool quotes text with other characters than letters, digits, - and _; ours always has a space.
func quoted(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, c := range strings.TrimRight(text[:min(len(text), commentMax)], " ") {
		switch {
		case i >= commentMax:
		case c < ' ' || c > '~':
			b.WriteByte('?')
		case strings.ContainsRune("\"\\'", c):
			b.WriteByte('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ruleComment is the comment of a policy rule's kernel rules: "rule ID TEXT". Other comments start otherwise.
const ruleComment = "rule "
