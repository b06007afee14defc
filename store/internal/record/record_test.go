// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// TestValueIsWhatTheUserWrote pins the stored form: other tools read it.
func TestValueIsWhatTheUserWrote(t *testing.T) {
	obj, err := api.Decode([]byte(`{"apiVersion":"projectcalico.org/v3","kind":"IPPool",
		"metadata":{"name":"a","resourceVersion":"7"},"spec":{"cidr":"10.0.0.0/8","natOutgoing":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	id := Identity{UID: "u-1", Created: NewIdentity(time.Unix(1_700_000_000, 999)).Created}
	_, key, value, err := New(obj, id)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a","uid":"u-1","creationTimestamp":"2023-11-14T22:13:20Z"},"spec":{"cidr":"10.0.0.0/8","natOutgoing":false}}`
	if got := string(value); got != want {
		t.Errorf("stored is\n%s, want\n%s", got, want)
	}
	back, err := Decode(key, value, 9)
	if err != nil || back.GetResourceVersion() != "9" || back.GetUID() != "u-1" {
		t.Errorf("read back as %+v, %v", back, err)
	}
	if got := IdentityOf(value); got.UID != id.UID || !got.Created.Equal(&id.Created) {
		t.Errorf("identity %+v, want %+v", got, id)
	}
}

func TestReplacementKeepsIdentity(t *testing.T) {
	old := NewIdentity(time.Now())
	pool := &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: "a"}}
	out, _, err := Replacement(pool, old, time.Now())
	if err != nil || out.GetUID() != old.UID || pool.UID != "" {
		t.Errorf("replaced as %+v, %v", out, err)
	}
	pool.UID = "another"
	if _, _, err := Replacement(pool, old, time.Now()); !errors.Is(err, store.ErrConflict) {
		t.Errorf("another object's uid: %v", err)
	}
	if out, _, err := Replacement(pool, Identity{}, time.Now()); err != nil || out.GetUID() == "another" || out.GetUID() == "" {
		t.Errorf("in place of garbage: %+v, %v", out, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"a"}}`), "a")
	f.Add([]byte(`{"metadata":{"uid":5,"creationTimestamp":"x"}}`), "")
	f.Add([]byte(`{"metadata":null}`), "a/b")
	f.Fuzz(func(t *testing.T, value []byte, name string) {
		key := api.Key{Resource: api.IPPools, Name: name}
		obj, err := Decode(key, value, 3)
		if (obj == nil) == (err == nil) {
			t.Fatalf("%v and %v", obj, err)
		}
		if err == nil && (api.KeyOf(obj) != key || strings.Contains(name, "/")) {
			t.Fatalf("under %v: %v", key, api.KeyOf(obj))
		}
		IdentityOf(value)
	})
}
