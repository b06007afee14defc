// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Command weftbench measures weft beside its peers and prints one table; `make bench` runs it.
//
// Each figure is the median of interleaved runs and is judged by its ratio to a named peer or limit measured in the same run. The exit
// status is 1 when a row misses its target.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/weftnet/weft/bench/calcbench"
	"github.com/weftnet/weft/bench/cnibench"
	"github.com/weftnet/weft/bench/filterbench"
	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/memorybench"
	"github.com/weftnet/weft/bench/pathbench"
	"github.com/weftnet/weft/bench/policybench"
	"github.com/weftnet/weft/bench/reachbench"
	"github.com/weftnet/weft/lab"
)

// section is a group of rows that is measured together.
type section struct {
	name string
	run  func(ctx context.Context, bin string) ([]measure.Row, error)
	// inside tells that it is one of those that the section vm runs in the emulated machine. Elsewhere it runs only when asked for by name.
	inside bool
}

var sections = []section{
	{name: "cni", run: func(ctx context.Context, bin string) ([]measure.Row, error) {
		return cnibench.Run(ctx, cnibench.Config{Bin: bin, Ref: bin + "/ref", Rounds: 40})
	}},
	{name: "policy", run: func(ctx context.Context, _ string) ([]measure.Row, error) {
		return policybench.Run(ctx, 10_000, 100_000)
	}},
	{name: "iptables", run: func(ctx context.Context, _ string) ([]measure.Row, error) {
		return policybench.RunIPTables(ctx, 10_000, 100_000)
	}},
	{name: "calc", run: func(ctx context.Context, _ string) ([]measure.Row, error) { return calcbench.Run(ctx) }},
	{name: "path", run: func(ctx context.Context, bin string) ([]measure.Row, error) {
		return pathbench.Run(ctx, pathConfig(bin))
	}},
	{name: "filter", run: func(ctx context.Context, _ string) ([]measure.Row, error) {
		return filterbench.Run(ctx, filterbench.Config{Rounds: 40, Each: 100 * time.Millisecond})
	}},
	{name: "reach", run: reach},
	{name: "memory", run: memorybench.Run},
	{name: "demo", run: demo},
	{name: "kube", run: kube},
	{name: "vm", run: vm},
	{name: string(lab.IPIP), run: tunnel(lab.IPIP), inside: true},
	{name: string(lab.WireGuard), run: tunnel(lab.WireGuard), inside: true},
}

// reach is how other nodes are reached: through a tunnel, and how the ways there come into the kernel.
func reach(ctx context.Context, bin string) ([]measure.Row, error) {
	ways, err := reachbench.Run(ctx, 10_000)
	if err != nil {
		return nil, err
	}
	tunnels, err := pathbench.RunTunnel(ctx, pathConfig(bin), lab.VXLAN)
	return append(ways, tunnels...), err
}

func pathConfig(bin string) pathbench.Config {
	return pathbench.Config{Bin: bin, Rounds: 45, Each: 100 * time.Millisecond, Patience: 10 * time.Second}
}

func main() {
	bin := flag.String("bin", "bin", "directory of the built programs")
	only := flag.String("only", "", "comma-separated sections to run instead of all")
	asJSON := flag.Bool("json", false, "print each row as JSON, and do not judge it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *bin, *only, *asJSON); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, only string, asJSON bool) error {
	var rows []measure.Row
	var failed error // other sections are measured and told all the same
	for _, s := range sections {
		if named := strings.Contains(","+only+",", ","+s.name+","); !named && (only != "" || s.inside) {
			continue
		}
		fmt.Fprintln(os.Stderr, "measuring", s.name)
		more, err := s.run(ctx, bin)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.name, err))
		}
		if ctx.Err() != nil {
			break
		}
		rows = append(rows, more...)
	}
	if asJSON {
		return errors.Join(measure.WriteJSON(os.Stdout, rows...), failed)
	}
	missed, err := measure.Print(os.Stdout, rows)
	if missed > 0 {
		failed = errors.Join(failed, fmt.Errorf("%d of %d rows miss their target", missed, len(rows)))
	}
	return errors.Join(err, failed)
}
