// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"fmt"
	"strings"
)

// Script collects changes of one table for one Restore. They happen together. The zero value is not usable: call [NewScript].
type Script struct {
	table string
	lines []line
	tag   any
}

// line is one line, in the words of iptables-restore, and what it does.
type line struct {
	text  string
	verb  verb
	chain string
	at    int
	rule  string
	tag   any
}

type verb uint8

const (
	control verb = iota
	declare
	appendRule
	insertRule
	deleteRule
	deleteChain
)

const commit = "COMMIT"

// NewScript starts a script for a table.
func NewScript(table string) *Script {
	return &Script{table: table, lines: []line{{text: "*" + table}}}
}

// Tag names the party on whose behalf the following lines are; a [RefusedError] carries it.
func (s *Script) Tag(tag any) { s.tag = tag }

// Empty reports whether the script changes nothing.
func (s *Script) Empty() bool { return len(s.lines) == 1 }

// Chain makes a chain of ours, or empties it if it is there.
func (s *Script) Chain(name string) {
	s.put(line{verb: declare, chain: name, text: ":" + name + " - [0:0]"})
}

// Append adds a rule, written as the tool prints it, at the end of a chain of ours.
func (s *Script) Append(chain, rule string) {
	s.put(line{verb: appendRule, chain: chain, rule: rule, text: "-A " + chain + " " + rule})
}

// Insert puts a rule in front of all others of a chain, which may be the kernel's.
func (s *Script) Insert(chain, rule string) {
	s.put(line{verb: insertRule, chain: chain, rule: rule, text: "-I " + chain + " " + rule})
}

// DeleteAt deletes the rule at a position, from 1.
func (s *Script) DeleteAt(chain string, position int) {
	s.put(line{verb: deleteRule, chain: chain, at: position, text: fmt.Sprintf("-D %s %d", chain, position)})
}

// DeleteChain deletes an empty chain of ours that nothing leads to.
func (s *Script) DeleteChain(name string) {
	s.put(line{verb: deleteChain, chain: name, text: "-X " + name})
}

func (s *Script) put(l line) {
	l.tag = s.tag
	s.lines = append(s.lines, l)
}

func (s *Script) text() string {
	var b strings.Builder
	for _, l := range s.lines {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	b.WriteString(commit + "\n")
	return b.String()
}

// String is the script as the tool reads it.
func (s *Script) String() string { return s.text() }
