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

// TestSourceCheck: the node's own configuration wins over the default one, others do not count, and without any nothing is to be done.
func TestSourceCheck(t *testing.T) {
	config := func(name, check string) api.Object {
		return ct.FelixConfig(name, func(s *v3.FelixConfigurationSpec) {
			if check != "" {
				s.AWSSrcDstCheck = &check
			}
		})
	}
	g := calc.New(ct.Me)
	for _, step := range []struct {
		change       calc.Change
		wanted, from string
	}{
		{changes(config("node.other", "Enable"))[0], "DoNothing", ""},
		{changes(config("default", "Disable"))[0], "Disable", "default"},
		{changes(config("node."+ct.Me, "Enable"))[0], "Enable", "node." + ct.Me},
		{changes(config("node."+ct.Me, ""))[0], "Disable", "default"},
		{deletions(config("default", ""))[0], "DoNothing", ""},
	} {
		g.Apply([]calc.Change{step.change})
		if got := g.SourceCheck(); got.Wanted != step.wanted || got.By.Name != step.from {
			t.Errorf("after %v: %+v; want %s of %q", step.change.Key, got, step.wanted, step.from)
		}
	}
}
