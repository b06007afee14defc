// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package memstore_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/memstore"
	"github.com/weftnet/weft/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Backend {
		first := memstore.New()
		return storetest.Backend{
			Open:   func(*testing.T) store.Store { return first.Peer() },
			Inject: func(_ *testing.T, key api.Key, value []byte) { first.Inject(key, value) },
			Cut: func(_ *testing.T, client store.Store) func() {
				client.(*memstore.Store).Disconnect(errors.New("cut by the test"))
				return client.(*memstore.Store).Reconnect
			},
		}
	})
}
