// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/internal/lifetime"
)

// SchemaChange is what InstallSchema did with one definition, or would do.
type SchemaChange struct {
	Name string
	// Done is "created", "updated", or "unchanged" for a definition that was right already. A dry run does not look that close: "exists".
	Done string
}

// definition is as much of a CustomResourceDefinition as is looked at.
type definition struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion,omitempty"`
		Annotations     map[string]string `json:"annotations,omitempty"`
	} `json:"metadata"`
	Spec struct {
		Group    string `json:"group,omitempty"`
		Versions []struct {
			Name   string `json:"name"`
			Served bool   `json:"served"`
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
	Status struct {
		Conditions []struct{ Type, Status string } `json:"conditions"`
	} `json:"status,omitzero"`
}

// crds is the resource of the definitions.
var crds = form{version: "apiextensions.k8s.io/v1", plural: "customresourcedefinitions"}

const (
	crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	// aggregated is what hides custom resources of the group when another API server serves it.
	aggregated = "/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org"
)

// InstallSchema applies CustomResourceDefinitions, as YAML, on the server's side, and waits until they are served. Before the first write it refuses if
// one of the cluster's is newer: of a newer schema, or with a field that ours lacks and whose values would be lost. force overrides the latter. dryRun
// writes nothing.
func (s *Store) InstallSchema(ctx context.Context, definitions [][]byte, force, dryRun bool) ([]SchemaChange, error) {
	if err := s.refuseAggregated(ctx); err != nil {
		return nil, err
	}
	var ours [][]byte
	var changes []SchemaChange
	var newer []error
	for _, text := range definitions {
		body, d, err := marked(text)
		if err != nil {
			return nil, err
		}
		have, err := s.definition(ctx, d.Metadata.Name)
		if err != nil {
			return nil, err
		}
		done := "created"
		if have != nil {
			done = "exists"
			newer = append(newer, have.refuseNewerThan(d, force))
		}
		ours, changes = append(ours, body), append(changes, SchemaChange{d.Metadata.Name, done})
	}
	if err := errors.Join(newer...); err != nil {
		return nil, err
	}
	if dryRun {
		return changes, nil
	}
	for i, body := range ours {
		if err := s.applyDefinition(ctx, &changes[i], body); err != nil {
			return changes[:i], err
		}
	}
	for _, c := range changes {
		if err := s.established(ctx, c.Name); err != nil {
			return changes, err
		}
	}
	return changes, nil
}

// refuseAggregated refuses a cluster where another API server has the group: it would get all requests.
func (s *Store) refuseAggregated(ctx context.Context) error {
	data, err := s.call(ctx, request{verb: "get", form: form{version: "apiregistration.k8s.io/v1", plural: "apiservices"}, path: aggregated})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var service struct {
		Spec struct {
			Service *struct{ Namespace, Name string }
		}
	}
	if err := json.Unmarshal(data, &service); err != nil {
		return fmt.Errorf("APIService v3.projectcalico.org: %w", err)
	}
	if to := service.Spec.Service; to != nil {
		return fmt.Errorf("the group projectcalico.org/v3 is served by %s/%s (Calico's API server): custom resources of weft would not be seen; "+
			"move its objects (`weft store backup` once it serves them), then delete the APIService v3.projectcalico.org", to.Namespace, to.Name)
	}
	return nil
}

// marked returns a definition as JSON with the mark of its schema.
func marked(text []byte) ([]byte, *definition, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, nil, fmt.Errorf("CustomResourceDefinition: %w", err)
	}
	metadata, ok := tree["metadata"].(map[string]any)
	if !ok {
		return nil, nil, errors.New("CustomResourceDefinition: metadata is missing")
	}
	annotations, ok := metadata["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[store.SchemaAnnotation] = store.SchemaMark()
	body, err := json.Marshal(tree)
	if err != nil {
		return nil, nil, err
	}
	d := &definition{}
	return body, d, json.Unmarshal(body, d)
}

// definition reads one of the cluster's definitions; nil: it is not there.
func (s *Store) definition(ctx context.Context, name string) (*definition, error) {
	data, err := s.call(ctx, request{verb: "get", form: crds, path: crdPath + "/" + name})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d := &definition{}
	if err := json.Unmarshal(data, d); err != nil {
		return nil, fmt.Errorf("CustomResourceDefinition %s: %w", name, err)
	}
	return d, nil
}

// refuseNewerThan refuses to write ours over a definition that is newer.
func (d *definition) refuseNewerThan(ours *definition, force bool) error {
	name := d.Metadata.Name
	if text := d.Metadata.Annotations[store.SchemaAnnotation]; text != "" {
		if schema, err := strconv.Atoi(text); err != nil || schema > store.Schema {
			return fmt.Errorf("CustomResourceDefinition %s has schema %s and this weft knows up to %d; use the weft that installed it, or a newer one", name, text, store.Schema)
		}
	}
	var lost []string
	known := ours.fields()
	for field := range d.fields() {
		if !known[field] {
			lost = append(lost, field)
		}
	}
	if len(lost) == 0 || force {
		return nil
	}
	slices.Sort(lost)
	return fmt.Errorf("CustomResourceDefinition %s has fields that this weft does not know, and their values would be lost: %s; use the weft that installed it, or a newer one, or force it",
		name, strings.Join(lost[:min(len(lost), 10)], ", "))
}

// fields returns the paths of all fields of all versions.
func (d *definition) fields() map[string]bool {
	out := map[string]bool{}
	for _, v := range d.Spec.Versions {
		addFields(out, v.Name, v.Schema.OpenAPIV3Schema)
	}
	return out
}

func addFields(out map[string]bool, path string, schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	for name, value := range properties {
		out[path+"."+name] = true
		if below, ok := value.(map[string]any); ok {
			addFields(out, path+"."+name, below)
		}
	}
	for _, inside := range []string{"items", "additionalProperties"} {
		if below, ok := schema[inside].(map[string]any); ok {
			addFields(out, path+"[]", below)
		}
	}
}

// applyDefinition writes a definition and notes when that changed nothing.
func (s *Store) applyDefinition(ctx context.Context, c *SchemaChange, body []byte) error {
	before, err := s.definition(ctx, c.Name)
	if err != nil {
		return err
	}
	data, err := s.call(ctx, request{
		verb: "patch", form: crds, path: crdPath + "/" + c.Name, body: body, media: "application/apply-patch+yaml",
		query: url.Values{"fieldManager": {"weft"}, "force": {"true"}, "fieldValidation": {"Strict"}},
	})
	if err != nil {
		return fmt.Errorf("CustomResourceDefinition %s: %w", c.Name, err)
	}
	after := &definition{}
	if err := json.Unmarshal(data, after); err != nil {
		return fmt.Errorf("CustomResourceDefinition %s: %w", c.Name, err)
	}
	switch {
	case before == nil:
		c.Done = "created"
	case before.Metadata.ResourceVersion == after.Metadata.ResourceVersion:
		c.Done = "unchanged"
	default:
		c.Done = "updated"
	}
	return nil
}

// established waits until a definition is served.
func (s *Store) established(ctx context.Context, name string) error {
	for {
		d, err := s.definition(ctx, name)
		if err != nil {
			return err
		}
		if d != nil && d.established() {
			return nil
		}
		if !lifetime.Pause(ctx, s.pace.retry) {
			return fmt.Errorf("CustomResourceDefinition %s is not served yet; `kubectl describe crd %s` says why: %w", name, name, ctx.Err())
		}
	}
}
