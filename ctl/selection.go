// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// selection is objects of one kind that a command line names; without names all of them.
type selection struct {
	kind  *api.Kind
	names []string
}

// allKinds stands for every kind that people write.
const allKinds = "all"

// parseSelections reads the arguments of get, describe and delete: KIND [NAME...], KIND,KIND... or KIND/NAME..., where a NAME may be
// NAMESPACE/NAME, so that what weft prints can be typed back.
func parseSelections(args []string) ([]selection, error) {
	switch {
	case len(args) == 0:
		return nil, usagef("say which KIND, as in `weft get ippools`; `weft explain` lists them")
	case strings.Contains(args[0], "/"):
		return parsePairs(args)
	case args[0] == allKinds:
		if len(args) > 1 {
			return nil, usagef("%q names kinds, not objects; leave out %q", allKinds, args[1])
		}
		return peoplesKinds(), nil
	}
	kinds := strings.Split(args[0], ",")
	if len(kinds) > 1 && len(args) > 1 {
		return nil, usagef("names are for one kind; write KIND/NAME for each object, as in ippool/blue node/n1")
	}
	var out []selection
	for _, name := range kinds {
		kind, err := lookup(name)
		if err != nil {
			return nil, err
		}
		out = append(out, selection{kind, args[1:]})
	}
	return out, nil
}

func parsePairs(args []string) ([]selection, error) {
	var out []selection
	for _, arg := range args {
		word, name, found := strings.Cut(arg, "/")
		if !found || name == "" {
			return nil, usagef("%q is not of the form KIND/NAME, as the other arguments are", arg)
		}
		kind, err := lookup(word)
		if err != nil {
			return nil, err
		}
		if last := len(out) - 1; last >= 0 && out[last].kind == kind {
			out[last].names = append(out[last].names, name)
			continue
		}
		out = append(out, selection{kind, []string{name}})
	}
	return out, nil
}

func peoplesKinds() []selection {
	var out []selection
	for kind := range api.Kinds() {
		if !kind.Machine {
			out = append(out, selection{kind: kind})
		}
	}
	return out
}

func lookup(name string) (*api.Kind, error) {
	kind, err := api.Lookup(name)
	if err != nil {
		return nil, usagef("%w", err)
	}
	return kind, nil
}

// keyFor returns the key of a name, which may carry its namespace.
func keyFor(kind *api.Kind, namespace, name string) api.Key {
	if !kind.Namespaced {
		return api.Key{Resource: kind.Resource, Name: name}
	}
	if before, after, found := strings.Cut(name, "/"); found {
		namespace, name = before, after
	}
	return api.Key{Resource: kind.Resource, Namespace: namespace, Name: name}
}

// fetch reads the named objects, or all. Names that do not exist are returned as one joined error beside what was found.
func fetch(ctx context.Context, s store.Store, kind *api.Kind, where scope, names []string) (g group, missing, err error) {
	if len(names) == 0 || where.all {
		g, err = list(ctx, s, kind, where)
		if err != nil || len(names) == 0 {
			return g, nil, err
		}
		g, missing = g.withNames(names)
		return g, missing, nil
	}
	g = group{kind: kind}
	for _, name := range names {
		key := keyFor(kind, where.namespace, name)
		obj, err := s.Get(ctx, key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			missing = errors.Join(missing, notFound(key))
		case err == nil:
			g.objects = append(g.objects, obj)
		default:
			bad, found := invalidAt(ctx, s, key)
			if !found {
				return g, nil, err
			}
			g.unreadable = append(g.unreadable, bad)
		}
	}
	return g, missing, nil
}

// invalidAt returns what is stored under a key if that is no valid object.
func invalidAt(ctx context.Context, s store.Store, key api.Key) (store.Invalid, bool) {
	all, err := s.List(ctx, key.Resource, key.Namespace)
	if err != nil {
		return store.Invalid{}, false
	}
	at := slices.IndexFunc(all.Invalid, func(bad store.Invalid) bool { return bad.Key == key })
	if at < 0 {
		return store.Invalid{}, false
	}
	return all.Invalid[at], true
}

// withNames keeps what has the given names, whatever its namespace.
func (g group) withNames(names []string) (out group, missing error) {
	out.kind = g.kind
	for _, name := range names {
		before := len(out.objects) + len(out.unreadable)
		for _, obj := range g.objects {
			if name == obj.GetName() || name == obj.GetNamespace()+"/"+obj.GetName() {
				out.objects = append(out.objects, obj)
			}
		}
		for _, bad := range g.unreadable {
			if name == bad.Key.Name || name == bad.Key.Namespace+"/"+bad.Key.Name {
				out.unreadable = append(out.unreadable, bad)
			}
		}
		if len(out.objects)+len(out.unreadable) == before {
			missing = errors.Join(missing, fmt.Errorf("%s %s: %w in any namespace", kindName(g.kind), name, store.ErrNotFound))
		}
	}
	return out, missing
}

// notFound names a missing object, and for a namespaced one how to look elsewhere.
func notFound(key api.Key) error {
	if key.Namespace == "" {
		return fmt.Errorf("%s: %w", describeKey(key), store.ErrNotFound)
	}
	return fmt.Errorf("%s: %w in namespace %s; -n NAMESPACE looks in another", describeKey(key), store.ErrNotFound, key.Namespace)
}

func list(ctx context.Context, s store.Store, kind *api.Kind, where scope) (group, error) {
	namespace := where.namespace
	if where.all || !kind.Namespaced {
		namespace = ""
	}
	found, err := s.List(ctx, kind.Resource, namespace)
	return group{kind, found.Items, found.Invalid}, err
}

// kindName is the singular name that [api.Lookup] finds the kind by: "ippool", "networkpolicy.networking.k8s.io".
func kindName(kind *api.Kind) string { return kind.Singular + groupSuffix(kind) }

// pluralName is the plural counterpart of kindName.
func pluralName(kind *api.Kind) string { return kind.Plural() + groupSuffix(kind) }

// groupSuffix is empty unless another kind goes by the plain name.
func groupSuffix(kind *api.Kind) string {
	for other := range api.Kinds() {
		if other.Singular == kind.Singular {
			if other == kind {
				break // the first has the plain name
			}
			return "." + kind.Resource.Group()
		}
	}
	return ""
}

// reference names an object for people: "networkpolicy prod/web", "ippool default".
func reference(obj api.Object) string { return describeKey(api.KeyOf(obj)) }

// describeKey names the object of a key as reference does.
func describeKey(key api.Key) string {
	name := key.Name
	if key.Namespace != "" {
		name = key.Namespace + "/" + name
	}
	return kindName(key.Resource.Kind()) + " " + name
}
