// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/lab"
)

func newUp() *cobra.Command {
	var spec lab.Spec
	var families string
	cmd := &cobra.Command{
		Use:   "up NAME",
		Short: "Make a lab",
		Long: `Make a lab: nodes with an agent each, an underlay of one or two subnets, IP pools and a datastore. With two subnets, or --tor, the router
between them runs BIRD: it peers with every node, announces the network of an external host and learns the nodes' blocks.`,
		Example: `  weft lab up tour --nodes 3 --subnets 2
  weft lab up six --families ipv6
  weft lab up far --remote-etcd http://10.0.0.1:2379`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if spec.Nodes < 1 || spec.Subnets < 1 { // zero would be a default of the Spec, which nobody means who writes it
				return fmt.Errorf("lab %s: --nodes and --subnets are 1 or more, not %d and %d", args[0], spec.Nodes, spec.Subnets)
			}
			spec.Name, spec.Families = args[0], lab.Families(families)
			spec.Progress = func(line string) { fmt.Fprintln(cmd.ErrOrStderr(), line) }
			if _, err := lab.Sweep(cmd.Context()); err != nil {
				return err
			}
			l, err := lab.Up(cmd.Context(), spec)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Lab %[1]s is up. To work with it:\n  eval \"$(weft lab env %[1]s)\"\n", l.Name())
			return l.Close()
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&spec.Nodes, "nodes", 3, "number of nodes; they are called n1, n2, ...")
	flags.IntVar(&spec.Subnets, "subnets", 1, "subnets of the underlay, 1 or 2")
	flags.StringVar(&families, "families", string(lab.Dual), "address families: dual, ipv4, ipv6")
	flags.StringSliceVar(&spec.Pools, "pool", nil, "CIDR of an IP pool; may be repeated (default 10.65.0.0/16 and fd65::/64)")
	flags.StringVar(&spec.RemoteEtcd, "remote-etcd", "", "use the etcd server at this URL (default: an etcd of the lab's own)")
	flags.BoolVar(&spec.MeshOff, "mesh-off", false, "no full mesh of BGP sessions between the nodes")
	flags.BoolVar(&spec.ToR, "tor", false, "run BIRD on the router in a lab with one subnet too")
	flags.BoolVar(&spec.Controllers, "controllers", false, "run the controllers of the cluster, for automatic host endpoints")
	_ = cmd.RegisterFlagCompletionFunc("families", cobra.FixedCompletions([]string{"dual", "ipv4", "ipv6"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down NAME",
		Short: "Remove a lab with all it made",
		Long: `Remove a lab: its processes, network namespaces and files. It works from names and marks, so it also removes a lab that is half made,
and labs that other runs left behind when they were killed. A lab that does not exist is no error.`,
		Example:           "  weft lab down tour",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := lab.Down(cmd.Context(), args[0])
			switch {
			case err == nil:
				fmt.Fprintf(cmd.OutOrStdout(), "Lab %s is removed.\n", args[0])
			case errors.Is(err, lab.ErrNotFound):
				fmt.Fprintf(cmd.OutOrStdout(), "There is no lab %s.\n", args[0])
			default:
				return err
			}
			swept, err := lab.Sweep(cmd.Context())
			for _, s := range swept {
				fmt.Fprintf(cmd.OutOrStdout(), "Lab %s, left behind by a run that was interrupted, is removed too.\n", s)
			}
			return err
		},
	}
}

func newEnv() *cobra.Command {
	return &cobra.Command{
		Use:               "env NAME",
		Short:             "Print the environment that points weft at a lab's datastore and agents",
		Example:           "  eval \"$(weft lab env tour)\"\n  weft get nodes\n  weft node status --node n1",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withLab(args[0], func(l *lab.Lab) error {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "export ETCD_ENDPOINTS=%s\nexport WEFT_AGENT_SOCKET='%s'\n", l.StoreEndpoint(),
					filepath.Join(l.NodeDir("{node}"), "agent.sock"))
				return err
			})
		},
	}
}
