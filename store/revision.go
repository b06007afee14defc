// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"strconv"

	"github.com/weftnet/weft/api"
)

// RevisionOf returns the revision that obj was read at, its resourceVersion; 0 when it carries none.
func RevisionOf(obj api.Object) (int64, error) {
	text := obj.GetResourceVersion()
	if text == "" {
		return 0, nil
	}
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil || revision <= 0 {
		return 0, fmt.Errorf("metadata.resourceVersion: %q is no revision of this datastore; read the object again, or leave the field out to replace whatever is stored", text)
	}
	return revision, nil
}

// SetRevision stamps obj with the revision of its last change. Backends call it on objects they have just made.
func SetRevision(obj api.Object, revision int64) {
	obj.SetResourceVersion(strconv.FormatInt(revision, 10))
}
