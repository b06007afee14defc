// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"

	"github.com/weftnet/weft/store"
)

func batchOf(revision int64, events ...store.Event) store.Batch {
	return store.Batch{Revision: revision, Events: events}
}

func put(pod string, revision int64) store.Event {
	return store.Event{Key: keyOf(pod), Object: endpoint(pod, "10.0.0.1/32"), Revision: revision}
}

// A new endpoint must not count as programmed because an older object of the same name was.
func TestALocalRevisionIsAboveTheDatastores(t *testing.T) {
	in := newInputs()
	in.fromStore(batchOf(5000, put("a", 5000)))
	if c := in.putLocal(keyOf("a"), endpoint("a", "10.0.0.2/32")); c.Revision <= 5000 || !c.Local {
		t.Errorf("local change %+v; want it local, above revision 5000", c)
	}
}

func TestEchoesOfLocalEndpointsAreKeptApart(t *testing.T) {
	in := newInputs()
	in.putLocal(keyOf("a"), endpoint("a", "10.0.0.1/32"))
	changes, echoes := in.fromStore(batchOf(8, put("a", 8), put("b", 8)))
	if len(changes) != 1 || changes[0].Key != keyOf("b") || len(echoes) != 1 || echoes[0].Key != keyOf("a") {
		t.Errorf("changes %v, echoes %v", changes, echoes)
	}
}

// A deletion confirmed late must not give away the key of the endpoint that has taken its place.
func TestForgetLeavesASuccessorAlone(t *testing.T) {
	in := newInputs()
	in.putLocal(keyOf("a"), endpoint("a", "10.0.0.1/32"))
	dropped := in.dropLocal(keyOf("a"))
	in.putLocal(keyOf("a"), endpoint("a", "10.0.0.2/32"))
	in.forget(keyOf("a"), dropped.Revision, 7)
	if changes, _ := in.fromStore(batchOf(8, store.Event{Key: keyOf("a"), Revision: 8})); len(changes) != 0 {
		t.Errorf("the datastore took out a local endpoint: %v", changes)
	}
}

func TestAWatchBehindTheDeletionBringsNothingBack(t *testing.T) {
	in := newInputs()
	in.putLocal(keyOf("a"), endpoint("a", "10.0.0.1/32"))
	dropped := in.dropLocal(keyOf("a"))
	in.forget(keyOf("a"), dropped.Revision, 7)
	if changes, _ := in.fromStore(batchOf(7, put("a", 7))); len(changes) != 0 {
		t.Errorf("the deleted object came back: %v", changes)
	}
	if changes, _ := in.fromStore(batchOf(9, put("a", 9))); len(changes) != 1 {
		t.Error("a newer object of somebody else was ignored")
	}
	if len(in.buried) != 0 || len(in.local) != 0 {
		t.Errorf("left over: buried %v, local %v", in.buried, in.local)
	}
}
