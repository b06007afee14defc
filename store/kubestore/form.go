// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// form is how Kubernetes keeps a kind: as itself, or in an object of its own.
type form struct {
	kind    *api.Kind
	version string // apiVersion in the Kubernetes API
	plural  string
}

// formOf returns the form of a resource.
func formOf(resource api.Resource) (form, error) {
	kind := resource.Kind()
	switch {
	case kind == nil:
		return form{}, fmt.Errorf("%q is no resource that weft stores", resource)
	case resource == api.Nodes:
		return form{kind, "v1", "nodes"}, nil
	}
	return form{kind, kind.APIVersion, kind.Plural()}, nil
}

// group returns the API group, "" for the core group.
func (f form) group() string {
	group, _, ok := strings.Cut(f.version, "/")
	if !ok {
		return ""
	}
	return group
}

// optional tells whether clusters may do without the resource: it is neither weft's nor built into Kubernetes.
func (f form) optional() bool { return f.group() == "policy.networking.k8s.io" }

// path returns the path of the objects of the resource, or with a name of one.
func (f form) path(namespace, name string) string {
	p := "/apis/" + f.version
	if f.group() == "" {
		p = "/api/" + f.version
	}
	if f.kind.Namespaced && namespace != "" {
		p += "/namespaces/" + url.PathEscape(namespace)
	}
	p += "/" + f.plural
	if name != "" {
		p += "/" + url.PathEscape(name)
	}
	return p
}

// head is what every object of the API has.
type head struct {
	Metadata metav1.ObjectMeta `json:"metadata"`
}

func headOf(data []byte) (head, error) {
	var h head
	if err := json.Unmarshal(data, &h); err != nil {
		return h, fmt.Errorf("the Kubernetes API answered something that is no object: %w", err)
	}
	return h, nil
}

func (h *head) revision() (int64, error) {
	revision, err := strconv.ParseInt(h.Metadata.ResourceVersion, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the Kubernetes API answered resourceVersion %q, which is no number: %w", h.Metadata.ResourceVersion, err)
	}
	return revision, nil
}

func (f form) key(h *head) api.Key {
	return api.Key{Resource: f.kind.Resource, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}
}

// event makes the event of an object that is there. An unreadable object has its reason in Err.
func (f form) event(data []byte) (store.Event, error) {
	h, err := headOf(data)
	if err != nil {
		return store.Event{}, err
	}
	e := store.Event{Key: f.key(&h)}
	if e.Revision, err = h.revision(); err != nil {
		return e, err
	}
	if e.Object, err = f.decode(data); err != nil {
		e.Object, e.Err = nil, fmt.Errorf("stored value: %w; replace or delete it", err)
	}
	return e, nil
}

// decode reads an object of the API.
func (f form) decode(data []byte) (api.Object, error) {
	switch f.kind.Resource {
	case api.Nodes:
		return nodeOf(data)
	case store.Pods:
		return podOf(data)
	}
	obj, err := f.kind.Decode(data)
	if err != nil {
		return nil, err
	}
	obj.SetManagedFields(nil) // nobody here asks who wrote which field, and it is half of the memory
	return obj, nil
}

// encode renders an object for the API.
func (f form) encode(obj api.Object) ([]byte, error) {
	if node, ok := asNode(obj); ok {
		return kubeNode(node)
	}
	return api.Encode(obj)
}
