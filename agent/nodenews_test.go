// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

func TestNodeNews(t *testing.T) {
	node := func(revision, cluster string) store.Event {
		return store.Event{Key: nodeKey, Object: &v3.Node{
			ObjectMeta: v3.ObjectMeta{Name: "n1", ResourceVersion: revision}, Spec: v3.NodeSpec{BGP: &v3.NodeBGPSpec{RouteReflectorClusterID: cluster}},
		}}
	}
	gone, bad := store.Event{Key: nodeKey}, store.Event{Key: nodeKey, Err: errors.New("not readable")}
	var news nodeNews
	for i, step := range []struct {
		event store.Event
		want  bool
	}{
		{node("1", ""), true}, {node("2", ""), false}, {node("3", ""), false}, {node("4", "244.0.0.1"), true}, {node("5", "244.0.0.1"), false},
		{gone, true}, {node("6", "244.0.0.1"), true}, {bad, true}, {node("7", "244.0.0.1"), true}, {node("8", "244.0.0.1"), false},
	} {
		if got := news.in(step.event); got != step.want {
			t.Errorf("event %d: news %v, want %v", i, got, step.want)
		}
	}
}
