// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package wireguard

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	k, err := LoadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := LoadKey(file); err != nil || again != k {
		t.Errorf("read back as %v, %v", again != k, err)
	}
	public, err := k.Public()
	if err != nil || public == k || public == (Key{}) {
		t.Errorf("public key %v, %v", public, err)
	}
	if parsed, err := ParseKey(public.String()); err != nil || parsed != public {
		t.Errorf("%s is read as %s: %v", public, parsed, err)
	}
	if next, err := NextKey(file); err != nil || next != (Key{}) {
		t.Errorf("a next key that nobody has made: %s, %v", next, err)
	}
	if err := PrepareKey(file); err != nil {
		t.Fatal(err)
	}
	next, err := NextKey(file)
	if now, why := LoadKey(file); err != nil || why != nil || next == (Key{}) || now != k {
		t.Errorf("the next key, with the same one until then: %s, %v, %v, %v", next, err, now == k, why)
	}
	if err := AdoptKey(file); err != nil {
		t.Fatal(err)
	}
	now, err := LoadKey(file)
	if public, why := now.Public(); err != nil || why != nil || public != next {
		t.Errorf("the public key is %s, %v, %v; want the next one, %s", public, err, why, next)
	}
	if left, err := NextKey(file); err != nil || left != (Key{}) || AdoptKey(file) == nil {
		t.Errorf("there is a next key after it was taken: %s, %v", left, err)
	}
	if err := os.WriteFile(file, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(file); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), file) {
		t.Errorf("%v: want the file and not what is in it", err)
	}
}

// TestPublicKey is the example of RFC 7748, section 6.1.
func TestPublicKey(t *testing.T) {
	private := Key{
		0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
		0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
	}
	if got, err := private.Public(); err != nil || got.String() != "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=" {
		t.Errorf("%s, %v", got, err)
	}
}

const deviceText = "private_key=0100000000000000000000000000000000000000000000000000000000000000\nlisten_port=51820\nfwmark=5\n" +
	"public_key=0200000000000000000000000000000000000000000000000000000000000000\npreshared_key=00\nprotocol_version=1\nendpoint=192.0.2.2:51820\n" +
	"last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\ntx_bytes=7\nrx_bytes=9\npersistent_keepalive_interval=25\n" +
	"allowed_ip=10.65.1.0/26\nallowed_ip=fd65::/122\n" +
	"public_key=0300000000000000000000000000000000000000000000000000000000000000\nendpoint=[2001:db8::3]:51821\nlast_handshake_time_sec=0\n"

func TestParseDevice(t *testing.T) {
	got, err := parseDevice(deviceText)
	want := Device{PrivateKey: Key{1}, Port: 51820, Mark: 5, Peers: map[Key]Peer{
		{2}: {
			Endpoint: netip.MustParseAddrPort("192.0.2.2:51820"), Keepalive: 25 * time.Second, Handshake: time.Unix(1700000000, 0), Received: 9,
			Allowed: []netip.Prefix{netip.MustParsePrefix("10.65.1.0/26"), netip.MustParsePrefix("fd65::/122")},
		},
		{3}: {Endpoint: netip.MustParseAddrPort("[2001:db8::3]:51821")},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, wrong := range []string{"private_key=01\n", "listen_port=70000\n", "fwmark=-1\n", "public_key=zz\n", "public_key=" + strings.Repeat("02", 32) + "\nallowed_ip=everything\n"} {
		if _, err := parseDevice(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestChangeText(t *testing.T) {
	var b strings.Builder
	Change{Key: Key{2}, Peer: Peer{
		Endpoint: netip.MustParseAddrPort("[2001:db8::3]:51821"), Keepalive: 5 * time.Second, Allowed: []netip.Prefix{netip.MustParsePrefix("10.65.1.0/26")},
	}}.write(&b)
	Change{Key: Key{3}, Remove: true}.write(&b)
	want := "public_key=02" + strings.Repeat("0", 62) + "\nendpoint=[2001:db8::3]:51821\nallowed_ip=10.65.1.0/26\npersistent_keepalive_interval=5\n" +
		"public_key=03" + strings.Repeat("0", 62) + "\nremove=true\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
}

func TestWithdrawText(t *testing.T) {
	var b strings.Builder
	for _, change := range Withdraw([]netip.Prefix{netip.MustParsePrefix("10.65.1.0/26"), netip.MustParsePrefix("fd65::/122")}) {
		change.write(&b)
	}
	nobody := "public_key=" + strings.Repeat("0", 64) + "\n"
	want := nobody + "allowed_ip=10.65.1.0/26\nallowed_ip=fd65::/122\npersistent_keepalive_interval=0\n" + nobody + "remove=true\n"
	if b.String() != want {
		t.Errorf("%s\nwant\n%s", b.String(), want)
	}
	if none := Withdraw(nil); len(none) != 0 {
		t.Errorf("%v to withdraw nothing", none)
	}
}

func FuzzParseDevice(f *testing.F) {
	f.Add(deviceText)
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := parseDevice(text); err == nil && d.Peers == nil {
			t.Error("no peers and no error")
		}
	})
}
