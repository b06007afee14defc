// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

// Others is what others have put in the tables of one flavour.
type Others struct {
	// Kube: chains of Kubernetes are there. kubelet makes some in the flavour that the host uses, for others to see.
	Kube bool
	// Rules is how many rules there are that are not ours.
	Rules int
}

// LookAtOthers counts what others have in the tables of a flavour, in the network namespace of the calling thread. Of rules it reads no more than the
// names of their chains.
func LookAtOthers(ctx context.Context, f Flavour) (Others, error) {
	path, err := Path(f)
	if err != nil {
		return Others{}, err
	}
	ns, err := netns.Current()
	if err != nil {
		return Others{}, err
	}
	defer func() { _ = ns.Close() }()
	t := &Tool{flavour: f, path: path, ns: ns}
	var all Others
	for _, v6 := range []bool{false, true} {
		tables, err := t.present(v6)
		if err != nil {
			return all, err
		}
		for _, args := range tables {
			out, err := proc.Output(ctx, proc.Spec{Path: path, Args: append([]string{program(v6, "save")}, args...), Env: []string{"LC_ALL=C"}, NS: ns})
			if err != nil {
				return all, fmt.Errorf("%s: %w", program(v6, "save"), err)
			}
			all.count(string(out))
		}
	}
	return all, nil
}

// present lists the arguments of the calls that print all tables. Legacy tables are asked for one by one, and only those that are there.
func (t *Tool) present(v6 bool) ([][]string, error) {
	if t.flavour == NFT {
		return [][]string{nil}, nil
	}
	names, err := t.legacyTables(v6)
	var out [][]string
	for _, name := range names {
		out = append(out, []string{"-t", name})
	}
	return out, err
}

// legacyTables lists the legacy tables that the kernel has.
func (t *Tool) legacyTables(v6 bool) (names []string, err error) {
	path := "/proc/thread-self/net/ip_tables_names"
	if v6 {
		path = "/proc/thread-self/net/ip6_tables_names"
	}
	err = t.ns.Do(func() error {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nor the module
		}
		names = strings.Fields(string(text))
		return err
	})
	return names, err
}

func (o *Others) count(out string) {
	for line := range strings.Lines(out) {
		if name, found := strings.CutPrefix(line, ":"); found && strings.HasPrefix(name, "KUBE-") {
			o.Kube = true
		}
		rest, found := strings.CutPrefix(line, "-A ")
		if !found {
			continue
		}
		chain, rule, _ := strings.Cut(strings.TrimSuffix(rest, "\n"), " ")
		if !ours(chain) && !ours(target(rule)) {
			o.Rules++
		}
	}
}
