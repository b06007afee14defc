// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package xtables

// SetLockSeconds says how long the tools wait for the lock.
func (t *Tool) SetLockSeconds(seconds int) { t.lockSeconds = seconds }
