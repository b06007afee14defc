// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package weft_test enforces the rules of the repository: import layers, package docs and licence headers.
package weft_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/weftnet/weft/"

// layer is one row of the table in docs/architecture.md: the packages (a trailing slash means the whole tree) and the
// packages of this module that they may import besides their own tree.
type layer struct {
	packages []string
	may      []string
}

var (
	below2 = []string{"internal/", "api/", "sys/", "policy/", "desired"}
	layers = []layer{
		{[]string{"internal/", "examples"}, nil},
		{[]string{"api/"}, []string{"internal/"}},
		{[]string{"sys/"}, []string{"internal/"}},
		{[]string{"policy/"}, []string{"internal/", "api/", "desired"}},
		{[]string{"desired"}, []string{"internal/", "api/", "policy/rule"}},
		{[]string{"calc/"}, []string{"internal/", "api/", "policy/", "desired"}},
		{[]string{"ipam/", "store"}, []string{"internal/", "api/", "policy/", "desired", "store"}},
		{[]string{"store/"}, []string{"internal/", "api/", "store"}},
		{[]string{"dataplane/", "routing/", "egress/", "flow/"}, []string{"internal/", "desired", "sys/", "policy/rule"}},
		{[]string{"dataplane/drivertest"}, []string{"internal/", "desired", "sys/", "policy/", "dataplane"}},
		{[]string{"ctl/", "gateway/", "controllers/"}, append(below2, "calc/", "ipam/", "store/", "dataplane/", "routing/", "flow/")},
		{[]string{"agent/", "lab/"}, []string{""}},
		{[]string{"cmd/weft-cni"}, []string{"internal/", "sys/netns"}},
		{[]string{"cmd/", "test/", "bench/", "."}, []string{""}},
	}

	// doors are outside packages that only some trees may import, with the reason.
	doors = []struct {
		pkg, why string
		only     []string
	}{
		{"golang.org/x/sys/unix", "sys is the only door to the OS", []string{"sys/"}},
		{"github.com/vishvananda/netlink", "sys/netlink is the only door to rtnetlink", []string{"sys/"}},
		{"github.com/google/nftables", "sys/nft is the only door to nf_tables", []string{"sys/"}},
		{"github.com/mdlayher/netlink", "sys is the only door to netlink", []string{"sys/"}},
		{"golang.zx2c4.com/", "sys/wireguard is the only door to WireGuard", []string{"sys/"}},
		{"github.com/aws/", "sys/ec2 is the only door to AWS", []string{"sys/"}},
		{"os/exec", "processes are started through sys/proc", []string{"sys/"}},
		{"github.com/osrg/gobgp/", "the BGP library stays behind routing/bgp", []string{"routing/bgp"}},
		{"go.etcd.io/", "etcd stays behind store/etcdstore", []string{"store/etcdstore"}},
		{"k8s.io/client-go/", "client-go stays behind store/kubestore", []string{"store/kubestore"}},
	}
)

// goFile is one parsed source file.
type goFile struct {
	path string // relative to the repository
	dir  string // package directory, "." for the root
	test bool
	text string
	ast  *ast.File
}

func TestImportLayers(t *testing.T) {
	for _, f := range files(t) {
		if f.test {
			continue
		}
		rule, ok := layerOf(f.dir)
		if !ok {
			t.Errorf("%s: package %s is in no layer; add it to layers in arch_test.go and to the table of the architecture", f.path, f.dir)
			continue
		}
		for _, spec := range f.ast.Imports {
			target, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module)
			if ours && !mayImport(rule, f.dir, target) {
				t.Errorf("%s imports %s: not allowed for its layer (it may use %s); move the code or hand the value in from above",
					f.path, target, strings.Join(rule.may, ", "))
			}
		}
	}
}

func TestDoors(t *testing.T) {
	for _, f := range files(t) {
		if f.test || strings.HasPrefix(f.dir, "test/") {
			continue
		}
		for _, spec := range f.ast.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			for _, door := range doors {
				if strings.HasPrefix(name, door.pkg) && !slices.ContainsFunc(door.only, func(p string) bool { return within(p, f.dir) }) {
					t.Errorf("%s imports %s: %s; use that package", f.path, name, door.why)
				}
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	docs := map[string]int{}
	for _, f := range files(t) {
		if f.test || f.ast.Name.Name == "main" && strings.HasPrefix(f.dir, "test/") {
			continue
		}
		docs[f.dir] += 0
		if f.ast.Doc == nil {
			continue
		}
		docs[f.dir]++
		if text := f.ast.Doc.Text(); strings.Contains(text, "SPDX") || len(text) < 40 {
			t.Errorf("%s: the package comment must say how the package is used", f.path)
		}
	}
	for dir, n := range docs {
		if n != 1 {
			t.Errorf("package %s has %d package comments; write exactly one, starting with its use", dir, n)
		}
	}
}

func TestLicenceHeaders(t *testing.T) {
	for _, f := range files(t) {
		if strings.Contains(f.text[:min(len(f.text), 300)], "Code generated") {
			continue
		}
		lines := strings.SplitN(f.text, "\n", 4)
		if len(lines) < 3 || !strings.HasPrefix(lines[0], "// Copyright ") || lines[1] != "// SPDX-License-Identifier: Apache-2.0" || lines[2] != "" {
			t.Errorf("%s: start the file with the two licence lines and a blank line, as in arch_test.go", f.path)
		}
	}
}

func TestNoInit(t *testing.T) {
	for _, f := range files(t) {
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: no init functions; construct what you need where it is used", f.path)
			}
		}
	}
}

// TestDependenciesAreExplained asks for one line of why per direct dependency.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") {
			continue // direct requirements have a module and a version, and no comment
		}
		if !strings.Contains(string(reasons), "`"+fields[0]+"`") {
			t.Errorf("go.mod requires %s: say in docs/dependencies.md why it beats our own code", fields[0])
		}
	}
}

// layerOf returns the most specific row for a package directory.
func layerOf(dir string) (layer, bool) {
	best, length := layer{}, -1
	for _, l := range layers {
		for _, p := range l.packages {
			if within(p, dir) && len(p) > length {
				best, length = l, len(p)
			}
		}
	}
	return best, length >= 0
}

func mayImport(l layer, dir, target string) bool {
	own, _, _ := strings.Cut(dir, "/")
	if within(own+"/", target) && sameRow(l, target) {
		return true
	}
	return slices.ContainsFunc(l.may, func(p string) bool { return p == "" || within(p, target) })
}

// sameRow keeps neighbours of one row apart: dataplane may import dataplane/..., not routing.
func sameRow(l layer, target string) bool {
	return slices.ContainsFunc(l.packages, func(p string) bool { return within(p, target) })
}

// within reports whether dir is p, or below it when p ends in a slash.
func within(p, dir string) bool {
	return dir == strings.TrimSuffix(p, "/") || strings.HasSuffix(p, "/") && strings.HasPrefix(dir, p)
}

func files(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "bin" || strings.HasPrefix(d.Name(), ".") && name != "."):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(fset, name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		full, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		tree.Decls = full.Decls
		out = append(out, goFile{name, filepath.ToSlash(filepath.Dir(name)), strings.HasSuffix(name, "_test.go"), string(text), tree})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
