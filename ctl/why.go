// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/ctl/why"
)

func newWhy(env *Env, options *datastoreOptions) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "why SRC DST[:PORT[/PROTOCOL]]",
		Short: "Explain what policy does with a flow, and what decided",
		Long: `Explain what policy does with a flow, at both ends: the verdict, the tier, policy and rule that decided, the labels by which the rule meant
the flow, or the policies that isolate the endpoint when no rule meant it.

SRC and DST are NAMESPACE/POD, the name of a node, or an IP address, which may be outside the cluster. PORT is a number or the name of a port of
DST; without it the answer says which ports differ. PROTOCOL is TCP unless stated. For ICMP write DST:icmp or DST:icmp:TYPE/CODE, and for an
IPv6 address [ADDRESS]:PORT.

If the agents of the nodes can be reached, the answer says how many packets the rule has decided and which connections of the flow are open. Only
the own node's can, unless --socket has {node} in place of the node's name, as in a lab: /run/weft-lab/demo/{node}/agent.sock.

With --offline the answer comes from manifests alone: Pods, Namespaces, policies of Kubernetes and Calico, tiers, network sets, endpoints. Other
kinds are left out. Namespaces and service accounts that are not in the files are assumed without labels, and a pod without status.podIP has an
address that no address block lists.

Exit status 0: allowed. 3: denied. Others are errors.`,
		Example: `  weft why shop/web shop/db:5432
  weft why shop/web shop/api:http -o json
  weft why ops/probe n1:icmp
  weft why 198.51.100.7 shop/web:443
  weft why --offline -f manifests/ shop/web shop/db:53/UDP`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeEnds(options),
	}
	from := addOriginFlags(cmd, env, options)
	socket := addSocketFlag(cmd, env)
	addOutputFlag(cmd, &output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		format, err := printer.Parse(output, printer.FormatTable, printer.FormatYAML, printer.FormatJSON)
		if err != nil {
			return usagef("%w", err)
		}
		dst, service, err := why.ParseDestination(args[1])
		if err != nil {
			return usagef("%w", err)
		}
		c, err := from.cluster(cmd)
		if err != nil {
			return err
		}
		answer, err := why.Ask(c, args[0], dst, service)
		if err != nil {
			return err
		}
		if !from.offline {
			askAgents(cmd.Context(), answer, socket())
		}
		if err := printAnswer(env, format, answer); err != nil {
			return err
		}
		if answer.Verdict == why.Deny {
			return &exitError{ExitVerdict, errSaid}
		}
		return nil
	}
	return cmd
}

// cluster reads the objects from where the flags say.
func (o *origin) cluster(cmd *cobra.Command) (*cluster.Cluster, error) {
	switch {
	case o.offline:
		return o.written(*o.files)
	case len(*o.files) > 0:
		return nil, usagef("-f goes with --offline here: without it the answer is about what is stored")
	}
	return o.stored(cmd.Context())
}

func printAnswer(env *Env, format printer.Format, a *why.Answer) error {
	if format == printer.FormatTable {
		return a.Write(env.Out)
	}
	return printer.WriteValue(env.Out, format, a)
}
