// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/record"
)

// pageSize is the number of objects of one answer to a listing.
const pageSize = 1000

// listTries bounds how often a listing starts over because its revision was forgotten while it ran.
const listTries = 3

// Get returns one object.
func (s *Store) Get(ctx context.Context, key api.Key) (api.Object, error) {
	obj, err := s.get(ctx, key)
	if err != nil {
		return nil, &store.KeyError{Op: "get", Key: key, Err: err}
	}
	return obj, nil
}

func (s *Store) get(ctx context.Context, key api.Key) (api.Object, error) {
	f, data, err := s.read(ctx, key)
	if err != nil {
		return nil, err
	}
	e, err := f.event(data)
	if err != nil {
		return nil, err
	}
	return e.Object, e.Err
}

// read returns what the API has under a key.
func (s *Store) read(ctx context.Context, key api.Key) (form, []byte, error) {
	if err := record.CheckKey(key); err != nil {
		return form{}, nil, err
	}
	f, err := formOf(key.Resource)
	if err != nil {
		return form{}, nil, err
	}
	data, err := s.call(ctx, request{verb: "get", form: f, path: f.path(key.Namespace, key.Name)})
	return f, data, err
}

// List returns the objects of a resource in key order. An optional resource that the cluster does not have has none, as of revision 0.
func (s *Store) List(ctx context.Context, resource api.Resource, namespace string) (store.List, error) {
	f, err := formOf(resource)
	if err != nil {
		return store.List{}, fmt.Errorf("list %q: no resource that weft stores", resource)
	}
	list, err := s.listAll(ctx, f, namespace)
	for tries := 1; expired(err) && tries < listTries; tries++ {
		list, err = s.listAll(ctx, f, namespace)
	}
	if errors.Is(err, errAbsent) && f.optional() {
		return store.List{}, nil
	}
	if err != nil {
		return store.List{}, fmt.Errorf("list %s: %w", resource, err)
	}
	slices.SortFunc(list.Items, func(a, b api.Object) int {
		return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
	})
	slices.SortFunc(list.Invalid, func(a, b store.Invalid) int {
		return cmp.Or(strings.Compare(a.Key.Namespace, b.Key.Namespace), strings.Compare(a.Key.Name, b.Key.Name))
	})
	return list, nil
}

func (s *Store) listAll(ctx context.Context, f form, namespace string) (store.List, error) {
	var list store.List
	revision, err := s.list(ctx, f, namespace, nil, func(e store.Event) {
		if e.Err != nil {
			list.Invalid = append(list.Invalid, store.Invalid{Key: e.Key, Revision: e.Revision, Err: e.Err})
		} else {
			list.Items = append(list.Items, e.Object)
		}
	})
	list.Revision = revision
	return list, err
}

// page is one answer to a listing.
type page struct {
	Metadata metav1.ListMeta   `json:"metadata"`
	Items    []json.RawMessage `json:"items"`
}

// list hands the objects of a resource to use, page by page, all as of the revision that it returns. Fields says which ones; nil means all.
func (s *Store) list(ctx context.Context, f form, namespace string, fields url.Values, use func(store.Event)) (int64, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}}
	maps.Copy(query, fields)
	for {
		data, err := s.call(ctx, request{verb: "list", form: f, path: f.path(namespace, ""), query: query})
		if err != nil {
			return 0, err
		}
		var p page
		if err := json.Unmarshal(data, &p); err != nil {
			return 0, fmt.Errorf("the Kubernetes API at %s answered something that is no list: %w", s.base.Host, err)
		}
		for _, item := range p.Items {
			e, err := f.event(item)
			if err != nil {
				return 0, err
			}
			use(e)
		}
		if p.Metadata.Continue == "" {
			return (&head{metav1.ObjectMeta{ResourceVersion: p.Metadata.ResourceVersion}}).revision()
		}
		query.Set("continue", p.Metadata.Continue)
	}
}
