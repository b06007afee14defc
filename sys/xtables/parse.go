// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// parse reads the output of iptables-save -c for one table: our chains and their rules, and the rules of others that lead to ours. All else is
// counted, to know positions, and not looked at.
func parse(out, table string) (*Table, error) {
	t := newTable()
	positions := map[string]int{}
	for text := range strings.Lines(out) {
		if err := t.line(strings.TrimSuffix(text, "\n"), table, positions); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Table) line(text, table string, positions map[string]int) error {
	switch {
	case strings.HasPrefix(text, "# ") && strings.Contains(text, "is incompatible"):
		return fmt.Errorf("%s: someone put rules in it that the iptables tools cannot read; delete those with the nft tool", strings.TrimPrefix(text, "# "))
	case strings.HasPrefix(text, "*") && text != "*"+table:
		return fmt.Errorf("output has table %q", text[1:])
	case strings.HasPrefix(text, ":"):
		name, _, found := strings.Cut(text[1:], " ")
		if !found {
			return fmt.Errorf("chain %q without a policy", text)
		}
		if ours(name) {
			t.Chains[name] = nil
		}
	case strings.HasPrefix(text, "["):
		return t.rule(text, positions)
	}
	return nil
}

// rule reads "[packets:bytes] -A CHAIN text".
func (t *Table) rule(text string, positions map[string]int) error {
	counters, rest, found := strings.Cut(text[1:], "] -A ")
	if !found {
		return fmt.Errorf("line %q is no rule", text)
	}
	chain, rule, _ := strings.Cut(rest, " ")
	positions[chain]++
	if !ours(chain) {
		if ours(target(rule)) {
			t.Jumps[chain] = append(t.Jumps[chain], Jump{positions[chain], rule})
		}
		return nil
	}
	if _, declared := t.Chains[chain]; !declared {
		return fmt.Errorf("rule of chain %s, which was not listed", chain)
	}
	packets, err := packetCount(counters)
	if err != nil {
		return fmt.Errorf("chain %s: %w", chain, err)
	}
	t.Chains[chain] = append(t.Chains[chain], Rule{packets, rule})
	return nil
}

func packetCount(counters string) (uint64, error) {
	packets, _, found := strings.Cut(counters, ":")
	n, err := strconv.ParseUint(packets, 10, 64)
	if err != nil || !found {
		return 0, errors.New("counters " + strconv.Quote(counters))
	}
	return n, nil
}

// parseListing reads what -S prints of chains: "-N CHAIN", then "-A CHAIN text" for each rule.
func parseListing(out string, chains []string) (map[string][]Rule, error) {
	held := map[string][]Rule{}
	for line := range strings.Lines(out) {
		verb, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, rule, _ := strings.Cut(rest, " ")
		switch verb {
		case "-N":
			held[name] = nil
		case "-A":
			held[name] = append(held[name], Rule{Text: rule})
		}
	}
	for _, name := range chains {
		if _, there := held[name]; !there {
			return nil, fmt.Errorf("chain %s is not there any more", name)
		}
	}
	return held, nil
}

// target is the chain that a rule leads to: the word behind a last -j or -g. A jump to a chain has no options behind it; a last word with a
// quote is the end of a comment.
func target(rule string) string {
	words := strings.Split(rule, " ")
	if n := len(words); n >= 2 && (words[n-2] == "-j" || words[n-2] == "-g") && !strings.Contains(words[n-1], `"`) {
		return words[n-1]
	}
	return ""
}
