// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package store

import "strconv"

// Schema is the version of the form in which this weft keeps objects. It grows when an older weft would misread what a newer one writes; new fields
// alone do not count.
const Schema = 1

// SchemaAnnotation marks what keeps objects with the schema it is in: the ClusterInformation of a datastore, the CustomResourceDefinitions of a cluster.
const SchemaAnnotation = "weft.net/schema"

// SchemaMark is the value of [SchemaAnnotation] that this weft writes.
func SchemaMark() string { return strconv.Itoa(Schema) }
