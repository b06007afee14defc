// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/test/kube"
)

// TestManifestIsAccepted applies the manifest to a real API server, which refuses fields that it does not know; a second time nothing changes. Then all is removed.
func TestManifestIsAccepted(t *testing.T) {
	server := kube.Start(t, kube.New)
	pools := []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10::/64")}
	o := install.Options{Definitions: true, Pools: pools, APIHost: "192.0.2.1", APIPort: "6443"}
	manifest, err := install.Manifest(o)
	if err != nil {
		t.Fatal(err)
	}
	first := server.Apply(t, manifest)
	for path, revision := range server.Apply(t, manifest) {
		if revision != first[path] {
			t.Errorf("%s is changed by a second apply", path)
		}
	}
	text, err := install.Uninstaller(install.DefaultNamespace, install.Image)
	if err != nil {
		t.Fatal(err)
	}
	cleaner := server.Apply(t, text)
	if len(cleaner) != 1 {
		t.Errorf("what takes weft off the nodes is %v", cleaner)
	}
	for path, revision := range cleaner {
		if before, there := first[path]; !there || before == revision {
			t.Errorf("%s does not take the place of the agents", path)
		}
	}
	text, err = install.Removal("", true)
	if err != nil {
		t.Fatal(err)
	}
	removed, _ := kube.Objects(t, text)
	for _, o := range removed {
		server.Must(t, http.MethodDelete, o.Path(), "")
		if o.Kind != "Namespace" { // which would be emptied by a controller first
			gone(t, server, o.Path())
		}
	}
}
