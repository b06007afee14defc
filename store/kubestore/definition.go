// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"net/url"
)

// awaitDefinition waits until the cluster serves an optional resource. It watches the resource's definition: a policy that somebody writes right after
// the definition is to be enforced at once. came says that the resource was not served before. After pace.absent it returns all the same.
func (s *stream) awaitDefinition(ctx context.Context) (came bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.watch.store.pace.absent)
	defer cancel()
	// Revision 0: whatever the server knows, and what comes then. For the newest state some ask etcd, which may not be able to say how far its watches are.
	query := url.Values{"watch": {"true"}, "resourceVersion": {"0"}, "fieldSelector": {"metadata.name=" + s.form.plural + "." + s.form.group()}}
	resp, _, err := s.watch.store.send(ctx, request{verb: "watch", form: crds, path: crdPath, query: query})
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	events := json.NewDecoder(resp.Body)
	for first := true; ; first = false {
		served, err := s.servedBy(events)
		switch {
		case ctx.Err() != nil:
			return false, nil
		case err != nil:
			return false, err
		case served:
			return !first, nil
		}
	}
}

// servedBy reads an event of the definition, and tells whether the resource is served now.
func (s *stream) servedBy(events *json.Decoder) (bool, error) {
	var c change
	if err := events.Decode(&c); err != nil {
		return false, err
	}
	switch c.Type {
	case "ERROR":
		return false, refusalOf(c.Object)
	case "DELETED":
		return false, nil
	}
	d := &definition{}
	err := json.Unmarshal(c.Object, d)
	return err == nil && d.serves(s.form), err
}

// serves tells whether the API server serves the resource in the version of a form.
func (d *definition) serves(f form) bool {
	if !d.established() {
		return false
	}
	for _, v := range d.Spec.Versions {
		if d.Spec.Group+"/"+v.Name == f.version {
			return v.Served
		}
	}
	return false
}

// established tells whether the API server has taken the definition.
func (d *definition) established() bool {
	for _, c := range d.Status.Conditions {
		if c.Type == "Established" {
			return c.Status == "True"
		}
	}
	return false
}
