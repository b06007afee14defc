// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	return readJSON(bytes.NewReader(out))
}

// rowMark begins a line with a row: the console of the machine has others.
const rowMark = "row "

// printJSON prints rows for readJSON.
func printJSON(w io.Writer, rows []measure.Row) error {
	for _, r := range rows {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s\n", rowMark, text); err != nil {
			return err
		}
	}
	return nil
}

func readJSON(r io.Reader) (rows []measure.Row, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), rowMark)
		if !ok {
			continue
		}
		var row measure.Row
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			return nil, fmt.Errorf("row %q: %w", text, err)
		}
		row.Work = "in the VM, " + row.Work
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("the machine has printed no row")
	}
	return rows, nil
}

// lastLines is the end of what a machine has said.
func lastLines(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
