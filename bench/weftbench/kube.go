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

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/sys/proc"
)

// kube has the benchmark of test/kube/cluster measure how pods start under real kubelets. Where there can be no cluster it says why, and measures nothing.
func kube(ctx context.Context, bin string) ([]measure.Row, error) {
	peers, err := filepath.Abs(filepath.Join(bin, "ref"))
	if err != nil {
		return nil, err
	}
	out, err := proc.Output(ctx, proc.Spec{
		Path: "go", Args: []string{"test", "-run", "^$", "-bench", ".", "-benchtime", "1x", "-timeout", "60m", "-v", "./test/kube/cluster"},
		Env: []string{"WEFT_PEERS=" + peers},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, lastLines(out))
	}
	if reason, _, skipped := strings.Cut(string(out), "--- SKIP"); skipped {
		fmt.Fprintf(os.Stderr, "kube: not measured: %s\n", reason[strings.LastIndex(strings.TrimSpace(reason), "\n")+1:])
		return nil, nil
	}
	return measure.ReadJSON(bytes.NewReader(out))
}
