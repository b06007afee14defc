// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/bench/measure"
	"github.com/weftnet/weft/sys/proc"
)

// patience is how long a person watches the demo, in seconds.
const patience = 40

// demo runs the demo with everything installed and built, as its second run is.
func demo(ctx context.Context, bin string) ([]measure.Row, error) {
	start := time.Now()
	if _, err := proc.Output(ctx, proc.Spec{Path: filepath.Join(bin, "weft"), Args: []string{"lab", "demo"}}); err != nil {
		return nil, err
	}
	return []measure.Row{measure.Limit("demo, second run", time.Since(start).Seconds(), patience, measure.Duration)}, nil
}
