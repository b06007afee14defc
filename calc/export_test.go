// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

// Sizes returns how many entries each map of the graph holds, for tests that look for what is left behind.
func (g *Graph) Sizes() map[string]int {
	items := 0
	for _, byName := range g.items.all {
		items += len(byName)
	}
	more, pending := 0, 0
	for _, set := range g.sets.byID {
		more += len(set.more)
		pending += len(set.journal)
	}
	return map[string]int{
		"items": items, "set members": more + pending,
		"sets": len(g.sets.byID), "idle sets": len(g.sets.idle), "changed sets": len(g.sets.changed),
		"policies": len(g.policies.byID), "tiers": len(g.policies.tiers), "uses": len(g.active.uses), "dirty policies": len(g.active.dirty), "policy notes": len(g.policies.notes),
		"profiles": len(g.profiles.byName), "profile notes": len(g.profiles.notes),
		"locals": len(g.locals.byID), "links": len(g.locals.links), "addresses": len(g.locals.addrs), "dirty locals": len(g.locals.dirty),
		"host endpoints": len(g.hosts.byName), "dirty host endpoints": len(g.hosts.dirty), "host endpoint rows": len(g.hosts.out.rows) + len(g.hosts.out.before),
		"endpoint rows": len(g.locals.out.rows) + len(g.locals.out.before), "policy rows": len(g.active.out.rows) + len(g.active.out.before),
		"route rows": len(g.routes.out.rows) + len(g.routes.out.before), "route blocks": len(g.routes.blocks), "route links": len(g.routes.links),
		"blocks": len(g.blocks.own), "pools": len(g.blocks.exported) + len(g.blocks.hidden), "block addresses": len(g.blocks.local),
		"hosts": len(g.speaker.hosts), "BGP settings": len(g.speaker.configs), "BGP peers": len(g.speaker.peers), "refused": len(g.inputs.refused),
		"slices": len(g.sets.services.slices), "services": len(g.sets.services.byName),
		"settings": len(g.settings.byName),
		"problems": len(g.Problems()),
	}
}
