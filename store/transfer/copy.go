// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// Existing says what a copy does with what the target has already.
type Existing int

// Refuse writes nothing unless the target is empty. Merge adds what is missing and refuses if something is there in another form. Overwrite replaces
// that. None of them deletes.
const (
	Refuse Existing = iota
	Merge
	Overwrite
)

// Options of a copy.
type Options struct {
	// Source says where the objects come from, such that another source has another text. A copy goes on only from its own. Required.
	Source string
	// Kubernetes says that the target is a Kubernetes API, which keeps objects of its own (see Copy).
	Kubernetes bool
	// Existing says what to do with what is there. Default: the target has to be empty.
	Existing Existing
	// DryRun plans and writes nothing.
	DryRun bool
	// Progress is told how many of the writes are done, by several goroutines. Optional.
	Progress func(done, total int)
}

// Report is what a copy did, or with DryRun would do.
type Report struct {
	Created, Replaced, Same int
	// Resumed: an interrupted copy from the same source was gone on with.
	Resumed bool
	// Skipped lists objects that the target does not take, with the reason.
	Skipped []Difference
	// Differences lists what the target, read back, does not have as the source does. What it had before a Merge or Overwrite is none.
	Differences []Difference
}

// writers is the number of writes under way at a time.
const writers = 16

// Copy brings objects, as Read and ReadFile return them, to a target. Everything that speaks against it is found before the first write. What could not be
// written is an error, and the same copy again goes on from there. Afterwards the target is read back and compared.
//
// A Kubernetes API keeps its own Namespaces, ServiceAccounts, Services and EndpointSlices: they are skipped. Of a Node the fields that are weft's are
// written, if Kubernetes has the node.
func Copy(ctx context.Context, objects []api.Object, target store.Store, o Options) (Report, error) {
	p, err := plan(ctx, objects, target, o)
	if err != nil || o.DryRun {
		return p.report, err
	}
	m := marker{target, o.Source}
	if err := m.begin(ctx); err != nil {
		return p.report, err
	}
	if err := p.write(ctx, target, o.Progress); err != nil {
		return p.report, fmt.Errorf("%w\nthe copy is not complete; the same command again goes on with it", err)
	}
	have, err := Read(ctx, target)
	if err != nil {
		return p.report, fmt.Errorf("read back: %w", err)
	}
	if p.report.Differences, err = p.verify(have, o.Kubernetes); err != nil || len(p.report.Differences) > 0 {
		return p.report, err
	}
	return p.report, m.end(ctx, objects, o.Existing)
}

// step is one write: obj, in place of have where that is set.
type step struct{ obj, have api.Object }

// write makes the steps: resource by resource, and of each many at a time.
func (p *planned) write(ctx context.Context, target store.Store, progress func(done, total int)) error {
	var done atomic.Int64
	for start := 0; start < len(p.steps); {
		end := start
		for end < len(p.steps) && resourceOf(p.steps[end].obj) == resourceOf(p.steps[start].obj) {
			end++
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(writers)
		for _, s := range p.steps[start:end] {
			group.Go(func() error {
				if err := s.do(ctx, target); err != nil {
					return err
				}
				if n := int(done.Add(1)); progress != nil {
					progress(n, len(p.steps))
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		start = end
	}
	return nil
}

// do writes one object. One whose outcome is unknown is looked at again.
func (s step) do(ctx context.Context, target store.Store) error {
	if s.have != nil {
		_, err := target.Update(ctx, s.over())
		return err
	}
	_, err := target.Create(ctx, bare(s.obj))
	if !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrOutcomeUnknown) {
		return err
	}
	have, getErr := target.Get(ctx, api.KeyOf(s.obj))
	if getErr != nil {
		return errors.Join(err, getErr)
	}
	if same, sameErr := alike(s.obj, have); sameErr != nil || !same {
		return errors.Join(err, sameErr)
	}
	return nil
}

// over returns the object as a replacement of what was read, and of nothing else.
func (s step) over() api.Object {
	out := bare(s.obj)
	out.SetResourceVersion(s.have.GetResourceVersion())
	out.SetUID(s.have.GetUID())
	return out
}

// bare returns a copy of an object without what belongs to its life in another datastore.
func bare(obj api.Object) api.Object {
	out := api.Clone(obj)
	out.SetUID("")
	out.SetResourceVersion("")
	out.SetOwnerReferences(nil) // owners are named by uid, and a collector of garbage deletes what has none
	out.SetFinalizers(nil)
	out.SetManagedFields(nil)
	return out
}

func alike(a, b api.Object) (bool, error) {
	x, err := HashOf(a)
	if err != nil {
		return false, err
	}
	y, err := HashOf(b)
	return x == y, err
}

func resourceOf(obj api.Object) api.Resource { return api.KeyOf(obj).Resource }
