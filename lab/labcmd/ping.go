// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/probe"
)

// watchEvery is the pause between two rounds of ping --watch.
const watchEvery = time.Second

func newPing() *cobra.Command {
	p := &pinger{}
	var expect string
	cmd := &cobra.Command{
		Use:   "ping NAME SRC DST",
		Short: "Probe one member from another and compare with policy",
		Long: `Send packets from SRC to DST in every address family and show what arrived, the round-trip time, and what policy says with its reason.
Members are workloads (web, or shop/web), nodes (n1) and the external host (ext). What is not as expected is tried again until --wait
has passed; the exit status is 1 when it stays so. With --watch, go on until interrupted.`,
		Example: `  weft lab ping tour web db
  weft lab ping tour api db --protocol tcp --port 5432 --expect allow
  weft lab ping tour ext web --protocol icmp --protocol udp --watch`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: completeNames,
	}
	output := addOutputFlag(cmd)
	services := addServiceFlags(cmd, "icmp")
	cmd.Flags().BoolVarP(&p.watch, "watch", "w", false, "repeat every second until interrupted")
	cmd.Flags().StringVar(&expect, "expect", "", "what must happen: allow or deny (default: what policy says)")
	addWaitFlag(cmd, &p.limit)
	_ = cmd.RegisterFlagCompletionFunc("expect", cobra.FixedCompletions([]string{"allow", "deny"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if p.format, err = output(); err != nil {
			return err
		}
		if p.judge, err = expectation(expect).judge(); err != nil {
			return err
		}
		what, err := services.services()
		if err != nil {
			return err
		}
		return withCrew(cmd.Context(), args[0], args[1:], what, p.limit, func(crew *lab.Crew) error {
			p.crew, p.out = crew, cmd.OutOrStdout()
			return p.run(cmd.Context(), crew.Members()[0], crew.Members()[1])
		})
	}
	return cmd
}

// addWaitFlag adds --wait.
func addWaitFlag(cmd *cobra.Command, into *time.Duration) {
	cmd.Flags().DurationVar(into, "wait", 5*time.Second, "try again for this long while something is not as expected")
}

// withCrew runs f with open sockets at members, after what is in the datastore is in force or limit has passed.
func withCrew(ctx context.Context, name string, members []string, services []probe.Service, limit time.Duration, f func(*lab.Crew) error) error {
	return withLab(name, func(l *lab.Lab) error {
		crew, err := l.Crew(ctx, members, services)
		if err != nil {
			return err
		}
		defer crew.Close()
		settling, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		// A cluster that does not converge, say because its datastore was stopped, is what the probes are to show.
		_ = l.Converge(settling)
		return f(crew)
	})
}

// pinger is one run of ping.
type pinger struct {
	crew   *lab.Crew
	judge  probe.Judge // nil: the datastore's
	out    io.Writer
	format printer.Format
	watch  bool
	limit  time.Duration
}

func (p *pinger) run(ctx context.Context, src, dst string) error {
	flows, err := p.crew.Between(src, dst)
	if err != nil {
		return err
	}
	if p.watch {
		return p.keepWatching(ctx, flows)
	}
	settling, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	m, err := p.crew.Settle(settling, flows, p.judge)
	if err != nil {
		return err
	}
	if err := p.write(m); err != nil {
		return err
	}
	return mismatched(m)
}

func (p *pinger) keepWatching(ctx context.Context, flows []probe.Flow) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		m, err := p.crew.Try(ctx, flows, p.judge)
		if ctx.Err() != nil {
			return nil // interrupted by the user
		}
		if err != nil {
			return err
		}
		if err := p.write(m); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *pinger) write(m probe.Matrix) error {
	if p.format == printer.FormatJSON {
		return printer.WriteValue(p.out, p.format, m)
	}
	for _, c := range m.Cells {
		stamp := ""
		if p.watch {
			stamp = time.Now().Format("15:04:05 ")
		}
		line := stamp + c.String()
		if c.RTT > 0 {
			line += fmt.Sprintf(" in %s", c.RTT.Round(time.Microsecond))
		}
		if c.Why != "" && !c.Mismatch() {
			line += " (" + c.Why + ")"
		}
		if _, err := fmt.Fprintln(p.out, line); err != nil {
			return err
		}
	}
	return nil
}
