// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

// FelixSources says under which source addresses packets may travel.
type FelixSources struct {
	// WorkloadSourceSpoofing: Any lets workloads send from their allowSpoofedSourcePrefixes, beyond their own addresses.
	WorkloadSourceSpoofing *string `json:"workloadSourceSpoofing,omitempty" default:"Disabled" format:"anyCase" enum:"Disabled Any"`
}
