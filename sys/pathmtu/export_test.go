// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package pathmtu

// TokenSize is how much of a question its answer repeats.
const TokenSize = tokenSize
