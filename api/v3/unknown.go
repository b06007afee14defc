// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UnknownFieldsAnnotation on an object that was read names the fields of it that this version of weft does not know, as a JSON list of paths. A stored
// object has it if a version that did not know the fields wrote the object again, without them.
const UnknownFieldsAnnotation = "weft.net/unknown-fields"

// UnknownFields returns the paths of fields that the version of weft that read or last wrote an object did not know, such as
// "spec.ingress[0].source.fooBar"; "spec" if not all can be told. An annotation that is no list of paths counts as "spec".
func UnknownFields(obj metav1.Object) []string {
	text, marked := obj.GetAnnotations()[UnknownFieldsAnnotation]
	if !marked {
		return nil
	}
	var paths []string
	if json.Unmarshal([]byte(text), &paths) != nil || len(paths) == 0 {
		return []string{"spec"}
	}
	return paths
}
