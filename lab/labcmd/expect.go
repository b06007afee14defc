// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/lab/probe"
)

// serviceFlags say what to send.
type serviceFlags struct {
	protocols []string
	port      int
}

func addServiceFlags(cmd *cobra.Command, protocols ...string) *serviceFlags {
	f := &serviceFlags{}
	cmd.Flags().StringSliceVarP(&f.protocols, "protocol", "p", protocols, "icmp, tcp, udp or sctp; may be repeated")
	cmd.Flags().IntVar(&f.port, "port", 5432, "port of tcp, udp and sctp")
	_ = cmd.RegisterFlagCompletionFunc("protocol", cobra.FixedCompletions([]string{"icmp", "tcp", "udp", "sctp"}, cobra.ShellCompDirectiveNoFileComp))
	return f
}

func (f *serviceFlags) services() ([]probe.Service, error) {
	if f.port < 1 || f.port > math.MaxUint16 {
		return nil, fmt.Errorf("--port %d is not in 1 to %d", f.port, math.MaxUint16)
	}
	var out []probe.Service
	for _, name := range f.protocols {
		text := strings.ToLower(name)
		if text != string(probe.ICMP) {
			text = fmt.Sprintf("%s:%d", text, f.port)
		}
		svc, err := probe.ParseService(text)
		if err != nil {
			return nil, fmt.Errorf("--protocol %s is none of icmp, tcp, udp, sctp", name)
		}
		out = append(out, svc)
	}
	return out, nil
}

// expectation is the value of --expect: a verdict, or nothing for what policy says.
type expectation string

func (e expectation) judge() (probe.Judge, error) {
	verdict, ok := map[expectation]probe.Verdict{"": probe.Unknown, "allow": probe.Allowed, "deny": probe.Denied}[e]
	if !ok {
		return nil, fmt.Errorf("--expect %s is neither allow nor deny", e)
	}
	if verdict == probe.Unknown {
		return nil, nil
	}
	return func(probe.Flow) (probe.Verdict, string) { return verdict, "asked for by --expect" }, nil
}

// mostTold bounds how many flows an error lists one by one.
const mostTold = 12

// mismatched is the error of a probe that went otherwise than expected.
func mismatched(m probe.Matrix) error {
	wrong := m.Mismatches()
	if len(wrong) == 0 {
		return nil
	}
	var lines strings.Builder
	for _, c := range wrong[:min(len(wrong), mostTold)] {
		lines.WriteString("\n  " + c.String())
	}
	if more := len(wrong) - mostTold; more > 0 {
		fmt.Fprintf(&lines, "\n  and %d more; -o json lists all", more)
	}
	return fmt.Errorf("%d of %d flows did not go as expected:%s", len(wrong), len(m.Cells), lines.String())
}
