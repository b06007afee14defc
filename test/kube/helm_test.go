// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/test/kube"
)

// TestChartSaysWhatTheManifestDoes has Helm render the chart and compares it object by object with the manifest, which has the namespace besides.
func TestChartSaysWhatTheManifestDoes(t *testing.T) {
	helm := kube.Binary(t, "helm")
	for name, c := range map[string]struct {
		options install.Options
		values  []string
	}{
		"defaults": {install.Options{}, nil},
		"values": {
			install.Options{
				Pools: []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00:10::/64")},
				Image: "registry.example/weft:1", APIHost: "192.0.2.1", APIPort: "443", Namespace: "net",
			},
			[]string{"pools={10.244.0.0/16,fd00:10::/64}", "families=dual", "image=registry.example/weft:1", "apiServer.host=192.0.2.1", "apiServer.port=443"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Definitions = true
			namespace := c.options.Namespace
			if namespace == "" {
				namespace = install.DefaultNamespace
			}
			args := []string{"template", "weft", "../../deploy/chart", "--namespace", namespace, "--include-crds"}
			for _, v := range c.values {
				args = append(args, "--set", v)
			}
			cmd := exec.Command(helm, args...)
			cmd.Env = append(os.Environ(), kube.HelmHome(t)...)
			chart, err := cmd.Output()
			if err != nil {
				t.Fatalf("helm %v: %v", args, err)
			}
			manifest, err := install.Manifest(c.options)
			if err != nil {
				t.Fatal(err)
			}
			got, want := byPath(t, chart), byPath(t, manifest)
			delete(want, "/api/v1/namespaces/"+namespace)
			for path, object := range want {
				if !reflect.DeepEqual(got[path], object) {
					t.Errorf("%s: the chart has\n%v\nand the manifest\n%v", path, got[path], object)
				}
				delete(got, path)
			}
			for path := range got {
				t.Errorf("%s is in the chart alone", path)
			}
		})
	}
}

// byPath returns what a manifest says of each object.
func byPath(t *testing.T, manifest []byte) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	objects, texts := kube.Objects(t, manifest)
	for i, o := range objects {
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(texts[i]), &fields); err != nil {
			t.Fatal(err)
		}
		if out[o.Path()] != nil {
			t.Errorf("%s is there twice", o.Path())
		}
		out[o.Path()] = fields
	}
	return out
}
