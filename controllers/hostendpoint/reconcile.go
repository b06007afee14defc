// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package hostendpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// Reconcile makes the automatic host endpoints in a store those of its nodes; without enabled there are none. It touches only what carries
// our label, and leaves the host endpoint of a node that cannot be read as it is. The error joins what could not be done; the rest is done,
// and doing it again is safe.
func Reconcile(ctx context.Context, s store.Store, enabled bool) error {
	nodes, err := s.List(ctx, api.Nodes, "")
	if err != nil {
		return fmt.Errorf("automatic host endpoints: %w", err)
	}
	have, err := s.List(ctx, api.HostEndpoints, "")
	if err != nil {
		return fmt.Errorf("automatic host endpoints: %w", err)
	}
	r := reconciler{ctx: ctx, store: s, want: map[string]*v3.HostEndpoint{}, keep: map[string]bool{}}
	for _, obj := range nodes.Items {
		if node, ok := obj.(*v3.Node); ok && enabled {
			hep := For(node)
			r.want[hep.Name] = hep
		}
	}
	for _, node := range nodes.Invalid {
		r.keep[node.Key.Name+suffix] = enabled
	}
	for _, obj := range have.Items {
		if hep, ok := obj.(*v3.HostEndpoint); ok {
			r.settle(hep)
		}
	}
	for _, bad := range have.Invalid {
		delete(r.want, bad.Key.Name) // the store reports it; whose it is cannot be told
	}
	for _, hep := range r.want {
		_, err := s.Create(ctx, hep)
		r.note(err)
	}
	return errors.Join(r.errs...)
}

// reconciler is one pass.
type reconciler struct {
	ctx   context.Context
	store store.Store
	want  map[string]*v3.HostEndpoint // not seen yet
	keep  map[string]bool
	errs  []error
}

// settle brings a host endpoint that is there up to date, or removes it.
func (r *reconciler) settle(have *v3.HostEndpoint) {
	want, wanted := r.want[have.Name]
	delete(r.want, have.Name)
	ours := have.Labels[CreatedByLabel] == CreatedBy && strings.HasSuffix(have.Name, suffix)
	switch {
	case !ours && wanted:
		r.note(fmt.Errorf("host endpoint %s was not made by weft, so node %s gets no automatic one; rename it, or label it %s: %s to hand it over",
			have.Name, want.Spec.Node, CreatedByLabel, CreatedBy))
	case !ours || r.keep[have.Name]:
	case !wanted:
		r.remove(have)
	case !reflect.DeepEqual(have.Spec, want.Spec) || !maps.Equal(have.Labels, want.Labels):
		now := api.Clone(have)
		now.Labels, now.Spec = want.Labels, want.Spec
		_, err := r.store.Update(r.ctx, now)
		r.note(err)
	}
}

// remove deletes what was read, unless it has changed since.
func (r *reconciler) remove(hep *v3.HostEndpoint) {
	revision, err := store.RevisionOf(hep)
	if err == nil {
		err = r.store.Delete(r.ctx, api.KeyOf(hep), revision)
	}
	if !errors.Is(err, store.ErrNotFound) {
		r.note(err)
	}
}

func (r *reconciler) note(err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
}
