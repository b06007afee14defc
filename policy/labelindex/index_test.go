// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package labelindex

import (
	"fmt"
	"testing"

	"github.com/weftnet/weft/policy/selector"
)

func TestInheritance(t *testing.T) {
	w := newWorld()
	w.updateSelector("s", "env == 'prod'")
	w.updateItem(1, selector.Map{}, "ns", "sa")
	w.updateItem(2, selector.Map{"env": "dev"}, "ns")
	steps := []struct {
		parent string
		labels selector.Map
		want   string
	}{
		{"sa", selector.Map{"env": "prod"}, "map[{s 1}:true]"}, // the second parent counts
		{"ns", selector.Map{"env": "dev"}, "map[]"},            // the first hides it
		{"ns", selector.Map{"env": "prod"}, "map[{s 1}:true]"}, // own labels hide the parent's
	}
	for _, s := range steps {
		w.parents[s.parent] = s.labels
		w.index.UpdateParent(s.parent, s.labels)
		if got := fmt.Sprint(w.matches); got != s.want {
			t.Errorf("after %s %v: %s, want %s", s.parent, s.labels, got, s.want)
		}
		if err := w.check(); err != nil {
			t.Error(err)
		}
	}
}

// TestSilence checks that updates without effect are not heard.
func TestSilence(t *testing.T) {
	w := newWorld()
	w.updateSelector("s", "a == 'x' && has(n)")
	w.index.UpdateParent("ns", selector.Map{"n": "1"})
	w.updateItem(1, selector.Map{"a": "x"}, "ns")
	if w.events != 1 {
		t.Fatalf("%d events, want 1", w.events)
	}
	w.updateItem(1, selector.Map{"a": "x"}, "ns")
	w.updateItem(1, selector.Map{"a": "x", "b": "y"}, "ns")
	w.index.UpdateParent("ns", selector.Map{"n": "2", "other": "z"})
	w.updateSelector("s", "a in {'x', 'y'}")
	w.updateSelector("s", "a  in {'y', 'x'}")
	w.index.DeleteItem(7)
	w.index.DeleteSelector("none")
	w.index.DeleteParent("none")
	if w.events != 1 {
		t.Errorf("%d events after updates without effect, want 1", w.events)
	}
}

// TestStartsBeforeStops checks the order that keeps a policy active while an item changes from one match to another.
func TestStartsBeforeStops(t *testing.T) {
	var log []string
	x := New(
		func(s string, i int) { log = append(log, "+"+s) },
		func(s string, i int) { log = append(log, "-"+s) },
	)
	for _, v := range []string{"1", "2"} {
		x.UpdateSelector(v, selector.Equal("a", v))
	}
	x.UpdateItem(1, Labels(selector.Map{"a": "1"}), nil)
	x.UpdateItem(1, Labels(selector.Map{"a": "2"}), nil)
	if got := fmt.Sprint(log); got != "[+1 +2 -1]" {
		t.Errorf("heard %s", got)
	}
}

// TestPlacement checks that a label which every selector asks for does not collect the selectors.
func TestPlacement(t *testing.T) {
	w := newWorld()
	for i := range 200 {
		w.updateSelector(fmt.Sprint(i), fmt.Sprintf("orchestrator == 'k8s' && ns == 'n%d' && has(app)", i))
	}
	w.updateItem(1, selector.Map{"orchestrator": "k8s", "ns": "n7", "app": "x"})
	common := condition{name: w.index.sels["0"].names[2]}
	if n := w.index.selectorLoad(common); common.name.Value() != "orchestrator" || n > 2 {
		t.Errorf("%d of 200 selectors are filed under %s", n, common.name.Value())
	}
	if err := w.check(); err != nil {
		t.Error(err)
	}
}
