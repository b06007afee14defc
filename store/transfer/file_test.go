// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package transfer_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store/transfer"
)

// written returns objects as a file.
func written(t testing.TB, objects []api.Object) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := transfer.WriteFile(&b, "memory", time.Unix(1_700_000_000, 5), objects); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pools(names ...string) []api.Object {
	var out []api.Object
	for _, name := range names {
		out = append(out, &v3.IPPool{ObjectMeta: v3.ObjectMeta{Name: name}, Spec: v3.IPPoolSpec{CIDR: "10.0.0.0/16"}})
	}
	return out
}

func TestFileRoundTrip(t *testing.T) {
	objects := read(t, filled(t))
	f, err := transfer.ReadFile(bytes.NewReader(written(t, objects)))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := transfer.Compare(objects, f.Objects); err != nil || len(d) > 0 || len(f.Objects) != len(objects) {
		t.Errorf("differs: %v, %v", d, err)
	}
	if f.Schema != 1 || f.Source != "memory" || !f.Time.Equal(time.Unix(1_700_000_000, 0)) || len(f.SHA256) != 64 {
		t.Errorf("header %+v", f.Header)
	}
	if empty, err := transfer.ReadFile(bytes.NewReader(written(t, nil))); err != nil || len(empty.Objects) != 0 {
		t.Errorf("without objects: %v, %v", empty, err)
	}
}

// TestFileForm pins the form, which docs/store.md describes.
func TestFileForm(t *testing.T) {
	lines := strings.Split(string(written(t, pools("a"))), "\n")
	if len(lines) != 4 || lines[3] != "" {
		t.Fatalf("lines %q", lines)
	}
	for i, want := range []string{
		`{"weftBackup":1,"schema":1,"software":"`,
		`","object":{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"cidr":"10.0.0.0/16"}}}`,
		`{"objects":1,"sha256":"`,
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %s, want %s", i+1, lines[i], want)
		}
	}
}

// TestDamagedFile: whatever is changed, the reader says in which line and what to do.
func TestDamagedFile(t *testing.T) {
	good := string(written(t, pools("a", "b")))
	lines := strings.SplitAfter(good, "\n")
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "line 1: the file ends here"},
		{"a manifest", "kind: IPPool\n", "line 1: is not the beginning of a backup"},
		{"cut off after a line", lines[0] + lines[1], "line 3: the file ends here"},
		{"cut off in a line", good[:len(good)-5], "line 4: the file ends here"},
		{"edited", strings.Replace(good, "10.0.0.0/16", "10.0.0.0/15", 1), "line 2: the object is not what its hash says"},
		{"a line lost", lines[0] + lines[1] + lines[3], "line 3: the closing line speaks of 2 objects"},
		{"lines swapped", lines[0] + lines[2] + lines[1] + lines[3], "line 4: the closing line"},
		{"a line twice", lines[0] + lines[1] + lines[1] + lines[3], "line 3: ippools.projectcalico.org a is in line 2 as well"},
		{"more at the end", good + "{}\n", "line 5: there is more after the closing line"},
		{"no object", lines[0] + "{}\n", "line 2: is no object with its hash"},
		{"newer format", strings.Replace(good, `"weftBackup":1`, `"weftBackup":2`, 1), "line 1: the file has format 2"},
		{"newer schema", strings.Replace(good, `"schema":1`, `"schema":7`, 1), "has schema 7 and this weft knows up to 1"},
		{"header changed", strings.Replace(good, "memory", "mammoth", 1), "line 4: the closing line"},
	} {
		f, err := transfer.ReadFile(strings.NewReader(test.text))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if len(f.Objects) > 0 {
			t.Errorf("%s: %d objects came back", test.name, len(f.Objects))
		}
	}
}

// TestFieldOfANewerWeft: an object with a field that would be lost is refused.
func TestFieldOfANewerWeft(t *testing.T) {
	text := string(signed(`{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"a"},"spec":{"cidr":"10.0.0.0/16","colour":"red"}}`))
	if _, err := transfer.ReadFile(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "colour") {
		t.Errorf("%v", err)
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add(written(f, pools("a", "b")))
	f.Add(written(f, nil))
	f.Add([]byte("{\"weftBackup\":1,\"schema\":1}\n{\"objects\":0,\"sha256\":\"\"}\n"))
	f.Add([]byte("{\"weftBackup\":1,\"schema\":1}\n{\"sha256\":\"\",\"object\":null}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := transfer.ReadFile(bytes.NewReader(data))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") || len(file.Objects) > 0 {
				t.Fatalf("error %q with %d objects", err, len(file.Objects))
			}
			return
		}
		again, err := transfer.ReadFile(bytes.NewReader(written(t, file.Objects)))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := transfer.Compare(file.Objects, again.Objects); err != nil || len(d) > 0 {
			t.Fatal(fmt.Sprint(d, err))
		}
	})
}
