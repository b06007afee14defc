// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/install"
)

func newUninstallPrint(env *Env) *cobra.Command {
	var doPrint, definitions, nodes bool
	var namespace, image string
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove weft from a Kubernetes cluster",
		Long: `Print what ` + "`weft install --print`" + ` has made, in the order in which kubectl is to delete it. Nothing is sent to a cluster.

What nodes have in force stays until ` + "`weft node uninstall`" + ` on each of them, once its agent is gone. --nodes prints what does that: applied before the rest is deleted, it
takes the place of the agents, and its pods are ready when nothing is left on their nodes. Drain the nodes before.`,
		Example: "  weft uninstall --print --nodes | kubectl apply --server-side --force-conflicts -f -\n  kubectl -n weft-system rollout status ds/weft-agent\n  weft uninstall --print | kubectl delete --ignore-not-found -f -\n  weft uninstall --print --crds | kubectl delete --ignore-not-found -f -",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !doPrint {
				return usagef("give --print: what is to be deleted is printed for `kubectl delete -f -`; see `weft uninstall --help`")
			}
			if err := checkNamespace(namespace); err != nil {
				return err
			}
			text, err := install.Removal(namespace, definitions)
			if nodes {
				text, err = install.Uninstaller(namespace, image)
			}
			if err == nil {
				_, err = env.Out.Write(text)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&doPrint, "print", false, "print what is to be deleted")
	cmd.Flags().StringVar(&namespace, "namespace", install.DefaultNamespace, "namespace that weft runs in")
	cmd.Flags().BoolVar(&nodes, "nodes", false, "print what takes weft off the nodes, to be applied first, not deleted")
	cmd.Flags().StringVar(&image, "image", install.Image, "image of deploy/Dockerfile; with --nodes")
	cmd.Flags().BoolVar(&definitions, "crds", false, "with the CustomResourceDefinitions, and so all pools, policies and other objects of theirs")
	cmd.MarkFlagsMutuallyExclusive("nodes", "crds")
	return cmd
}
