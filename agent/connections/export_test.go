// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package connections

import "context"

// Relent is what Run does at once after a change.
func (r *Reviewer) Relent(ctx context.Context) error { return r.relent(ctx) }
