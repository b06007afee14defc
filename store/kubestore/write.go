// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/record"
)

// strict has the server refuse fields that it would drop, as an older CustomResourceDefinition does.
var strict = url.Values{"fieldValidation": {"Strict"}}

// Create adds an object.
func (s *Store) Create(ctx context.Context, obj api.Object) (api.Object, error) {
	key := api.KeyOf(obj)
	out, err := s.create(ctx, key, obj)
	if err != nil {
		return nil, &store.KeyError{Op: "create", Key: key, Err: err}
	}
	return out, nil
}

func (s *Store) create(ctx context.Context, key api.Key, obj api.Object) (api.Object, error) {
	if err := record.CheckKey(key); err != nil {
		return nil, err
	}
	f, err := formOf(key.Resource)
	if err != nil {
		return nil, err
	}
	body, err := f.encode(bare(obj))
	if err != nil {
		return nil, err
	}
	return s.write(ctx, request{verb: "create", form: f, path: f.path(key.Namespace, ""), query: strict, body: body})
}

// bare returns a copy of obj without what the server fills in.
func bare(obj api.Object) api.Object {
	out := api.Clone(obj)
	out.SetUID("")
	out.SetResourceVersion("")
	out.SetCreationTimestamp(metav1.Time{})
	out.SetGeneration(0)
	out.SetManagedFields(nil)
	return out
}

// write makes a write that is answered with the object as it is then.
func (s *Store) write(ctx context.Context, r request) (api.Object, error) {
	data, err := s.call(ctx, r)
	if err != nil {
		return nil, err
	}
	return r.form.decode(data)
}

// Update replaces an object.
func (s *Store) Update(ctx context.Context, obj api.Object) (api.Object, error) {
	key := api.KeyOf(obj)
	out, err := s.update(ctx, key, obj)
	if err != nil {
		return nil, &store.KeyError{Op: "update", Key: key, Err: err}
	}
	return out, nil
}

func (s *Store) update(ctx context.Context, key api.Key, obj api.Object) (api.Object, error) {
	if err := record.CheckKey(key); err != nil {
		return nil, err
	}
	want, err := store.RevisionOf(obj)
	if err != nil {
		return nil, err
	}
	if node, ok := asNode(obj); ok {
		return s.updateNode(ctx, key, node, want)
	}
	if want != 0 {
		return s.replace(ctx, key, "", obj, obj.GetResourceVersion(), obj.GetUID())
	}
	for {
		_, data, err := s.read(ctx, key)
		if err != nil {
			return nil, err
		}
		h, err := headOf(data)
		if err != nil {
			return nil, err
		}
		if err := sameObject(obj, h.Metadata.UID); err != nil {
			return nil, err
		}
		out, err := s.replace(ctx, key, "", obj, h.Metadata.ResourceVersion, h.Metadata.UID)
		if !errors.Is(err, store.ErrConflict) {
			return out, err
		}
	}
}

// sameObject refuses an update of an object that was deleted and made anew since it was read.
func sameObject(obj api.Object, stored types.UID) error {
	if uid := obj.GetUID(); uid != "" && stored != "" && uid != stored {
		return fmt.Errorf("metadata.uid: %s, but the stored object has %s: it was deleted and created again: %w", uid, stored, store.ErrConflict)
	}
	return nil
}

// UpdateStatus replaces the status of an object whose kind has it as a subresource, by compare-and-swap.
func (s *Store) UpdateStatus(ctx context.Context, obj api.Object) (api.Object, error) {
	key := api.KeyOf(obj)
	err := record.CheckKey(key)
	if err == nil && obj.GetResourceVersion() == "" {
		err = errors.New("metadata.resourceVersion: missing; a status is written for what was read")
	}
	if err == nil {
		obj, err = s.replace(ctx, key, "/status", obj, obj.GetResourceVersion(), obj.GetUID())
	}
	if err != nil {
		return nil, &store.KeyError{Op: "update status", Key: key, Err: err}
	}
	return obj, nil
}

// replace writes obj, or a subresource of it, over a revision of the object.
func (s *Store) replace(ctx context.Context, key api.Key, part string, obj api.Object, revision string, uid types.UID) (api.Object, error) {
	f, err := formOf(key.Resource)
	if err != nil {
		return nil, err
	}
	next := bare(obj)
	next.SetResourceVersion(revision)
	next.SetUID(uid)
	body, err := f.encode(next)
	if err != nil {
		return nil, err
	}
	return s.write(ctx, request{verb: "update", form: f, path: f.path(key.Namespace, key.Name) + part, query: strict, body: body})
}

// Delete removes an object. A Node is Kubernetes' own and not deleted here.
func (s *Store) Delete(ctx context.Context, key api.Key, revision int64) error {
	if err := s.remove(ctx, key, revision); err != nil {
		return &store.KeyError{Op: "delete", Key: key, Err: err}
	}
	return nil
}

func (s *Store) remove(ctx context.Context, key api.Key, revision int64) error {
	if err := record.CheckKey(key); err != nil {
		return err
	}
	if key.Resource == api.Nodes {
		return errors.New("nodes are those of Kubernetes; write `kubectl delete node " + key.Name + "`")
	}
	f, err := formOf(key.Resource)
	if err != nil {
		return err
	}
	options := metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"}}
	if revision != 0 {
		text := strconv.FormatInt(revision, 10)
		options.Preconditions = &metav1.Preconditions{ResourceVersion: &text}
	}
	body, err := json.Marshal(options)
	if err != nil {
		return err
	}
	_, err = s.call(ctx, request{verb: "delete", form: f, path: f.path(key.Namespace, key.Name), body: body})
	return err
}
