// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labcmd

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/lab"
)

// newStore returns the hidden role that a lab runs its datastore with.
func newStore() *cobra.Command {
	var c lab.StoreConfig
	cmd := &cobra.Command{
		Use:    "store",
		Short:  "Run a lab's datastore (started by weft lab up)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.Socket == "" || (c.Dir == "") == (c.Remote == "") {
				return errors.New("weft lab store needs --socket, and either --dir or --remote")
			}
			return lab.RunStore(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&c.Socket, "socket", "", "unix socket to listen on")
	cmd.Flags().StringVar(&c.Dir, "dir", "", "data directory of an embedded etcd")
	cmd.Flags().StringVar(&c.Remote, "remote", "", "URL of the etcd server to forward to")
	return cmd
}
