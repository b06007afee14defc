// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// source takes the objects of one resource into the graph in compact form; the objects themselves are not kept.
type source struct {
	// put returns what is wrong with an object; the version before then stays in force.
	put    func(*Change) api.FieldErrors
	remove func(api.Key)
	// has tells whether a version is in force. Nil: the inputs themselves keep account of that.
	has func(api.Key) bool
}

// knowing returns the source with a has of its own, for resources of which there are too many to keep account of twice.
func (s source) knowing(has func(api.Key) bool) source {
	s.has = has
	return s
}

// sourceOf makes a source of functions for one type of object.
func sourceOf[T api.Object](put func(api.Key, T) api.FieldErrors, remove func(api.Key)) source {
	return sourceOfChanges(func(c *Change, obj T) api.FieldErrors { return put(c.Key, obj) }, remove)
}

// sourceOfChanges is for objects where it matters how they came in.
func sourceOfChanges[T api.Object](put func(*Change, T) api.FieldErrors, remove func(api.Key)) source {
	return source{remove: remove, put: func(c *Change) api.FieldErrors {
		obj, ok := c.Object.(T)
		if !ok || obj.GetName() != c.Key.Name || obj.GetNamespace() != c.Key.Namespace {
			return api.FieldErrors{{Path: "metadata", Reason: "the object stored here calls itself \"" + api.KeyOf(c.Object).String() + "\"; delete it"}}
		}
		return put(c, obj)
	}}
}

// inputs leads changes to their sources and keeps account of those that are refused.
type inputs struct {
	sources  map[api.Resource]source
	refused  problems
	ignored  problems             // fields that this version does not know, of objects other than policies, for which the compiler notes them
	lost     map[api.Key]struct{} // of those, whose last good version is lost
	taken    map[api.Key]struct{} // what is in force of sources without has
	revision uint64               // the highest seen of the store's
}

var inputChecks = api.Checks{Selector: selector.ValidateSyntax, Stored: true}

// apply takes one change in. Resources without a source are ignored.
func (in *inputs) apply(c *Change) {
	if !c.Local {
		in.revision = max(in.revision, c.Revision)
	}
	src, ok := in.sources[c.Key.Resource]
	switch {
	case !ok:
	case c.Object == nil && c.Err == nil:
		src.remove(c.Key)
		delete(in.refused, c.Key)
		delete(in.ignored, c.Key)
		delete(in.lost, c.Key)
		delete(in.taken, c.Key)
	default:
		wrong := in.put(c, src)
		in.refused.set(c.Key, wrong)
		delete(in.lost, c.Key)
		if c.Lost && len(wrong) > 0 {
			in.lost[c.Key] = struct{}{}
			in.close(c, src)
		}
	}
}

// put takes an object in, or returns why it is refused.
func (in *inputs) put(c *Change, src source) api.FieldErrors {
	if c.Err != nil {
		return api.FieldErrors{{Reason: c.Err.Error()}}
	}
	wrong := api.Validate(c.Object, inputChecks)
	if len(wrong) == 0 {
		wrong = src.put(c)
	}
	if len(wrong) > 0 {
		return wrong
	}
	if src.has == nil {
		in.taken[c.Key] = struct{}{}
	}
	in.ignored.set(c.Key, unknownFields(c.Object))
	return nil
}

// unknownFields returns what there is to say of fields that have no effect because this version does not know them.
func unknownFields(obj api.Object) (out api.FieldErrors) {
	if compiled(api.KeyOf(obj).Resource) {
		return nil
	}
	for _, path := range v3.UnknownFields(obj) {
		out = append(out, api.FieldError{Path: path, Reason: "this version of weft, or the one that wrote the object last, does not know the field: " +
			"it has no effect until weft is upgraded, or the object is written without the field and without the annotation " + v3.UnknownFieldsAnnotation})
	}
	return out
}

// close puts the first closing version that is valid in the place of a lost one, or leaves nothing there.
func (in *inputs) close(c *Change, src source) {
	src.remove(c.Key)
	delete(in.taken, c.Key)
	for _, obj := range c.Closing {
		closing := *c
		closing.Object, closing.Err = obj, nil
		if len(in.put(&closing, src)) == 0 {
			return
		}
	}
}

// inForce tells whether a version of an object is in force.
func (in *inputs) inForce(key api.Key) bool {
	if has := in.sources[key.Resource].has; has != nil {
		return has(key)
	}
	_, ok := in.taken[key]
	return ok
}

// problems returns what is wrong with the refused objects, and what is ignored of others.
func (in *inputs) problems() []Problem {
	out := in.refused.list(nil)
	for i := range out {
		out[i].Refused, out[i].InForce = true, in.inForce(out[i].Key)
		_, out[i].Lost = in.lost[out[i].Key]
	}
	return in.ignored.list(out)
}
