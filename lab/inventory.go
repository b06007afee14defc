// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"slices"

	"github.com/weftnet/weft/sys/netlink"
	"github.com/weftnet/weft/sys/proc"
)

// Inventory lists what a lab could leave behind. Tests take one before and one after, and compare.
type Inventory []string

// TakeInventory lists the namespaces, processes and the directory of the lab called name, whether it exists or not, and all links of
// the caller's network namespace, where a lab has none.
func TakeInventory(name string) (Inventory, error) {
	var inv Inventory
	spaces, err := namespacesOf(name)
	if err != nil {
		return nil, err
	}
	for _, ns := range spaces {
		inv = append(inv, "network namespace "+ns)
	}
	processes, err := proc.WithEnv(markOf(name))
	if err != nil {
		return nil, err
	}
	for _, id := range processes {
		inv = append(inv, id.String())
	}
	if _, err := os.Stat(dirOf(name)); err == nil {
		inv = append(inv, "directory "+dirOf(name))
	}
	nl, err := netlink.Open(nil)
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	links, err := nl.Links()
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		inv = append(inv, fmt.Sprintf("link %s (%s)", link.Name, link.Kind))
	}
	return inv, nil
}

// Since returns what is in inv and was not in before.
func (inv Inventory) Since(before Inventory) []string {
	return slices.DeleteFunc(slices.Clone(inv), func(item string) bool { return slices.Contains(before, item) })
}
