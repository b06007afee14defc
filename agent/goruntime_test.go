// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/weftnet/weft/calc"
)

func TestTuneGoRuntime(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"} {
		t.Setenv(name, "")
	}
	procs := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { tuneGoRuntime(calc.GoRuntime{GC: 100, Procs: procs, Memory: -1}) })
	now := func() calc.GoRuntime {
		gc := debug.SetGCPercent(100)
		debug.SetGCPercent(gc)
		return calc.GoRuntime{GC: gc, Procs: runtime.GOMAXPROCS(0), Memory: int(debug.SetMemoryLimit(-1) >> 20)}
	}
	tuneGoRuntime(calc.GoRuntime{GC: 55, Procs: 1, Memory: 512})
	if got := now(); got != (calc.GoRuntime{GC: 55, Procs: 1, Memory: 512}) {
		t.Errorf("%+v", got)
	}
	tuneGoRuntime(calc.DefaultGoRuntime())
	if got := now(); got != (calc.GoRuntime{GC: 40, Procs: procs, Memory: math.MaxInt64 >> 20}) {
		t.Errorf("by default: %+v, want 40 %%, %d CPUs and no limit", got, procs)
	}
	for _, name := range []string{"GOGC", "GOMEMLIMIT", "GOMAXPROCS"} {
		t.Setenv(name, "1")
	}
	before := now()
	tuneGoRuntime(calc.GoRuntime{GC: 70, Procs: 1, Memory: 100})
	if got := now(); got != before {
		t.Errorf("against the environment: %+v, want %+v", got, before)
	}
}
