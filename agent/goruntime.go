// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/weftnet/weft/calc"
)

// tuneGoRuntime puts settings in force at once. What the environment states, by Go's own variables, stands.
func tuneGoRuntime(s calc.GoRuntime) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(s.GC)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		limit := int64(math.MaxInt64)
		if s.Memory >= 0 {
			limit = int64(s.Memory) << 20
		}
		debug.SetMemoryLimit(limit)
	}
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	if s.Procs > 0 {
		runtime.GOMAXPROCS(s.Procs)
	} else {
		runtime.SetDefaultGOMAXPROCS()
	}
}
