// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"cmp"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// GoRuntime is how the agent's Go runtime is to be tuned (goGCThreshold, goMaxProcs, goMemoryLimitMB).
type GoRuntime struct {
	GC     int // garbage at most, in percent of what is in use; -1: none is collected
	Procs  int // CPUs used at once; -1: the runtime decides
	Memory int // soft limit in MiB; -1: none
}

// DefaultGoRuntime returns what holds where no FelixConfiguration says otherwise.
func DefaultGoRuntime() GoRuntime { return joinGoRuntime() }

// goRuntimes joins what FelixConfigurations say of it. The node's own wins over the one named default.
type goRuntimes struct {
	own    string
	byName map[string]v3.FelixRuntime
	last   GoRuntime
}

func newGoRuntimes(self string) goRuntimes {
	return goRuntimes{own: "node." + self, byName: map[string]v3.FelixRuntime{}, last: DefaultGoRuntime()}
}

func (s *goRuntimes) put(key api.Key, obj *v3.FelixConfiguration) {
	s.byName[key.Name] = obj.Spec.FelixRuntime
	s.join()
}

func (s *goRuntimes) remove(key api.Key) {
	delete(s.byName, key.Name)
	s.join()
}

func (s *goRuntimes) join() { s.last = joinGoRuntime(s.byName[s.own], s.byName["default"]) }

// joinGoRuntime joins configurations, the strongest first.
func joinGoRuntime(layers ...v3.FelixRuntime) GoRuntime {
	all := &v3.FelixConfiguration{}
	r := &all.Spec.FelixRuntime
	for _, l := range layers {
		r.GoGCThreshold, r.GoMaxProcs = cmp.Or(r.GoGCThreshold, l.GoGCThreshold), cmp.Or(r.GoMaxProcs, l.GoMaxProcs)
		r.GoMemoryLimitMB = cmp.Or(r.GoMemoryLimitMB, l.GoMemoryLimitMB)
	}
	v3.SetDefaults(all)
	return GoRuntime{GC: *r.GoGCThreshold, Procs: *r.GoMaxProcs, Memory: *r.GoMemoryLimitMB}
}
