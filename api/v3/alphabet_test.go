// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzNames compares the matchers with the regular expressions of the Kubernetes documentation.
func FuzzNames(f *testing.F) {
	subdomain := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelName := regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	port := regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	for _, s := range []string{
		"", "a", "A", "0", "-", ".", "_", "a-b", "a.b", "a_b", "a..b", ".a", "a.", "-a", "a-", "a.-b", "a-.b", "a b", "a\n", "ä", "a/b", "Ab.c_d-E9",
		strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 61) + "-b", strings.Repeat("a", 62) + "-b", strings.Repeat("a.", 40) + "b", strings.Repeat("a", 128), strings.Repeat("a", 129),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := isSubdomain(s), subdomain.MatchString(s); got != want {
			t.Errorf("isSubdomain(%q) = %v", s, got)
		}
		if got, want := isLabelName(s), labelName.MatchString(s); got != want {
			t.Errorf("isLabelName(%q) = %v", s, got)
		}
		if got, want := isPortName(s), port.MatchString(s); got != want {
			t.Errorf("isPortName(%q) = %v", s, got)
		}
		if got, want := interfaceName(s) == nil, regexp.MustCompile(`^[^\s/]{1,15}$`).MatchString(s) && s != "." && s != ".."; got != want {
			t.Errorf("interfaceName(%q): %v", s, interfaceName(s))
		}
	})
}
