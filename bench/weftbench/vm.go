// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/bench/pathbench"
	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/sys/proc"
)

// tunnel measures a tunnel that this kernel may lack, and that the emulated machine has. Everything takes its time there.
func tunnel(mode lab.Mode) func(context.Context, string) ([]measure.Row, error) {
	return func(ctx context.Context, bin string) ([]measure.Row, error) {
		return pathbench.RunTunnel(ctx, pathbench.Config{Bin: bin, Rounds: 9, Each: time.Second, Patience: 2 * time.Minute}, mode)
	}
}

// vm has the emulated machine of tools/vm.sh measure IP-in-IP and WireGuard. Where there can be none it says why, and measures nothing.
func vm(ctx context.Context, bin string) ([]measure.Row, error) {
	if out, err := proc.Output(ctx, proc.Spec{Path: "tools/setup.sh", Args: []string{"vm"}}); err != nil {
		fmt.Fprintf(os.Stderr, "vm: not measured, there is no QEMU machine: %v %s\n", err, out)
		return nil, nil
	}
	out, err := proc.Output(ctx, proc.Spec{Path: "tools/vm.sh", Args: []string{filepath.Join(bin, "weftbench"), "-bin", bin, "-only", "ipip,wireguard", "-json"}})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, lastLines(out))
	}
	rows, err := measure.ReadJSON(bytes.NewReader(out))
	for i := range rows {
		rows[i].Work = "in the VM, " + rows[i].Work
	}
	return rows, err
}

// lastLines is the end of what a machine has said.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
