// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

var uidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func testCreateAndGet(t *testing.T, f *fixture) {
	in := note(pool("a"), "first")
	in.ResourceVersion, in.UID = "77", "mine" // what a create must not take from its caller
	before := api.Clone(in)
	out := f.create(t, in)
	if !reflect.DeepEqual(in, before) {
		t.Errorf("Create changed its argument:\n%s, was\n%s", text(in), text(before))
	}
	if uid := string(out.GetUID()); !uidForm.MatchString(uid) {
		t.Errorf("uid %q is not of RFC 9562 version 4", uid)
	}
	if age := time.Since(out.GetCreationTimestamp().Time); age < 0 || age > time.Hour {
		t.Errorf("creationTimestamp is %v old", age)
	}
	if rev := revision(t, out); rev == 77 {
		t.Error("the caller's resourceVersion was kept")
	}
	in.Annotations["note"] = "changed by the caller afterwards"
	got := f.get(t, api.KeyOf(in))
	if !same(got, out) {
		t.Errorf("Get returns\n%s, Create returned\n%s", text(got), text(out))
	}
	if noteOf(got) != "first" {
		t.Error("the stored object shares memory with the caller's")
	}
	_, err := f.store.Create(f.ctx, pool("a"))
	wantError(t, err, store.ErrExists, "ippools.projectcalico.org a")
	if got := f.get(t, api.KeyOf(in)); !same(got, out) {
		t.Errorf("a refused Create changed the object to\n%s", text(got))
	}
}

func testEveryKind(t *testing.T, f *fixture) {
	for kind := range api.Kinds() {
		obj := Sample(kind)
		before := f.list(t, kind.Resource, "")
		out := f.create(t, obj)
		if got := f.get(t, api.KeyOf(obj)); !same(got, out) {
			t.Errorf("%s: Get returns\n%s, Create returned\n%s", kind.Resource, text(got), text(out))
		}
		if list := f.list(t, kind.Resource, ""); len(list.Items) != len(before.Items)+1 || len(list.Invalid) != 0 {
			t.Errorf("%s: listed %d objects and %d invalid ones, want %d and 0", kind.Resource, len(list.Items), len(list.Invalid), len(before.Items)+1)
		}
	}
}

func testMissing(t *testing.T, f *fixture) {
	f.create(t, policy("prod", "other"))
	obj := policy("prod", "web")
	key := api.KeyOf(obj)
	name := "networkpolicies.projectcalico.org prod/web"
	_, err := f.store.Get(f.ctx, key)
	wantError(t, err, store.ErrNotFound, name)
	_, err = f.store.Update(f.ctx, obj)
	wantError(t, err, store.ErrNotFound, name)
	obj.ResourceVersion = "1"
	_, err = f.store.Update(f.ctx, obj)
	wantError(t, err, store.ErrNotFound, name)
	wantError(t, f.store.Delete(f.ctx, key, 0), store.ErrNotFound, name)
	wantError(t, f.store.Delete(f.ctx, key, 1), store.ErrNotFound, name)
}

func testUpdate(t *testing.T, f *fixture) {
	first := f.create(t, pool("a"))
	second := f.update(t, note(first, "two"))
	if revision(t, second) <= revision(t, first) {
		t.Errorf("revision %s follows %s", second.GetResourceVersion(), first.GetResourceVersion())
	}
	if second.GetUID() != first.GetUID() || !second.GetCreationTimestamp().Time.Equal(first.GetCreationTimestamp().Time) {
		t.Errorf("update changed uid or creationTimestamp: %+v, was %+v", second, first)
	}
	_, err := f.store.Update(f.ctx, note(first, "stale"))
	wantError(t, err, store.ErrConflict, "ippools.projectcalico.org a")
	bare := note(pool("a"), "stale, without uid")
	bare.ResourceVersion = first.GetResourceVersion()
	_, err = f.store.Update(f.ctx, bare)
	wantError(t, err, store.ErrConflict, "ippools.projectcalico.org a")
	if got := f.get(t, api.KeyOf(first)); !same(got, second) {
		t.Errorf("stored is\n%s, want\n%s", text(got), text(second))
	}
	bare = note(pool("a"), "fresh, without uid")
	bare.ResourceVersion = second.GetResourceVersion()
	third := f.update(t, bare)
	if third.GetUID() != first.GetUID() || third.GetCreationTimestamp().Time.IsZero() {
		t.Errorf("an update without uid lost the identity: %+v", third)
	}
}

func testUpdateWithoutRevision(t *testing.T, f *fixture) {
	first := f.create(t, pool("a"))
	f.update(t, note(first, "two"))
	third := f.update(t, note(pool("a"), "three"))
	if third.GetUID() != first.GetUID() || noteOf(f.get(t, api.KeyOf(first))) != "three" {
		t.Errorf("replacing kept uid %s of %s, note %q", third.GetUID(), first.GetUID(), noteOf(third))
	}
	f.delete(t, api.KeyOf(first))
	f.create(t, pool("a"))
	old := note(first, "of another object")
	old.SetResourceVersion("")
	_, err := f.store.Update(f.ctx, old)
	wantError(t, err, store.ErrConflict, string(first.GetUID()))
	bad := pool("a")
	bad.ResourceVersion = "latest"
	if _, err := f.store.Update(f.ctx, bad); err == nil || !strings.Contains(err.Error(), `"latest"`) {
		t.Errorf("resourceVersion \"latest\": %v", err)
	}
}

func testDelete(t *testing.T, f *fixture) {
	first := f.create(t, pool("a"))
	key := api.KeyOf(first)
	second := f.update(t, note(first, "two"))
	wantError(t, f.store.Delete(f.ctx, key, revision(t, first)), store.ErrConflict, "ippools.projectcalico.org a")
	if err := f.store.Delete(f.ctx, key, revision(t, second)); err != nil {
		t.Fatal(err)
	}
	_, err := f.store.Get(f.ctx, key)
	wantError(t, err, store.ErrNotFound, "ippools.projectcalico.org a")
	again := f.create(t, pool("a"))
	if again.GetUID() == first.GetUID() || revision(t, again) <= revision(t, second)+1 {
		t.Errorf("created again with uid %s (was %s), revision %s (was %s)", again.GetUID(), first.GetUID(), again.GetResourceVersion(), second.GetResourceVersion())
	}
	f.delete(t, key)
	if list := f.list(t, api.IPPools, ""); len(list.Items) != 0 || list.Revision <= revision(t, again) {
		t.Errorf("after the deletion: %+v", list)
	}
}

func testBadKeys(t *testing.T, f *fixture) {
	for want, obj := range map[string]api.Object{
		"metadata.name: missing":      pool(""),
		"metadata.name: \"a/b\"":      pool("a/b"),
		"metadata.namespace: missing": policy("", "lost"),
		"metadata.namespace: \"x/y\"": policy("x/y", "web"),
	} {
		if _, err := f.store.Create(f.ctx, obj); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create: %v, want an error with %q", err, want)
		}
		if _, err := f.store.Update(f.ctx, obj); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("update: %v, want an error with %q", err, want)
		}
	}
	if _, err := f.store.List(f.ctx, "widgets.example.org", ""); err == nil {
		t.Error("listed a resource that nobody stores")
	}
	if _, err := f.store.Watch(f.ctx, "widgets.example.org"); err == nil {
		t.Error("watched a resource that nobody stores")
	}
	if _, err := f.store.Watch(f.ctx); err == nil {
		t.Error("watched nothing")
	}
}

func testBigObject(t *testing.T, f *fixture) {
	w := f.watch(t, api.NetworkSets)
	set := &v3.NetworkSet{ObjectMeta: v3.ObjectMeta{Namespace: "prod", Name: "big"}}
	for i := range 60_000 {
		set.Spec.Nets = append(set.Spec.Nets, fmt.Sprintf("10.%d.%d.%d/32", i>>16, i>>8&255, i&255))
	}
	out := f.create(t, set)
	if got := f.get(t, api.KeyOf(set)); !same(got, out) {
		t.Error("Get returns something else than Create")
	}
	w.until(func() bool { return w.objects[api.KeyOf(set)] != nil })
	if !same(w.objects[api.KeyOf(set)], out) {
		t.Error("the watch delivers something else than Create returned")
	}
}

func testListOrderAndNamespaces(t *testing.T, f *fixture) {
	want := map[string][]string{"a": {"a/x"}, "b": {"b/a", "b/b.c", "b/b0", "b/z"}, "b-2": {"b-2/a"}, "b0": {"b0/m"}}
	for _, names := range want {
		for _, name := range slices.Backward(names) {
			namespace, name, _ := strings.Cut(name, "/")
			f.create(t, policy(namespace, name))
			f.create(t, &v3.NetworkSet{ObjectMeta: v3.ObjectMeta{Namespace: namespace, Name: name}})
		}
	}
	check := func(namespace string, want []string) {
		t.Helper()
		list := f.list(t, api.NetworkPolicies, namespace)
		var got []string
		for _, obj := range list.Items {
			got = append(got, obj.GetNamespace()+"/"+obj.GetName())
			if revision(t, obj) > list.Revision {
				t.Errorf("%s is of revision %s, the list of %d", obj.GetName(), obj.GetResourceVersion(), list.Revision)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("namespace %q: listed %v, want %v", namespace, got, want)
		}
	}
	var all []string
	for _, namespace := range slices.Sorted(maps.Keys(want)) {
		check(namespace, want[namespace])
		all = append(all, want[namespace]...)
	}
	check("", all)
	check("none", nil)
}

func wantError(t *testing.T, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want one that is %q and names %s", err, want, text)
	}
}

// text renders an object, same compares two as they are rendered.
func text(obj api.Object) string {
	data, err := json.Marshal(obj)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func same(a, b api.Object) bool { return text(a) == text(b) }
