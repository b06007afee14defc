// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc_test

import (
	"testing"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/calc"
	ct "github.com/weftnet/weft/calc/calctest"
)

// TestGoRuntime joins the node's own configuration, the default one and what holds without either, field by field.
func TestGoRuntime(t *testing.T) {
	own := func(name string, r v3.FelixRuntime) *v3.FelixConfiguration {
		return &v3.FelixConfiguration{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.FelixConfigurationSpec{FelixRuntime: r}}
	}
	put := func(obj *v3.FelixConfiguration) calc.Change { return calc.Change{Key: api.KeyOf(obj), Object: obj} }
	g := calc.New(ct.Me)
	for i, step := range []struct {
		change calc.Change
		want   calc.GoRuntime
	}{
		{put(own("node.other", v3.FelixRuntime{GoGCThreshold: new(1)})), calc.GoRuntime{GC: 40, Procs: -1, Memory: -1}},
		{put(own("default", v3.FelixRuntime{GoGCThreshold: new(60), GoMemoryLimitMB: new(300)})), calc.GoRuntime{GC: 60, Procs: -1, Memory: 300}},
		{put(own("node."+ct.Me, v3.FelixRuntime{GoGCThreshold: new(-1), GoMaxProcs: new(2)})), calc.GoRuntime{GC: -1, Procs: 2, Memory: 300}},
		{calc.Change{Key: api.Key{Resource: api.FelixConfigurations, Name: "node." + ct.Me}}, calc.GoRuntime{GC: 60, Procs: -1, Memory: 300}},
	} {
		g.Apply([]calc.Change{step.change})
		if got := g.GoRuntime(); got != step.want {
			t.Errorf("step %d: %+v, want %+v", i, got, step.want)
		}
	}
}
