// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"

	"github.com/weftnet/weft/api"
)

// StatusWriter is a Store that keeps the status of an object apart, where Update does not reach it.
type StatusWriter interface {
	// UpdateStatus replaces the status of an object, as Update does the rest; obj has to carry a resourceVersion.
	UpdateStatus(ctx context.Context, obj api.Object) (api.Object, error)
}

// UpdateStatus replaces the status of an object, in the way of the store. obj has to be otherwise as it was read.
func UpdateStatus(ctx context.Context, s Store, obj api.Object) (api.Object, error) {
	if w, ok := s.(StatusWriter); ok {
		return w.UpdateStatus(ctx, obj)
	}
	return s.Update(ctx, obj)
}
