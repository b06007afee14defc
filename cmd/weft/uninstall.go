// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/agent/cniinstall"
	"github.com/weftnet/weft/agent/uninstall"
	"github.com/weftnet/weft/ctl"
)

// newUninstall returns `weft node uninstall`.
func newUninstall(env *ctl.Env) *cobra.Command {
	var stateDir, inputs string
	var cni cniinstall.Options
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take all that weft has made off this node",
		Long: `Remove routes, tunnel devices, nftables and iptables rules and IP sets of weft, give kernel parameters the values back that they had before the
agent's first start, and delete the agent's files, the CNI plugin and its configuration. What does not carry weft's mark is not touched. The kernel's own tunl0 keeps the
IPv6 parameters and the queueing discipline that it got when it first came up.

Stop the agent first, and delete or drain the workloads of this node. It does not matter how the agent ended. The cluster goes on knowing the
node until ` + "`weft delete node NAME`" + `.`,
		Example: "  weft node uninstall --dry-run\n  weft node uninstall\n  weft node uninstall --yes --state-dir /run/weft",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			node, err := uninstall.Open(stateDir, cacheDir(inputs, stateDir), cni, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, node.Close()) }()
			items, err := node.Find(cmd.Context())
			if err != nil {
				return err
			}
			for _, item := range items {
				for _, line := range item.Lines {
					fmt.Fprintln(env.Out, line)
				}
			}
			switch {
			case len(items) == 0:
				fmt.Fprintln(env.Out, "nothing of weft is left on this node")
				return nil
			case dryRun:
				fmt.Fprintln(env.Out, "nothing was removed (--dry-run)")
				return nil
			case !yes && !confirmed(env):
				return errors.New("nothing was removed; answer yes, or give --yes")
			}
			if err := uninstall.Remove(cmd.Context(), items); err != nil {
				return fmt.Errorf("not all is removed, run the command again: %w", err)
			}
			fmt.Fprintln(env.Out, "removed")
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&stateDir, "state-dir", defaultStateDir, "the agent's directory for sockets and endpoint records")
	addCacheDir(flags, &inputs)
	flags.StringVar(&cni.ConfDir, "cni-conf-dir", "/etc/cni/net.d", "where the agent installed its CNI configuration")
	flags.StringVar(&cni.BinDir, "cni-bin-dir", "/opt/cni/bin", "where the agent installed the CNI plugin")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	flags.BoolVar(&dryRun, "dry-run", false, "print what would be removed, and remove nothing")
	return cmd
}

// confirmed asks.
func confirmed(env *ctl.Env) bool {
	fmt.Fprint(env.Out, "Remove all of this? [yes/no] ")
	answer, err := bufio.NewReader(env.In).ReadString('\n')
	return (err == nil || errors.Is(err, io.EOF)) && strings.TrimSpace(answer) == "yes"
}
