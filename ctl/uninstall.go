// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/install"
)

func newUninstallPrint(env *Env) *cobra.Command {
	var doPrint, definitions bool
	var namespace string
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove weft from a Kubernetes cluster",
		Long: `Print what ` + "`weft install --print`" + ` has made, in the order in which kubectl is to delete it. Nothing is sent to a cluster.

What nodes have in force stays until ` + "`weft node uninstall`" + ` on each of them, once its agent is gone.`,
		Example: "  weft uninstall --print | kubectl delete --ignore-not-found -f -\n  weft uninstall --print --crds | kubectl delete --ignore-not-found -f -",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !doPrint {
				return usagef("give --print: what is to be deleted is printed for `kubectl delete -f -`; see `weft uninstall --help`")
			}
			if err := checkNamespace(namespace); err != nil {
				return err
			}
			text, err := install.Removal(namespace, definitions)
			if err == nil {
				_, err = env.Out.Write(text)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&doPrint, "print", false, "print what is to be deleted")
	cmd.Flags().StringVar(&namespace, "namespace", install.DefaultNamespace, "namespace that weft runs in")
	cmd.Flags().BoolVar(&definitions, "crds", false, "with the CustomResourceDefinitions, and so all pools, policies and other objects of theirs")
	return cmd
}
