// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package xtables programs iptables rules: Open the tool of one flavour, Save what a table holds of ours, Restore a [Script] of changes.
//
// Ours is what is in chains whose name starts with own.ChainPrefix, and the rules of other chains that lead there. Nothing else is
// parsed or touched: a script can only name such chains, and a table is never flushed.
package xtables

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/nft"
	"github.com/weftnet/weft/sys/own"
	"github.com/weftnet/weft/sys/proc"
)

// Flavour is which kernel interface the iptables tools speak to.
type Flavour string

// The flavours.
const (
	Legacy Flavour = "legacy" // x_tables
	NFT    Flavour = "nft"    // nf_tables, through its compatible tables
)

// ChainNameMax is the longest name of a chain in bytes (XT_EXTENSION_MAXNAMELEN less the closing zero).
const ChainNameMax = 28

// Tables is what a [Tool] and a [Fake] can do.
type Tables interface {
	// Save returns what a table holds of ours.
	Save(ctx context.Context, v6 bool, table string) (*Table, error)
	// Restore carries out a script: all of it, or nothing of it and a *RefusedError. It returns what the kernel then holds in the chains of ours
	// that back names, without counters.
	Restore(ctx context.Context, v6 bool, s *Script, back ...string) (map[string][]Rule, error)
	// Mine tells whether a sign is of a Restore that has returned.
	Mine(s Sign) bool
	Close() error
}

// Table is what one table holds of ours.
type Table struct {
	// Chains are our chains, by name.
	Chains map[string][]Rule
	// Jumps are the rules of other chains that lead to ours, by the name of the other chain.
	Jumps map[string][]Jump
}

func newTable() *Table { return &Table{Chains: map[string][]Rule{}, Jumps: map[string][]Jump{}} }

// Rule is one rule of a chain of ours.
type Rule struct {
	Packets uint64 // that it matched
	Text    string // as the tool prints it, behind "-A CHAIN "
}

// Jump is a rule of another chain that leads to a chain of ours.
type Jump struct {
	Position int // in its chain, from 1
	Text     string
}

// Tool runs the iptables tools in a network namespace. It implements Tables.
type Tool struct {
	flavour Flavour
	path    string
	ns      *netns.NS
	conn    *nft.Conn // to ask for generations; nil with legacy
	mine    recent

	lockSeconds int
}

// lockSeconds is how long a tool waits for another one that works on the tables.
const lockSeconds = 10

// resourceProblem is the tools' exit status when the lock, memory or a right is lacking, which says nothing about the script (RESOURCE_PROBLEM).
const resourceProblem = 4

// Path finds the program of a flavour. The error says what to install.
func Path(f Flavour) (string, error) {
	path, err := proc.Find("xtables-" + string(f) + "-multi")
	if err != nil {
		return "", fmt.Errorf("%w; install the package iptables, 1.8 or later", err)
	}
	return path, nil
}

// Open finds the tools of a flavour, for the network namespace of the calling thread.
func Open(f Flavour) (*Tool, error) {
	path, err := Path(f)
	if err != nil {
		return nil, err
	}
	ns, err := netns.Current()
	if err != nil {
		return nil, err
	}
	t := &Tool{flavour: f, path: path, ns: ns, lockSeconds: lockSeconds}
	if f == NFT {
		if t.conn, err = nft.Open(); err != nil {
			return nil, errors.Join(err, ns.Close())
		}
	}
	return t, nil
}

// Close implements Tables.
func (t *Tool) Close() error {
	if t.conn != nil {
		return errors.Join(t.conn.Close(), t.ns.Close())
	}
	return t.ns.Close()
}

// Save implements Tables.
func (t *Tool) Save(ctx context.Context, v6 bool, table string) (*Table, error) {
	if t.flavour == Legacy {
		// To ask the tool for a table that is not there would make it.
		if names, err := t.legacyTables(v6); err != nil || !slices.Contains(names, table) {
			return newTable(), err
		}
	}
	out, err := proc.Output(ctx, t.spec(program(v6, "save"), "-c", "-t", table))
	if err != nil {
		return nil, fmt.Errorf("%s of table %s: %w", program(v6, "save"), table, err)
	}
	held, err := parse(string(out), table)
	if err != nil {
		return nil, fmt.Errorf("%s of table %s: %w", program(v6, "save"), table, err)
	}
	return held, nil
}

// spec is a call of the tool. What the call does to the lock is known to be ours.
func (t *Tool) spec(args ...string) proc.Spec {
	spec := proc.Spec{Path: t.path, Args: args, Env: []string{"LC_ALL=C"}, NS: t.ns}
	if t.flavour == Legacy {
		spec.Started = func(pid int) { t.mine.add(Sign{uint32(pid)}) }
	}
	return spec
}

// Restore implements Tables.
func (t *Tool) Restore(ctx context.Context, v6 bool, s *Script, back ...string) (map[string][]Rule, error) {
	if s.Empty() && len(back) == 0 {
		return nil, nil
	}
	var stdout, stderr bytes.Buffer
	in := strings.NewReader(s.text() + listing(s.table, back))
	args := []string{program(v6, "restore"), "--noflush", "--wait", strconv.Itoa(t.lockSeconds)}
	err := t.noted(func() error { return proc.Run(ctx, t.spec(args...), proc.IO{In: in, Out: &stdout, Err: &stderr}) })
	if code, exited := proc.ExitCode(err); exited {
		if words := strings.TrimSpace(stderr.String()); code == resourceProblem {
			return nil, fmt.Errorf("iptables-restore: %s", cmp.Or(words, "no lock or no memory"))
		}
		return nil, refusal(s, strings.TrimSpace(stderr.String()), err)
	}
	if err != nil {
		return nil, err
	}
	return parseListing(stdout.String(), back)
}

// listing has the tool read the table from the kernel again, after the commit, and print chains: no second process is needed, nor the whole table.
func listing(table string, chains []string) string {
	if len(chains) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("*" + table + "\n")
	for _, name := range chains {
		b.WriteString("-S " + name + "\n")
	}
	b.WriteString(commit + "\n")
	return b.String()
}

func program(v6 bool, verb string) string {
	if v6 {
		return "ip6tables-" + verb
	}
	return "iptables-" + verb
}

// RefusedError is returned by Restore when the tool or the kernel refused a script: nothing of it is in force.
type RefusedError struct {
	// Tag is that of the line at fault (see [Script.Tag]); Known is false when the whole was refused without a line.
	Tag   any
	Known bool
	Line  string // of the script; empty unless Known
	Err   error
}

// Error has the tool's words.
func (e *RefusedError) Error() string {
	if e.Line == "" {
		return "iptables-restore: " + e.Err.Error()
	}
	return fmt.Sprintf("iptables-restore: %v: in %q", e.Err, e.Line)
}

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// refusal explains an exit status. It is none of the script when it comes of reading back, or of a chain that the tool cannot read: one that is gone, or
// that was written without it.
func refusal(s *Script, words string, err error) error {
	r := &RefusedError{Err: err}
	if words != "" {
		r.Err = errors.New(strings.Join(strings.Fields(words), " "))
	}
	n, ok := lineNumber(words)
	if ok && n > len(s.lines)+1 || strings.Contains(words, "is incompatible") { // one more line for the COMMIT
		return fmt.Errorf("iptables-restore: %w", r.Err)
	}
	if ok && n <= len(s.lines) {
		l := s.lines[n-1]
		r.Tag, r.Known, r.Line = l.tag, l.text != commit, l.text
	}
	return r
}

// lineNumber finds "line 5" or "line: 5" in what the tool says.
func lineNumber(words string) (int, bool) {
	for rest := words; ; {
		_, after, found := strings.Cut(rest, "line")
		if !found {
			return 0, false
		}
		digits := strings.TrimLeft(after, ": ")
		end := strings.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' })
		if end < 0 {
			end = len(digits)
		}
		if n, err := strconv.Atoi(digits[:end]); err == nil && n > 0 {
			return n, true
		}
		rest = after
	}
}

func ours(chain string) bool { return strings.HasPrefix(chain, own.ChainPrefix) }
