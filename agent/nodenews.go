// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"reflect"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// nodeNews knows the Node as it was last told. Kubelets write into theirs all the time, mostly nothing but heartbeats that an agent has no use for: looking at the
// Node and the tunnel addresses after each would be most of what an idle agent asks of the API.
type nodeNews struct {
	last *v3.Node // nil: gone, or not readable
}

// in tells whether an event says anything new but the revision.
func (n *nodeNews) in(e store.Event) bool {
	node, _ := e.Object.(*v3.Node)
	before := n.last
	n.last = node
	if node == nil || before == nil {
		return true
	}
	was, is := *before, *node
	was.ResourceVersion, is.ResourceVersion = "", ""
	return !reflect.DeepEqual(was, is)
}
