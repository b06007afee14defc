// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lastgood_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/agent/lastgood"
	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
)

// TestLongNames: objects whose names are as long as they may be, and equal in what a file name holds of them, are kept apart.
func TestLongNames(t *testing.T) {
	dir, err := lastgood.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var keys []api.Key
	for _, end := range []string{"a", "b"} {
		set := &v3.GlobalNetworkSet{ObjectMeta: v3.ObjectMeta{Name: strings.Repeat("x", 252) + end}}
		keys = append(keys, api.KeyOf(set))
		if err := dir.Put(set); err != nil {
			t.Fatal(err)
		}
	}
	for left := 2; left >= 0; left-- {
		objects, damaged, err := dir.Load()
		if err != nil || len(damaged) > 0 || len(objects) != left {
			t.Errorf("%d objects, %v, %v; want %d", len(objects), damaged, err, left)
		}
		if left > 0 {
			if err := dir.Delete(keys[left-1]); err != nil {
				t.Error(err)
			}
		}
	}
}

// FuzzLoad reads files with any content, as it is and behind a checksum that is right: what comes out is the object that belongs there, or nothing, with the
// reason; and what closes in its place is of that object alone.
func FuzzLoad(f *testing.F) {
	good := &v3.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"}, Spec: v3.NetworkPolicySpec{Selector: "app == 'one'", Ingress: []v3.Rule{{Action: v3.Deny}}}}
	key := api.KeyOf(good)
	body, err := api.Encode(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(summed(body), false)
	f.Add(body, true)
	for _, text := range []string{"", "\n", "{}", "null", "[]", string(body[:40]), strings.Replace(string(body), `"p"`, `"q"`, 1), strings.Replace(string(body), "Deny", "deny", 1),
		`{"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"namespace":"ns","name":"p"},"spec":{"ingress":[null]}}`} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		path := t.TempDir()
		dir, err := lastgood.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := data
		if sum {
			whole = summed(data)
		}
		if err := os.WriteFile(filepath.Join(path, dir.Name(key)), whole, 0o600); err != nil {
			t.Fatal(err)
		}
		objects, damaged, err := dir.Load()
		if err != nil || len(objects)+len(damaged) != 1 {
			t.Fatalf("%v, %v, %v", objects, damaged, err)
		}
		var newest api.Object
		for _, newest = range objects {
			again, err := api.Encode(newest)
			if err != nil || api.KeyOf(newest) != key {
				t.Fatalf("%v, %v", newest, err)
			}
			if second, err := api.DecodeLenient(again); err != nil || !reflect.DeepEqual(second, newest) {
				t.Errorf("%s is read otherwise when it has been written again: %v", again, err)
			}
		}
		for _, closed := range lastgood.Closing(key, newest) {
			if api.KeyOf(closed) != key {
				t.Errorf("%s closes for %s", api.KeyOf(closed), key)
			}
		}
	})
}

// summed puts the checksum before what is to be in a file.
func summed(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append([]byte(hex.EncodeToString(sum[:])+"\n"), data...)
}
