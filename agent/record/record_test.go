// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package record

import (
	"os"
	"path/filepath"
	"testing"

	v3 "github.com/weftnet/weft/api/v3"
)

func TestRoundTripAndDelete(t *testing.T) {
	d := open(t)
	want := &Record{State: Ready, ContainerID: "c1", IfName: "eth0", Handle: "net.c1", HostIf: "cali123",
		Endpoint: &v3.WorkloadEndpoint{Spec: v3.WorkloadEndpointSpec{IPNetworks: []string{"10.0.0.1/32"}}}}
	if err := d.Put(&Record{State: Adding, ContainerID: "c1", IfName: "eth0", Endpoint: &v3.WorkloadEndpoint{}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Put(want); err != nil {
		t.Fatal(err)
	}
	got, damaged, err := d.Load()
	if err != nil || len(damaged) != 0 || len(got) != 1 {
		t.Fatalf("Load = %v, %v, %v; want the one record", got, damaged, err)
	}
	if got[0].State != Ready || got[0].Endpoint.Spec.IPNetworks[0] != "10.0.0.1/32" {
		t.Errorf("Load = %+v, want the newer record", got[0])
	}
	for range 2 {
		if err := d.Delete(want.ID()); err != nil {
			t.Fatalf("Delete must be idempotent: %v", err)
		}
	}
	if got, _, _ := d.Load(); len(got) != 0 {
		t.Errorf("record survives Delete: %v", got)
	}
}

func TestDamagedRecordIsSetAside(t *testing.T) {
	d := open(t)
	bad := filepath.Join(d.path, "c2:eth0.json")
	if err := os.WriteFile(bad, []byte(`{"state":"rea`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, damaged, err := d.Load()
	if err != nil || len(got) != 0 || len(damaged) == 0 {
		t.Fatalf("Load = %v, %v, %v; want the damage reported", got, damaged, err)
	}
	if _, err := os.Stat(bad + ".bad"); err != nil {
		t.Errorf("damaged record is gone: %v", err)
	}
}

// TestKilledBeforeTheFirstLine: such a record says nothing, and leaves nothing behind.
func TestKilledBeforeTheFirstLine(t *testing.T) {
	d := open(t)
	empty := filepath.Join(d.path, "c4:eth0.json")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, damaged, err := d.Load(); err != nil || len(got) != 0 || len(damaged) != 0 {
		t.Errorf("Load = %v, %v, %v; want nothing", got, damaged, err)
	}
	if left, err := os.ReadDir(d.path); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCutShort: a line that a crash cut short was not acted on; what it was to replace holds, and what is written afterwards counts again.
func TestCutShort(t *testing.T) {
	d := open(t)
	put := func(state State) *Record {
		r := &Record{State: state, ContainerID: "c3", IfName: "eth0", Endpoint: &v3.WorkloadEndpoint{}}
		if err := d.Put(r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	file := d.file(put(Adding).ID())
	adding, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	put(Ready)
	ready, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(n int, want State) {
		t.Helper()
		got, damaged, err := d.Load()
		if err != nil || len(damaged) != 0 || len(got) != 1 || got[0].State != want {
			t.Fatalf("cut to %d of %d bytes: Load = %v, %v, %v; want the record %s", n, len(ready), got, damaged, err, want)
		}
	}
	expect(len(ready), Ready)
	for n := len(ready) - 1; n >= len(adding); n-- {
		if err := os.Truncate(file, int64(n)); err != nil {
			t.Fatal(err)
		}
		expect(n, Adding)
	}
	if err := os.WriteFile(file, ready[:len(ready)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	put(Deleting)
	expect(len(ready), Deleting)
}

// TestNothingWritten: an agent that was killed before the first line was written has done nothing.
func TestNothingWritten(t *testing.T) {
	d := open(t)
	for name, text := range map[string]string{"empty": "", "cut short": "\n{\"state\":\"add"} {
		file := d.file("c4:eth0")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := d.Load(); err != nil || len(got) != 0 {
			t.Errorf("%s: Load = %v, %v; want no record", name, got, err)
		}
	}
}

func open(t *testing.T) *Dir {
	t.Helper()
	d, err := Open(filepath.Join(t.TempDir(), "endpoints"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestIDsAreUnique: no two attachments share a file.
func TestIDsAreUnique(t *testing.T) {
	a, b := Record{ContainerID: "a", IfName: "b-c"}, Record{ContainerID: "a-b", IfName: "c"}
	if a.ID() == b.ID() {
		t.Errorf("both are %q", a.ID())
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"state":"ready","containerID":"c","ifName":"eth0","endpoint":{}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := filepath.Join(t.TempDir(), "r.json")
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := read(name)
		if err == nil && (r.Endpoint == nil || r.ID() == ":") {
			t.Errorf("accepted %s as %+v", data, r)
		}
	})
}
