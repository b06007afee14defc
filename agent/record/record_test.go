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
