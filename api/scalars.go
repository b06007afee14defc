// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/weftnet/weft/api/internal/shape"
	"github.com/weftnet/weft/api/internal/tree"
	v3 "github.com/weftnet/weft/api/v3"
)

func (d *decoder) text(n *tree.Node, path string) {
	if !d.expect(n, tree.Text, path, "text") {
		return
	}
	if n.Plain && yaml11Bool(n.Scalar) != "" {
		d.fail(n, path, "is %s, which YAML 1.1 and kubectl read as %s; write it in quotes", n.Scalar, yaml11Bool(n.Scalar))
		return
	}
	if n.Plain && endless(n.Scalar) {
		d.fail(n, path, "is %s, which YAML reads as a number; write it in quotes", n.Scalar)
		return
	}
	d.out = tree.AppendText(d.out, n.Scalar)
}

// endless tells whether a plain word is a number of YAML that JSON does not have.
func endless(word string) bool {
	word = strings.ToLower(strings.TrimLeft(word, "+-"))
	return word == ".inf" || word == ".nan"
}

// number writes a number of any size that a float holds.
func (d *decoder) number(n *tree.Node, path string) {
	if _, err := strconv.ParseFloat(n.Scalar, 64); errors.Is(err, strconv.ErrRange) && (n.Kind == tree.Number || n.Plain) {
		d.fail(n, path, "%s is out of range; write a number up to about 1e308", n.Scalar)
		return
	}
	if d.expect(n, tree.Number, path, "a number") {
		d.out = append(d.out, n.Scalar...)
	}
}

// yaml11Bool returns what YAML 1.1, and with it kubectl, reads a plain word as: "true", "false", or "" for text.
func yaml11Bool(word string) string {
	switch word {
	case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON":
		return "true"
	case "n", "N", "no", "No", "NO", "off", "Off", "OFF":
		return "false"
	default:
		return ""
	}
}

func (d *decoder) boolean(n *tree.Node, path string) {
	text := n.Scalar
	if n.Kind == tree.Text {
		if text = yaml11Bool(n.Scalar); text == "" || !n.Plain {
			how := ""
			if lower := strings.ToLower(n.Scalar); lower == "true" || lower == "false" {
				how = ": write " + lower + " without quotes"
			}
			d.fail(n, path, "is %s where true or false is expected%s", describe(n), how)
			return
		}
	} else if !d.expect(n, tree.Bool, path, "true or false") {
		return
	}
	d.out = append(d.out, text...)
}

func (d *decoder) integer(n *tree.Node, t reflect.Type, path string, f *shape.Field) {
	if !d.expect(n, tree.Number, path, "a whole number") {
		return
	}
	if strings.ContainsAny(n.Scalar, ".eE") {
		d.fail(n, path, "is %s where a whole number is expected", n.Scalar)
		return
	}
	var err error
	if t.Kind() >= reflect.Uint && t.Kind() <= reflect.Uint64 {
		_, err = strconv.ParseUint(n.Scalar, 10, t.Bits())
	} else {
		_, err = strconv.ParseInt(n.Scalar, 10, t.Bits())
	}
	if err != nil {
		low, high := limits(t, f)
		d.fail(n, path, "%s is out of range; write %d to %d", n.Scalar, low, high)
		return
	}
	d.out = append(d.out, n.Scalar...)
}

// limits returns what a field takes: by its tags, else by its type.
func limits(t reflect.Type, f *shape.Field) (low int64, high uint64) {
	high = 1<<t.Bits() - 1
	if t.Kind() < reflect.Uint {
		low, high = -1<<(t.Bits()-1), 1<<(t.Bits()-1)-1
	}
	if f.Min != nil && f.Max != nil {
		low, high = *f.Min, uint64(*f.Max)
	}
	return low, high
}

// leafTypes says what values of types with a reader of their own are, and after ':' how they are written.
var leafTypes = map[reflect.Type]string{
	reflect.TypeFor[v3.ASNumber]():        `an AS number:; write 64512, or "1.10" in quotes`,
	reflect.TypeFor[intstr.IntOrString](): "a whole number or text",
	reflect.TypeFor[metav1.Duration]():    "a duration:; write one as in 30s or 1m30s",
	reflect.TypeFor[metav1.Time]():        "a time:; write one as in 2026-01-31T12:00:00Z",
	reflect.TypeFor[metav1.MicroTime]():   "a time:; write one as in 2026-01-31T12:00:00.000000Z",
}

// leaf lets the type read its own JSON.
func (d *decoder) leaf(n *tree.Node, t reflect.Type, path string) {
	text := n.AppendJSON(nil)
	what, known := leafTypes[t]
	fraction := n.Kind == tree.Number && strings.ContainsAny(n.Scalar, ".eE")
	scalar := n.Kind == tree.Number || n.Kind == tree.Text
	err := json.Unmarshal(text, reflect.New(t).Interface())
	if known && (err != nil || fraction || !scalar) {
		what, how, _ := strings.Cut(what, ":")
		d.fail(n, path, "is %s where %s is expected%s", describe(n), what, how)
		return
	}
	if err != nil {
		d.fail(n, path, "is no %s: %v", t.Name(), err)
		return
	}
	d.out = append(d.out, text...)
}
