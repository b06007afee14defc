// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// between returns what is wrong between the documents: the same object twice, pools that share addresses.
func between(documents []api.Document) []problem {
	return append(duplicates(documents), overlaps(documents)...)
}

// duplicates reports objects that an earlier document defines too: writing both would leave whichever came last.
func duplicates(documents []api.Document) []problem {
	var out []problem
	first := map[api.Key]*api.Document{}
	for i := range documents {
		d := &documents[i]
		if d.Object == nil {
			continue
		}
		key := api.KeyOf(d.Object)
		if before, seen := first[key]; seen {
			out = append(out, at(d).with("metadata.name", fmt.Sprintf("the same object is defined before, in %s", before.Where()), d.Line))
			continue
		}
		first[key] = d
	}
	return out
}

// overlaps reports pools among the documents that share addresses.
func overlaps(documents []api.Document) []problem {
	var pools []*v3.IPPool
	names := map[string]bool{}
	places := map[*v3.IPPool]problem{}
	for i := range documents {
		d := &documents[i]
		pool, ok := d.Object.(*v3.IPPool)
		if !ok || names[pool.Name] {
			continue // duplicates reports the second of a name
		}
		names[pool.Name] = true
		pools = append(pools, pool)
		places[pool] = at(d)
	}
	var out []problem
	for _, clash := range v3.ValidatePools(pools) {
		out = append(out, places[clash.Pool].with(clash.Path, clash.Reason, places[clash.Pool].Line))
	}
	return out
}
