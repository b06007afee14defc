// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package dataplane_test

import (
	"testing"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/dataplane/drivertest"
)

// closer is the fake as the suite wants it: what is programmed outlives it, as in a kernel.
type closer struct{ *dataplane.Fake }

func (closer) Close() error { return nil }

// TestFakeContract holds the fake against what real drivers are held against.
func TestFakeContract(t *testing.T) {
	drivertest.Contract(t, func(testing.TB) (drivertest.Driver, error) { return closer{dataplane.NewFake()}, nil })
}
