// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package demo is `weft lab demo`: Run makes a cluster, shows what weft does in a few steps with real packets, and says whether everything
// went as it must.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weftnet/weft/lab"
)

// Options say how the demo is run.
type Options struct {
	Out io.Writer
	// Colour adds ANSI colours for a terminal.
	Colour bool
	// Keep leaves the lab up at the end.
	Keep bool
	// Bin is the directory of the programs; see lab.Spec.
	Bin string
	// Name of the lab. Default "demo".
	Name string
}

// stepLimit bounds each step.
const stepLimit = 60 * time.Second

// ErrUnexpected says that something did not go as it must; the output tells what.
var ErrUnexpected = errors.New("the demo did not go as expected")

// demo is one run.
type demo struct {
	Options
	lab *lab.Lab
	// held and broken count the expectations.
	held, broken int
}

// step is one thing that is shown.
type step struct {
	title string
	// what it does, in a line.
	what string
	run  func(ctx context.Context, d *demo) error
}

// Run runs the demo. The error Is ErrUnexpected when an expectation did not hold.
func Run(ctx context.Context, o Options) error {
	d := &demo{Options: o}
	if d.Name == "" {
		d.Name = "demo"
	}
	begin := time.Now()
	err := d.steps(ctx)
	if err == nil && d.broken > 0 {
		err = fmt.Errorf("%w: %d of %d expectations did not hold", ErrUnexpected, d.broken, d.held+d.broken)
	}
	if d.lab == nil {
		return err
	}
	if d.Keep && err == nil {
		d.summary(time.Since(begin))
		return d.lab.Close()
	}
	// The lab must go even when the demo was interrupted.
	if downErr := d.lab.Down(context.WithoutCancel(ctx)); downErr != nil {
		return errors.Join(err, downErr)
	}
	if err == nil {
		d.summary(time.Since(begin))
	}
	return err
}

// steps runs the script until a step fails. An expectation that does not hold fails no step: the rest is worth seeing.
func (d *demo) steps(ctx context.Context) error {
	for i, s := range script {
		d.printf("\n%s %s\n", d.bold(fmt.Sprintf("%d/%d %s.", i+1, len(script), s.title)), s.what)
		limited, cancel := context.WithTimeout(ctx, stepLimit)
		begin := time.Now()
		err := s.run(limited, d)
		cancel()
		d.printf("  %s\n", d.paint("2", fmt.Sprintf("(%.1f s)", time.Since(begin).Seconds())))
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.title, err)
		}
	}
	return nil
}

// expect prints and counts an expectation; detail explains one that did not hold.
func (d *demo) expect(held bool, what, detail string) {
	if held {
		d.held++
		d.printf("  %s %s\n", d.paint("32", "✓"), what)
		return
	}
	d.broken++
	d.printf("  %s %s: %s\n", d.paint("1;31", "✗ NOT"), what, detail)
}

func (d *demo) summary(took time.Duration) {
	d.printf("\n%s All %d expectations held, in %.1f s.\n", d.paint("32", "✓"), d.held, took.Seconds())
	if d.Keep {
		d.printf(kept, d.Name)
		return
	}
	d.printf("%s", next)
}

// next is where to go from here.
const next = `The cluster is removed; nothing is left on this machine.

Where to go next:
  README.md               a ten-minute tour: the same cluster, at your own pace
  weft lab demo --keep    leave the cluster up and look inside
  docs/reference/         every kind with every field
  docs/architecture.md    how it is built, and why
`

// kept is what to try in a lab that is left up.
const kept = `The cluster is still up. Try:
  eval "$(weft lab env %[1]s)"; weft get workloadendpoints -A
  weft lab matrix %[1]s
  weft node status --socket /run/weft-lab/%[1]s/n1/agent.sock
  weft lab exec %[1]s n3 -- nft list table inet weft
  weft lab down %[1]s     when you are done
`

// printf writes to the output. Nobody can be told when that fails.
func (d *demo) printf(format string, args ...any) { _, _ = fmt.Fprintf(d.Out, format, args...) }

func (d *demo) bold(s string) string { return d.paint("1", s) }

// paint sets an ANSI style where colours are wanted.
func (d *demo) paint(style, s string) string {
	if !d.Colour {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}
