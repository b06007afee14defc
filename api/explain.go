// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/weftnet/weft/api/internal/shape"
	"github.com/weftnet/weft/internal/near"
)

//go:generate go run ./gen

// FieldDoc describes a field for people.
type FieldDoc struct {
	Path      string // "spec.blockSize"; empty for the kind itself
	Name      string // the last part of the path, or the Kind
	Type      string // "string", "[]Rule", "integer or string"
	Doc       string // one paragraph
	Required  bool
	Immutable bool
	Default   string     // as text; empty if there is none
	Limits    string     // "one of Never, Always, CrossSubnet", "1 to 65535"; empty if there are none
	Later     string     // why the field has no effect yet; empty if it has
	Fields    []FieldDoc // what is inside, one level, in order
}

// Explain describes a field of a kind, or with an empty path the kind itself. A path is written as "spec.ingress.action"; indexes
// such as "spec.ingress[0]" may be there. An unknown field is an error with the nearest known name.
func Explain(k *Kind, path string) (FieldDoc, error) {
	e := explainer{docs: docs}
	t, doc := k.goType, e.kind(k)
	later := ""
	for name := range strings.SplitSeq(indexes.ReplaceAllString(path, ""), ".") {
		if path == "" {
			break
		}
		var s *shape.Struct
		if t = structOf(t); t != nil {
			s = shape.Of(t)
		}
		if s == nil {
			return FieldDoc{}, fmt.Errorf("%s %s: %s has no fields of its own", k.Kind, path, doc.Path)
		}
		f := s.Field(name)
		if f == nil {
			return FieldDoc{}, fmt.Errorf("%s %s: there is no field %q%s", k.Kind, path, join(doc.Path, name), didYouMean(name, s))
		}
		doc = e.field(s, f, doc.Path)
		later = orElse(doc.Later, later)
		doc.Later, t = later, f.Type
	}
	doc.Fields = e.inside(t, doc.Path)
	return doc, nil
}

var indexes = regexp.MustCompile(`\[\d*\]`)

func didYouMean(name string, s *shape.Struct) string {
	if best := near.Best(name, s.Names); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// explainer joins what types say with what their comments say.
type explainer struct {
	docs map[string]string // by Go type, or Go type and field: "IPPool", "IPPoolSpec.CIDR"
}

func (e explainer) kind(k *Kind) FieldDoc {
	text := e.docs[k.goType.Name()]
	if !shape.Own(k.goType) {
		text = swagger(k.goType)[""]
	}
	return FieldDoc{Name: k.Kind, Type: k.APIVersion, Doc: text}
}

func (e explainer) field(s *shape.Struct, f *shape.Field, above string) FieldDoc {
	text := swagger(f.Owner)[f.Name]
	if shape.Own(f.Owner) {
		text = e.docs[f.Owner.Name()+"."+f.GoName]
	}
	if known, ok := metaDocs[f.Name]; ok && above == "" {
		text = known
	}
	return FieldDoc{
		Path: join(above, f.Name), Name: f.Name, Type: TypeName(f.Type), Doc: text,
		Required: f.Required && shape.Own(s.Type), Immutable: f.Immutable,
		Default: orElse(f.Default, f.DefaultText), Limits: f.Limits(), Later: f.Later,
	}
}

func (e explainer) inside(t reflect.Type, path string) []FieldDoc {
	if t = structOf(t); t == nil {
		return nil
	}
	var out []FieldDoc
	s := shape.Of(t)
	for i := range s.Fields {
		out = append(out, e.field(s, &s.Fields[i], path))
	}
	return out
}

// metaDocs describes what all kinds have.
var metaDocs = map[string]string{
	"apiVersion": "apiVersion is the group and version of the kind.",
	"kind":       "kind is the kind of the object.",
	"metadata":   "metadata holds name, namespace, labels and annotations, as everywhere in Kubernetes.",
}

// structOf returns the struct type that values of t are, point to or list, or nil.
func structOf(t reflect.Type) reflect.Type {
	class, t := shape.ClassOf(t)
	for class == shape.List || class == shape.Map {
		class, t = shape.ClassOf(t.Elem())
	}
	if class != shape.Object {
		return nil
	}
	return t
}

// swagger returns the docs that Kubernetes types carry, by JSON name; "" is the type itself.
func swagger(t reflect.Type) map[string]string {
	if d, ok := reflect.Zero(t).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
		return d.SwaggerDoc()
	}
	return nil
}

// TypeName names a type in words of the API.
func TypeName(t reflect.Type) string {
	class, t := shape.ClassOf(t)
	switch class {
	case shape.List:
		return "[]" + TypeName(t.Elem())
	case shape.Map:
		return "map of " + TypeName(t.Elem())
	case shape.Boolean:
		return "boolean"
	case shape.Integer:
		return "integer"
	case shape.Number:
		return "number"
	case shape.Object:
		return t.Name()
	case shape.Leaf:
		return leafNames[t.Name()]
	default:
		return "string"
	}
}

// leafNames names the types that read themselves.
var leafNames = map[string]string{
	"ASNumber": "AS number", "IntOrString": "integer or string", "Duration": "duration", "Time": "time", "MicroTime": "time", "FieldsV1": "object",
}
