// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cni

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/internal/cniapi"
)

// TestPluginRefuses runs the plugin with what no runtime ought to send.
func TestPluginRefuses(t *testing.T) {
	n := start(t, "")
	sound := `{"cniVersion":"1.0.0","name":"net","socket":"` + n.socket() + `"}`
	for what, c := range map[string]struct {
		stdin string
		env   []string
		code  uint
		words string
	}{
		"no JSON":         {`{"name":`, []string{"CNI_COMMAND=ADD"}, cniapi.CodeDecode, "no JSON object"},
		"nothing":         {"", []string{"CNI_COMMAND=DEL"}, cniapi.CodeDecode, "no JSON object"},
		"no command":      {sound, nil, cniapi.CodeEnvironment, "CNI_COMMAND is not set"},
		"unknown command": {sound, []string{"CNI_COMMAND=FROB"}, cniapi.CodeEnvironment, "FROB"},
		"no name":         {`{"cniVersion":"1.0.0"}`, []string{"CNI_COMMAND=ADD"}, cniapi.CodeConfig, "name is missing"},
		"no container":    {sound, []string{"CNI_COMMAND=ADD", "CNI_IFNAME=eth0"}, cniapi.CodeEnvironment, "CNI_CONTAINERID"},
		"long interface":  {sound, []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=x", "CNI_IFNAME=abcdefghijklmnop"}, cniapi.CodeEnvironment, "16 bytes"},
		"no namespace":    {sound, []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=x", "CNI_IFNAME=eth0"}, cniapi.CodeEnvironment, "CNI_NETNS"},
		"no socket": {strings.ReplaceAll(sound, "cni.sock", "no.sock"), []string{"CNI_COMMAND=ADD", "CNI_CONTAINERID=x", "CNI_IFNAME=eth0"},
			cniapi.CodeTryAgain, filepath.Join(n.dir, "no.sock")},
		"no socket, STATUS": {strings.ReplaceAll(sound, "cni.sock", "no.sock"), []string{"CNI_COMMAND=STATUS"}, cniapi.CodeNotReady, "weft agent"},
		"huge":              {`{"name":"` + strings.Repeat("x", 1<<20) + `"}`, []string{"CNI_COMMAND=ADD"}, cniapi.CodeDecode, ""},
	} {
		e, _, status := run(t, c.stdin, c.env...)
		if status == 0 || e.Code != c.code || !strings.Contains(e.Error(), c.words) {
			t.Errorf("%s: status %d, %+v; want code %d and %q", what, status, e, c.code, c.words)
		}
	}
	n.clean("refused requests")
}

func TestPluginVersion(t *testing.T) {
	for stdin, want := range map[string]string{`{"cniVersion":"0.4.0"}`: "0.4.0", `{}`: "1.1.0", ``: "1.1.0"} {
		_, out, status := run(t, stdin, "CNI_COMMAND=VERSION")
		var v struct {
			CNIVersion        string
			SupportedVersions []string
		}
		if err := json.Unmarshal(out, &v); err != nil || status != 0 || v.CNIVersion != want || len(v.SupportedVersions) != len(cniapi.Versions) {
			t.Errorf("VERSION of %q: %s with status %d, %v", stdin, out, status, err)
		}
	}
}

// TestErrorsCarryTheVersion: the specification wants the configuration's version in an error.
func TestErrorsCarryTheVersion(t *testing.T) {
	for stdin, want := range map[string]string{`{"cniVersion":"0.4.0"}`: "0.4.0", `{}`: "1.1.0"} {
		_, out, _ := run(t, stdin, "CNI_COMMAND=ADD")
		var e struct{ CNIVersion string }
		if err := json.Unmarshal(out, &e); err != nil || e.CNIVersion != want {
			t.Errorf("error for %s: %s, want version %s", stdin, out, want)
		}
	}
}
