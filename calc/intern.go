// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package calc

import (
	"maps"
	"strings"
	"unique"

	"github.com/weftnet/weft/policy/selector"
)

// intern returns one shared copy of equal strings, which also lets go of the object that s came from.
func intern(s string) string { return unique.Make(s).Value() }

// internLabels copies labels with shared strings; nil for none.
func internLabels(labels map[string]string) selector.Map {
	if len(labels) == 0 {
		return nil
	}
	out := make(selector.Map, len(labels))
	for k, v := range labels {
		out[intern(k)] = intern(v)
	}
	return out
}

// cloned returns s in memory of its own, when s may be part of a larger text. For names that occur once, which intern would not serve.
func cloned(s string) string { return strings.Clone(s) }

// namespaced returns the labels of a namespaced item: its own and, over them, the label that names its namespace.
func namespaced(labels map[string]string, namespace string) map[string]string {
	out := make(map[string]string, len(labels)+3)
	maps.Copy(out, labels)
	out[selector.NamespaceLabel] = namespace
	return out
}
