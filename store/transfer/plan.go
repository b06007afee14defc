// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// planned is what a copy is going to do.
type planned struct {
	steps  []step
	want   []api.Object     // what the target is to have in the end
	keep   map[api.Key]bool // what it has besides and may keep
	report Report
}

// named bounds how many objects an error names.
const named = 10

// plan compares the objects with what the target has, and refuses what cannot be done.
func plan(ctx context.Context, objects []api.Object, target store.Store, o Options) (*planned, error) {
	p := &planned{keep: map[api.Key]bool{}}
	stored, err := Read(ctx, target)
	if err != nil {
		return p, fmt.Errorf("the target: %w", err)
	}
	have := byKey(stored)
	from := copyMark(have)
	p.report.Resumed = from == o.Source
	if from != "" && !p.report.Resumed && o.Existing != Overwrite {
		return p, fmt.Errorf("the target holds an interrupted copy from %s; run that one again to complete it, or overwrite what is there", from)
	}
	p.want = p.accepted(objects, have, o.Kubernetes)
	wanted := byKey(p.want)
	if there := occupied(stored, o.Kubernetes); len(there) > 0 && o.Existing == Refuse && !p.report.Resumed {
		return p, fmt.Errorf("the target is not empty: it has %s; say whether to merge into it or to overwrite what differs", list(there))
	}
	if err := p.addSteps(have, o); err != nil {
		return p, err
	}
	for _, obj := range stored {
		if key := api.KeyOf(obj); wanted[key] == nil && o.Existing != Refuse {
			p.keep[key] = true
		}
	}
	return p, missingNamespaces(p.want, have, o.Kubernetes)
}

// addSteps decides what is done with each object.
func (p *planned) addSteps(have map[api.Key]api.Object, o Options) error {
	var clashes []api.Object
	for _, obj := range p.want {
		old := have[api.KeyOf(obj)]
		if old == nil {
			p.steps = append(p.steps, step{obj: obj})
			p.report.Created++
			continue
		}
		same, err := alike(obj, old)
		if err != nil {
			return err
		}
		if same {
			p.report.Same++
			continue
		}
		if o.Existing == Merge && !p.report.Resumed && !kept(old, o.Kubernetes) {
			clashes = append(clashes, obj)
		}
		p.steps = append(p.steps, step{obj, old})
		p.report.Replaced++
	}
	if len(clashes) > 0 {
		return fmt.Errorf("the target has %s in another form; overwrite what differs, or change it on one side first", list(clashes))
	}
	return nil
}

// accepted returns what the target takes of the objects, in the form in which it will have them. The rest is reported as skipped.
func (p *planned) accepted(objects []api.Object, have map[api.Key]api.Object, kubernetes bool) []api.Object {
	var out []api.Object
	for _, obj := range objects {
		key := api.KeyOf(obj)
		node, isNode := obj.(*v3.Node)
		old, _ := have[key].(*v3.Node)
		switch {
		case key == informationKey: // written by the marker
		case kubernetes && ofKubernetes(key.Resource):
			p.skip(key, "Kubernetes keeps its own")
		case kubernetes && isNode && old == nil:
			p.skip(key, "Kubernetes has no such node")
		case kubernetes && isNode:
			out = append(out, nodeInto(old, node))
		default:
			out = append(out, obj)
		}
	}
	return out
}

func (p *planned) skip(key api.Key, reason string) {
	p.report.Skipped = append(p.report.Skipped, Difference{key, reason})
}

// ofKubernetes tells whether Kubernetes itself makes the objects of a resource.
func ofKubernetes(r api.Resource) bool {
	return r == api.Namespaces || r == api.ServiceAccounts || r == api.Services || r == api.EndpointSlices
}

// kept tells whether an object of the target says nothing about whether it is empty: those of Kubernetes, and the ClusterInformation with our mark.
func kept(obj api.Object, kubernetes bool) bool {
	key := api.KeyOf(obj)
	return key == informationKey || kubernetes && (ofKubernetes(key.Resource) || key.Resource == api.Nodes)
}

// occupied returns what makes a target not empty.
func occupied(stored []api.Object, kubernetes bool) []api.Object {
	return slices.DeleteFunc(slices.Clone(stored), func(obj api.Object) bool { return kept(obj, kubernetes) })
}

// nodeInto returns Kubernetes' node with the fields of another that are weft's.
func nodeInto(kube, from *v3.Node) *v3.Node {
	out := api.Clone(kube)
	if out.Labels == nil && len(from.Labels) > 0 {
		out.Labels = map[string]string{}
	}
	if out.Annotations == nil && len(from.Annotations) > 0 {
		out.Annotations = map[string]string{}
	}
	for name, value := range from.Labels {
		if _, there := out.Labels[name]; !there { // the kubelet writes some of them anew
			out.Labels[name] = value
		}
	}
	maps.Copy(out.Annotations, from.Annotations)
	theirs := api.Clone(from)
	spec, status := theirs.Spec, theirs.Status
	spec.Addresses, spec.OrchRefs = out.Spec.Addresses, out.Spec.OrchRefs
	out.Spec = spec
	if status != nil {
		if out.Status != nil {
			status.PodCIDRs = out.Status.PodCIDRs
		}
		out.Status = status
	}
	return out
}

// missingNamespaces refuses objects in namespaces that Kubernetes does not have.
func missingNamespaces(want []api.Object, have map[api.Key]api.Object, kubernetes bool) error {
	missing := map[string]bool{}
	for _, obj := range want {
		name := api.KeyOf(obj).Namespace
		if _, there := have[api.Key{Resource: api.Namespaces, Name: name}]; kubernetes && name != "" && !there {
			missing[name] = true
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the cluster has no namespace %s, in which objects are to be; create them first (`kubectl create namespace NAME`)",
		strings.Join(slices.Sorted(maps.Keys(missing)), ", "))
}

// verify compares what was read back with what was to be written.
func (p *planned) verify(have []api.Object, kubernetes bool) ([]Difference, error) {
	wanted := byKey(p.want)
	have = slices.DeleteFunc(slices.Clone(have), func(obj api.Object) bool {
		return p.keep[api.KeyOf(obj)] || wanted[api.KeyOf(obj)] == nil && kept(obj, kubernetes)
	})
	return Compare(p.want, have)
}

// list names objects, the first ones.
func list(objects []api.Object) string {
	var names []string
	for _, obj := range objects[:min(len(objects), named)] {
		names = append(names, api.KeyOf(obj).String())
	}
	text := strings.Join(names, ", ")
	if more := len(objects) - named; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// informationKey is the object that says what a datastore is.
var informationKey = api.Key{Resource: api.ClusterInformations, Name: "default"}

// copyAnnotation names, in the target's ClusterInformation, the source of a copy that is under way.
const copyAnnotation = "weft.net/copy-from"

func copyMark(have map[api.Key]api.Object) string {
	if obj := have[informationKey]; obj != nil {
		return obj.GetAnnotations()[copyAnnotation]
	}
	return ""
}

// marker keeps the mark of a copy under way.
type marker struct {
	target store.Store
	source string
}

// begin sets the mark.
func (m marker) begin(ctx context.Context) error {
	return m.edit(ctx, func(info *v3.ClusterInformation) { info.Annotations[copyAnnotation] = m.source })
}

// end removes the mark, and brings what the source's ClusterInformation says, unless the target's own is to stay.
func (m marker) end(ctx context.Context, objects []api.Object, existing Existing) error {
	return m.edit(ctx, func(info *v3.ClusterInformation) {
		if from, ok := byKey(objects)[informationKey].(*v3.ClusterInformation); ok && (existing != Merge || info.Spec.ClusterGUID == "") {
			info.Spec = from.Spec
			maps.Copy(info.Annotations, from.Annotations)
		}
		delete(info.Annotations, copyAnnotation)
		info.Annotations[store.SchemaAnnotation] = store.SchemaMark()
	})
}

// edit changes the target's ClusterInformation by compare-and-swap, or makes it.
func (m marker) edit(ctx context.Context, change func(*v3.ClusterInformation)) error {
	for {
		info := &v3.ClusterInformation{ObjectMeta: v3.ObjectMeta{Name: informationKey.Name}}
		obj, err := m.target.Get(ctx, informationKey)
		if err == nil {
			info = api.Clone(obj.(*v3.ClusterInformation))
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if info.Annotations == nil {
			info.Annotations = map[string]string{}
		}
		change(info)
		if obj == nil {
			_, err = m.target.Create(ctx, info)
		} else {
			_, err = m.target.Update(ctx, info)
		}
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
}
