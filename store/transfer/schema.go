// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer

import (
	"fmt"
	"strconv"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// checkSchema refuses objects of a datastore whose ClusterInformation says that a newer weft keeps it.
func checkSchema(objects []api.Object) error {
	for _, obj := range objects {
		info, ok := obj.(*v3.ClusterInformation)
		if !ok || info.Name != informationKey.Name {
			continue
		}
		text := info.Annotations[store.SchemaAnnotation]
		if text == "" {
			return nil // of Calico, or of a weft that wrote no mark: 1 has the same form
		}
		schema, err := strconv.Atoi(text)
		if err != nil || schema < 1 {
			return fmt.Errorf("%s: metadata.annotations[%s] is %q, which is no number of a schema; correct or remove it", informationKey, store.SchemaAnnotation, text)
		}
		return refuseNewer("the datastore", schema)
	}
	return nil
}

// refuseNewer refuses a schema that this weft does not know.
func refuseNewer(what string, schema int) error {
	if schema <= store.Schema {
		return nil
	}
	return fmt.Errorf("%s has schema %d and this weft knows up to %d: it would lose what it does not know; use the weft that wrote it, or a newer one",
		what, schema, store.Schema)
}
