// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/desired"
)

var update = flag.Bool("update", false, "write the golden files")

// rendering is a golden file.
type rendering struct {
	state    func(testing.TB) *desired.State
	options  Options
	settings *desired.Settings // nil: the state's
}

var renderings = map[string]rendering{
	"sample.nft":  {state: sample},
	"indexed.nft": {sample, Options{indexFrom: 1}, &desired.Settings{EndpointToHost: desired.HostAccept, Reject: true, AllowInvalid: true}},
	"hosts.nft":   {state: hosts},
	"ports.nft":   {state: byPort},
	"plain.nft":   {state: sample, options: Options{Plain: true}},
	"nat.nft":     {state: translations},
	"tunnels.nft": {state: tunnelled},
	"guarded.nft": {state: sample, options: Options{guarded: true}},
	"natport.nft": {state: translations, settings: &desired.Settings{SourceNAT: desired.SourceNAT{
		Sources: desired.NATSources, Inside: desired.NATInside, Address: netip.MustParseAddr("192.0.2.9"), MinPort: 1024, MaxPort: 2047, Interface: "eth+",
	}}},
}

func (r rendering) view(t *testing.T) *desired.State {
	t.Helper()
	view := r.state(t)
	check(t, view.Apply(&desired.Delta{Settings: r.settings}))
	return view
}

func TestRenderGolden(t *testing.T) {
	for name, r := range renderings {
		t.Run(name, func(t *testing.T) { golden(t, filepath.Join("testdata", name), r) })
	}
}

func golden(t *testing.T, name string, r rendering) {
	t.Helper()
	text, err := Render(r.view(t), r.options)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("rendering differs from %s; run go test -update and look at the change:\n%s", name, text)
	}
}

// TestTextMeansWhatWeProgram loads the text with the nft tool into one namespace and applies the state in another: the tool must list the
// same table for both.
func TestTextMeansWhatWeProgram(t *testing.T) {
	for name, r := range renderings {
		t.Run(name, func(t *testing.T) { sameListing(t, r) })
	}
}

func sameListing(t *testing.T, r rendering) {
	t.Helper()
	view := r.view(t)
	text, err := Render(view, r.options)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "table.nft")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	peer, ours := newNS(t), newNS(t)
	nftTool(t, peer, "-f", file)
	options := r.options
	options.unguarded = !options.guarded
	apply(t, openDriver(t, ours, options), view, nil)
	want, got := listing(t, peer), listing(t, ours)
	if got != want {
		t.Errorf("the kernel lists our table as\n%s\nand the tool's as\n%s", got, want)
	}
}
