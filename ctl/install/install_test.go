// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/weftnet/weft/store"
)

// TestDeployIsFresh compares deploy/ with what is generated, in both directions.
func TestDeployIsFresh(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	const dir = "../../deploy"
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("deploy/%s is stale (%v); run make generate", name, err)
		}
	}
	err = filepath.WalkDir(filepath.Join(dir, "chart"), func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err == nil && !d.IsDir() && files[name] == "" {
			t.Errorf("deploy/%s is not generated any more; run make generate", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// object is as much of an object as is looked at.
type object struct {
	APIVersion, Kind string
	Metadata         struct {
		Name, Namespace string
		Annotations     map[string]string
	}
	Spec map[string]any
}

func parse(t *testing.T, o Options) (out []object) {
	t.Helper()
	text, err := Manifest(o)
	if err != nil {
		t.Fatal(err)
	}
	stream := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		var obj object
		if err := stream.Decode(&obj); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		if obj.Kind != "" {
			out = append(out, obj)
		}
	}
}

func TestManifestOrder(t *testing.T) {
	rank := map[string]int{"Namespace": 0, "CustomResourceDefinition": 1, "DaemonSet": 3, "Deployment": 3, "PodDisruptionBudget": 4}
	last := 0
	for _, obj := range parse(t, Options{Definitions: true, Namespace: "net"}) {
		at, known := rank[obj.Kind]
		if !known {
			at = 2
		}
		if at < last {
			t.Errorf("%s %s comes too late", obj.Kind, obj.Metadata.Name)
		}
		last = at
		if ns := obj.Metadata.Namespace; ns != "" && ns != "net" {
			t.Errorf("%s %s is in namespace %s", obj.Kind, obj.Metadata.Name, ns)
		}
		if obj.Kind == "CustomResourceDefinition" && obj.Metadata.Annotations[store.SchemaAnnotation] != store.SchemaMark() {
			t.Errorf("%s has no mark of its schema", obj.Metadata.Name)
		}
	}
}

func TestOptions(t *testing.T) {
	v4, v6 := netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("fd00::/48")
	for _, test := range []struct {
		o    Options
		want string // in the manifest
		not  string
	}{
		{Options{}, "--cni-families=ipv4\n", "--default-pool"},
		{Options{Pools: []netip.Prefix{v4}}, "--cni-families=ipv4\n", "fd00"},
		{Options{Pools: []netip.Prefix{v6, v4}}, "- \"--default-pool=fd00::/48\"\n        - \"--default-pool=10.244.0.0/16\"\n        - --default-pool-vxlan-mode=CrossSubnet\n", "\n\n"},
		{Options{Pools: []netip.Prefix{v6}}, "--cni-families=ipv6\n", "10.244"},
		{Options{Pools: []netip.Prefix{v6, v4}}, "--cni-families=dual\n", "\n\n"},
		{Options{Pools: []netip.Prefix{v6, v4}, Families: "ipv4"}, "--cni-families=ipv4\n", "dual"},
		{Options{Image: "registry.example/weft@sha256:0"}, `image: "registry.example/weft@sha256:0"`, Image},
		{Options{APIHost: "fd00::1", APIPort: "6443"}, `value: "fd00::1"`, "{{"},
		{Options{}, "namespace: weft-system", "KUBERNETES_SERVICE_HOST"},
		{Options{Namespace: "kube-system"}, "--lease-namespace=kube-system", "kind: Namespace"},
	} {
		text, err := Manifest(test.o)
		if err != nil || !strings.Contains(string(text), test.want) || strings.Contains(string(text), test.not) {
			t.Errorf("%+v: want %q, not %q: %v\n%s", test.o, test.want, test.not, err, text)
		}
	}
}

// TestUninstaller: what takes the agents' place is the same DaemonSet, so that each pod waits for its agent to end, and sees the directories that it removes from above.
func TestUninstaller(t *testing.T) {
	text, err := Uninstaller("net", "registry.example/weft:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"kind: DaemonSet\nmetadata:\n  name: weft-agent\n  namespace: net\n", "maxUnavailable: 100%\n", `image: "registry.example/weft:1"`, "- node\n        - uninstall\n        - --stay\n",
		"--state-dir=/host/state/weft\n", "--cache-dir=/host/cache/weft\n", `hostPath: {path: "/run", type: Directory}`, `hostPath: {path: "/var/lib", type: Directory}`, "--cni-conf-dir=/host/cni/conf\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "- agent\n") || strings.Count(string(text), "kind: ") != 1 {
		t.Errorf("more than that:\n%s", text)
	}
}

// TestRemovalHasAll: what a manifest makes is removed, but for definitions that nobody asked to remove.
func TestRemovalHasAll(t *testing.T) {
	for _, definitions := range []bool{false, true} {
		text, err := Removal("net", definitions)
		if err != nil {
			t.Fatal(err)
		}
		for _, obj := range parse(t, Options{Namespace: "net", Definitions: definitions}) {
			if !slices.Contains(removal, obj.Kind) {
				t.Errorf("%s has no place in the order of removal", obj.Kind)
			}
			if !strings.Contains(string(text), "kind: "+obj.Kind+"\nmetadata:\n  name: "+obj.Metadata.Name+"\n") {
				t.Errorf("%s %s is not removed", obj.Kind, obj.Metadata.Name)
			}
		}
		if !definitions && strings.Contains(string(text), "CustomResourceDefinition") {
			t.Error("definitions are removed unasked")
		}
		if first := strings.Index(string(text), "kind: "); !strings.HasPrefix(string(text)[first:], "kind: Deployment") || !strings.HasSuffix(string(text), "kind: Namespace\nmetadata:\n  name: net\n") {
			t.Errorf("wrong order:\n%s", text)
		}
	}
}
