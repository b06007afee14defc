// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import "github.com/weftnet/weft/calc"

// Links are the interfaces that a node is taken to have.
func (c *Cluster) Links(node string) []calc.Link { return c.links(node) }
