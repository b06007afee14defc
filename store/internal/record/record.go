// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package record turns objects into stored values and back, the same way for every backend: New or Replacement, then Encode;
// Decode on the way back.
//
// A value is the object's JSON as its user wrote it, plus metadata.uid and metadata.creationTimestamp, and never the resourceVersion,
// which is the revision of the write and known to the backend.
package record

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// Identity is what the store gives an object when it is created and keeps until it is deleted.
type Identity struct {
	UID     types.UID
	Created metav1.Time
}

// NewIdentity returns a random UID (RFC 9562, version 4) and the time now, as it comes out of JSON: in whole seconds, local.
func NewIdentity(now time.Time) Identity {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never returns an error
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	uid := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	return Identity{UID: types.UID(uid), Created: metav1.NewTime(now.Truncate(time.Second).Local())}
}

// IdentityOf reads the identity from a stored value. It is zero where the value is garbage or carries none.
func IdentityOf(value []byte) Identity {
	var head struct {
		Metadata struct {
			UID               types.UID   `json:"uid"`
			CreationTimestamp metav1.Time `json:"creationTimestamp"`
		} `json:"metadata"`
	}
	if json.Unmarshal(value, &head) != nil {
		return Identity{}
	}
	return Identity{UID: head.Metadata.UID, Created: head.Metadata.CreationTimestamp}
}

// New returns the object to store for a new obj, its key, and its value.
func New(obj api.Object, id Identity) (api.Object, api.Key, []byte, error) {
	key := api.KeyOf(obj)
	if err := CheckKey(key); err != nil {
		return nil, key, nil, err
	}
	out := api.Clone(obj)
	kind := api.KindOf(obj)
	out.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind))
	out.SetUID(id.UID)
	out.SetCreationTimestamp(id.Created)
	out.SetResourceVersion("")
	value, err := api.Encode(out)
	return out, key, value, err
}

// Replacement returns the object to store for obj in place of one with identity old. An obj with another UID was read
// from an object that has since been deleted and made anew: ErrConflict.
func Replacement(obj api.Object, old Identity, now time.Time) (api.Object, []byte, error) {
	if uid := obj.GetUID(); uid != "" && old.UID != "" && uid != old.UID {
		return nil, nil, fmt.Errorf("metadata.uid: %s, but the stored object has %s: it was deleted and created again: %w", uid, old.UID, store.ErrConflict)
	}
	if old.UID == "" {
		old = NewIdentity(now) // the old value was garbage; the replacement repairs it
	}
	out, _, value, err := New(obj, old)
	return out, value, err
}

// Decode reads the value stored under key at revision. The object in it must be the one the key names.
func Decode(key api.Key, value []byte, revision int64) (api.Object, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("stored key: %w; delete it", err)
	}
	obj, err := api.DecodeLenient(value)
	if err != nil {
		return nil, fmt.Errorf("stored value: %w; replace or delete it", err)
	}
	if got := api.KeyOf(obj); got != key {
		return nil, fmt.Errorf("stored value: it says that it is %s; replace or delete it", got)
	}
	store.SetRevision(obj, revision)
	return obj, nil
}

// CheckKey reports what is wrong with a key under which an object is to be stored.
func CheckKey(key api.Key) error {
	kind := key.Resource.Kind()
	switch {
	case kind == nil:
		return fmt.Errorf("%q is no resource that weft stores", key.Resource)
	case key.Name == "":
		return errors.New("metadata.name: missing")
	case strings.Contains(key.Name, "/"):
		return fmt.Errorf("metadata.name: %q contains a slash", key.Name)
	case kind.Namespaced && key.Namespace == "":
		return fmt.Errorf("metadata.namespace: missing; a %s lives in a namespace", kind.Kind)
	case strings.Contains(key.Namespace, "/"):
		return fmt.Errorf("metadata.namespace: %q contains a slash", key.Namespace)
	case !kind.Namespaced && key.Namespace != "":
		return fmt.Errorf("metadata.namespace: %q, but a %s has none", key.Namespace, kind.Kind)
	}
	return nil
}
