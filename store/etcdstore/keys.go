// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package etcdstore

import (
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
)

// keyspace maps object keys to etcd keys: <prefix><group>/<plural>/[<namespace>/]<name>, with asideMark before the group of those that are kept aside.
//
// Every etcd key under a known resource has an object key of its own, also those that no object can have (too few or too many parts),
// so garbage can be named, and deleted by that name.
type keyspace string // the prefix, ending in a slash

// aside are resources that change with every workload and that nobody watches. Their keys lie behind all others: within the range that a
// watch covers, every node of a cluster would be sent every change.
var aside = []api.Resource{api.IPAMBlocks, api.IPAMHandles}

// asideMark comes after all that groups start with.
const asideMark = "~"

// path returns the etcd key of an object.
func (ks keyspace) path(key api.Key) string {
	if key.Namespace == "" {
		return ks.scope(key.Resource, "") + key.Name
	}
	return ks.scope(key.Resource, key.Namespace) + key.Name
}

// parse is the inverse of path; false if the key belongs to no resource that weft stores.
func (ks keyspace) parse(path string) (api.Key, bool) {
	rest, ours := strings.CutPrefix(path, string(ks))
	rest, behind := strings.CutPrefix(rest, asideMark)
	group, rest, ok1 := strings.Cut(rest, "/")
	plural, rest, ok2 := strings.Cut(rest, "/")
	key := api.Key{Resource: api.Resource(plural + "." + group), Name: rest}
	kind := key.Resource.Kind()
	if !ours || !ok1 || !ok2 || kind == nil || behind != slices.Contains(aside, key.Resource) {
		return api.Key{}, false
	}
	if namespace, name, ok := strings.Cut(rest, "/"); ok && kind.Namespaced && namespace != "" {
		key.Namespace, key.Name = namespace, name
	}
	return key, true
}

// scope returns what the etcd keys of a resource start with, or those of one namespace of it.
func (ks keyspace) scope(resource api.Resource, namespace string) string {
	s := string(ks)
	if slices.Contains(aside, resource) {
		s += asideMark
	}
	s += resource.Group() + "/" + resource.Plural() + "/"
	if namespace != "" {
		s += namespace + "/"
	}
	return s
}

// cover returns the smallest range of etcd keys that holds the given resources, and maybe others between them.
func (ks keyspace) cover(resources []api.Resource) (from, to string) {
	var scopes []string
	for _, r := range resources {
		scopes = append(scopes, ks.scope(r, ""))
	}
	return slices.Min(scopes), after(slices.Max(scopes))
}

// after returns the end of the range of keys that start with a scope: its final slash is replaced by the next character.
func after(scope string) string { return scope[:len(scope)-1] + "0" }
