// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weftnet/weft/dataplane/drivertest"
	"github.com/weftnet/weft/sys/netns"
	"github.com/weftnet/weft/sys/proc"
)

var namespaces atomic.Int32

// newNS makes a network namespace for the test.
func newNS(t testing.TB) *netns.NS {
	t.Helper()
	name := fmt.Sprintf("weft-nft%d-%d", os.Getpid(), namespaces.Add(1))
	ns, err := netns.Create(name)
	if err != nil {
		t.Fatalf("network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = ns.Close()
		if err := netns.Delete(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("delete: %v", err)
		}
	})
	return ns
}

// newDriver opens a driver in a namespace.
func newDriver(t testing.TB, ns *netns.NS) *Driver {
	t.Helper()
	return openDriver(t, ns, Options{})
}

func openDriver(t testing.TB, ns *netns.NS, o Options) *Driver {
	t.Helper()
	var d *Driver
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	err := ns.Do(func() (err error) {
		d, err = New(o)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

// nftTool runs the nft tool, the peer.
func nftTool(t testing.TB, ns *netns.NS, args ...string) string {
	t.Helper()
	out, err := proc.Output(t.Context(), proc.Spec{Path: "nft", Args: args, NS: ns})
	if err != nil {
		t.Fatalf("nft %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// listing is our table as the tool prints it, without counts, its parts sorted: the kernel keeps them in the order in which they were made.
func listing(t testing.TB, ns *netns.NS) string {
	t.Helper()
	text := strings.TrimPrefix(nftTool(t, ns, "-s", "list", "ruleset"), "table inet "+tableName+" {\n")
	parts := strings.Split(strings.TrimSuffix(text, "\n}\n"), "\n\n")
	slices.Sort(parts)
	return strings.Join(parts, "\n\n")
}

// build and what follows are drivertest's, under short names.
type build = drivertest.Build

var (
	apply            = drivertest.Apply
	allow, deny      = drivertest.AllowRule, drivertest.DenyRule
	np, profile      = drivertest.NetworkPolicy, drivertest.Profile
	tier, endpointID = drivertest.Tier, drivertest.EndpointID
	prefix, prefixes = drivertest.Prefix, drivertest.Prefixes
	ports            = drivertest.Ports
)
