// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/api/internal/tree"
)

// Foreign is a well-formed object of a kind that weft does not store, such as a Pod or a Deployment.
type Foreign struct {
	APIVersion, Kind string
	Namespace, Name  string
	Where            string // file and document, for people
	JSON             []byte // the whole object
}

// String names the object and where it stands.
func (f *Foreign) String() string {
	name := f.Name
	if f.Namespace != "" {
		name = f.Namespace + "/" + name
	}
	return fmt.Sprintf("%s: %s %s", f.Where, f.Kind, name)
}

// ownGroups are the API groups of which an unknown kind is a mistake: leaving it out could leave out policy.
var ownGroups = []string{"projectcalico.org", "crd.projectcalico.org", "policy.networking.k8s.io"}

// Foreign returns the object of a document whose only fault is that weft does not store its kind. It is not ok for a kind that looks mistyped
// and for policy that weft does not read, which must not go unnoticed.
func (d *Document) Foreign() (f Foreign, ok bool) {
	if d.Object != nil || d.root == nil || d.root.Kind != tree.Map {
		return Foreign{}, false
	}
	h, problem := headerOf(d.root)
	if h == (header{}) {
		h = d.inherit
	}
	group, _, _ := strings.Cut(h.apiVersion, "/")
	if _, err := kindFor(h.apiVersion, h.kind); err == nil || problem != nil || h.apiVersion == "" || h.kind == "" ||
		slices.Contains(ownGroups, group) || h.kind == "NetworkPolicy" || nearestKind(h.apiVersion, h.kind) != "" {
		return Foreign{}, false
	}
	f = Foreign{APIVersion: h.apiVersion, Kind: h.kind, Where: d.Where(), JSON: d.root.AppendJSON(nil)}
	if meta := d.root.Get("metadata"); meta != nil {
		f.Namespace, f.Name = textOf(meta.Get("namespace")), textOf(meta.Get("name"))
	}
	return f, true
}

// textOf returns the text of a node, "" if it is none.
func textOf(n *tree.Node) string {
	if n == nil || n.Kind != tree.Text {
		return ""
	}
	return n.Scalar
}
