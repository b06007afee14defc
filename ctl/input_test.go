// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWaysToWriteAFile reads the same manifest as editors and systems leave it behind.
func TestWaysToWriteAFile(t *testing.T) {
	u := newUser(t)
	for name, text := range map[string]string{
		"byte order mark":   "\xef\xbb\xbf" + pool,
		"Windows line ends": strings.ReplaceAll(pool, "\n", "\r\n"),
		"JSON list":         `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"blue"},"spec":{"cidr":"10.10.0.0/16"}}]}`,
		"leading separator": "---\n" + pool + "---\n",
		"typed list":        "apiVersion: projectcalico.org/v3\nkind: IPPoolList\nitems:\n- metadata: {name: blue}\n  spec: {cidr: 10.10.0.0/16}\n",
	} {
		if out, errOut, code := u.run(text, "validate", "-f", "-"); code != 0 || out != "1 valid\n" {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errOut)
		}
	}
}

// TestNothingToRead says which of the ways of having no manifest it was.
func TestNothingToRead(t *testing.T) {
	u := newUser(t)
	empty := u.file("empty.yaml", "")
	comment := u.file("comment.yaml", "# nothing here\n---\n")
	u.file("docs/readme.txt", "hello")
	for path, want := range map[string]string{
		empty:                           "no object",
		comment:                         "no object",
		filepath.Join(u.dir, "docs"):    "no .yaml, .yml or .json file",
		filepath.Join(u.dir, "missing"): "missing: no such file or directory",
	} {
		if out, errOut, code := u.run("", "validate", "-f", path); code != ExitError || !strings.Contains(errOut, want) || strings.Contains(errOut, "stat ") {
			t.Errorf("%s: exit %d, want 1 and %q\n%s%s", path, code, want, out, errOut)
		}
	}
}

// TestMountedConfigMap reads a directory as Kubernetes mounts it, through a symbolic link: each manifest once.
func TestMountedConfigMap(t *testing.T) {
	u := newUser(t)
	u.file("mount/..2026_01_01/pool.yaml", pool)
	for link, target := range map[string]string{"mount/..data": "..2026_01_01", "mount/pool.yaml": "..data/pool.yaml", "link": "mount"} {
		if err := os.Symlink(target, filepath.Join(u.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "linked directory", u.must("", "validate", "-f", filepath.Join(u.dir, "link")), "1 valid\n")
}

func TestSameObjectTwice(t *testing.T) {
	u := newUser(t)
	one, two := u.file("one.yaml", pool), u.file("two.yaml", policy+"---\n"+pool)
	out, _, code := u.run("", "validate", "-f", one, "-f", two)
	if want := two + ": document 2 (line 16): ippool blue: metadata.name: the same object is defined before, in " + one + ", document 1\n"; code != ExitError || out != want {
		t.Errorf("exit %d, want 1\n%s\nwant:\n%s", code, out, want)
	}
}

// TestDeleteByFileNeedsOnlyTheName deletes by a manifest that is no longer valid, without a word about fields.
func TestDeleteByFileNeedsOnlyTheName(t *testing.T) {
	u := newUser(t)
	u.must(pool, "apply", "-f", "-")
	stale := strings.NewReplacer("blockSize: 26", "blockSize: 8", "natOutgoing: false", "natOutgoing: true").Replace(pool)
	out, errOut, code := u.run(stale, "delete", "-f", "-")
	if code != 0 || out != "ippool blue deleted\n" || errOut != "" {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	if _, errOut, code := u.run(strings.Replace(pool, "kind: IPPool", "kind: Pool", 1), "delete", "-f", "-"); code != ExitError || !strings.Contains(errOut, "nothing was deleted") {
		t.Errorf("an unreadable manifest: exit %d: %s", code, errOut)
	}
}

// TestWarningsFollowTheFile pins warnings: one a field, in the order of the file, none for a field that asks for what is anyway.
func TestWarningsFollowTheFile(t *testing.T) {
	u := newUser(t)
	config := "apiVersion: projectcalico.org/v3\nkind: FelixConfiguration\nmetadata:\n  name: default\nspec:\n  openstackRegion: east\n  bpfEnabled: true\n"
	_, errOut, _ := u.run(config, "apply", "-f", "-")
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "spec.openstackRegion") || !strings.Contains(lines[1], "spec.bpfEnabled") {
		t.Errorf("want one warning for openstackRegion, then one for bpfEnabled:\n%s", errOut)
	}
	if _, errOut, _ := u.run(pool, "validate", "-f", "-"); errOut != "" {
		t.Errorf("warnings about fields that have their neutral value:\n%s", errOut)
	}
}

func TestCompletionFromTheStore(t *testing.T) {
	u := newUser(t)
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n"
	u.must(strings.Join([]string{pool, policy, namespace}, "---\n"), "apply", "-f", "-")
	for args, want := range map[string]string{
		"get ippools":                  "blue",
		"delete networkpolicy -n prod": "protect-database",
		"describe networkpolicy -A":    "protect-database",
		"get networkpolicies -n":       "prod",
		"apply -f":                     "yaml",
		"explain":                      "ippools",
	} {
		if out := u.must("", append(append([]string{"__complete"}, strings.Fields(args)...), "")...); !strings.HasPrefix(out, want+"\n") && !strings.Contains(out, "\n"+want+"\n") {
			t.Errorf("weft %s <tab>: want %s in:\n%s", args, want, out)
		}
	}
	if out := u.must("", "__complete", "get", "ippools,no"); !strings.Contains(out, "ippools,nodes\n") {
		t.Errorf("a second kind after a comma:\n%s", out)
	}
	if out := u.must("", "__complete", "explain", "ippool.spec."); !strings.Contains(out, "ippool.spec.blockSize\n") {
		t.Errorf("fields after a dot:\n%s", out)
	}
	if out := u.must("", "__complete", "get", "ippools", "blue", ""); strings.Contains(out, "blue\n") {
		t.Errorf("a name that is there already is offered again:\n%s", out)
	}
}

// TestManifestsBesidePolicies: kinds of others are left out with a word each, but not those that could be mistyped policy.
func TestManifestsBesidePolicies(t *testing.T) {
	u := newUser(t)
	deployment := "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n---\n{apiVersion: v1, kind: Pod, metadata: {name: p}}\n"
	tier := "---\n{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: t}}\n"
	file := u.file("mixed.yaml", deployment+tier)
	out, errOut, code := u.run("", "validate", "-f", file)
	if code != 0 || out != "1 valid\n" || errOut != "warning: "+file+": document 1 (line 1): Deployment web: not checked: Deployment of apps/v1 is no kind that weft stores\n"+
		"warning: "+file+": document 2 (line 3): Pod p: not checked: Pod of v1 is no kind that weft stores\n" {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
	for _, wrong := range []string{
		"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicys, metadata: {name: x}}", "{apiVersion: projectcalico.org/v3, kind: BFDConfiguration, metadata: {name: x}}",
		"{apiVersion: extensions/v1beta1, kind: NetworkPolicy, metadata: {name: x}}", "{apiVersion: v1, kind: List, items: text}",
	} {
		if out, _, code := u.run("", "validate", "-f", u.file("wrong.yaml", deployment+"---\n"+wrong)); code != ExitError || !strings.Contains(out, "document 3 (line 5): ") {
			t.Errorf("%s: exit %d\n%s", wrong, code, out)
		}
	}
	if _, errOut, code := u.run("", "apply", "-f", file); code != ExitError || !strings.Contains(errOut, "Deployment of apps/v1 is no kind that weft reads; leave the document out") {
		t.Errorf("apply: exit %d\n%s", code, errOut)
	}
}
