// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// accepts tells by format what validation takes.
func accepts() map[string]func(string) bool {
	out := map[string]func(string) bool{}
	for format, check := range textFormats {
		out[format] = func(s string) bool { return check(s) == nil }
	}
	for _, format := range []string{"port", "portRange", "protocol"} {
		out[format] = func(s string) bool { return formats[format](intstr.FromString(s)) == nil }
	}
	out["as"] = func(s string) bool {
		var as ASNumber
		return as.UnmarshalJSON([]byte(`"`+s+`"`)) == nil && asNumber(as) == nil
	}
	out["duration"] = func(s string) bool { d, err := time.ParseDuration(s); return err == nil && d >= 0 }
	return out
}

// TestPatternsMatchAllThatIsValid changes valid texts at random; what is still valid has to match, and each pattern has to refuse something.
func TestPatternsMatchAllThatIsValid(t *testing.T) {
	seeds := []string{
		"10.0.0.0/8", "192.0.2.1", "255.255.255.255/32", "0.0.0.0/0", "fd00::/8", "::1", "::/0", "2001:db8:0:1:2:3:4:5/128", "64:ff9b::192.0.2.33", "1::8", "fe80::1%eth0",
		"192.0.2.1:179", "[2001:db8::1]:179", "ee:ee:ee:ee:ee:ee", "ee-ee-ee-ee-ee-ee", "eeee.eeee.eeee", "65535:65535", "1:2:4294967295", "eth0", "web.1_a-b",
		"10/second", "a=true,b=false", "a=b,c=d", "cali-%t: /x", "a-label", "20s", "Auto", "1h30m0.5s", "1.h", ".5s", "0", "+5s", "80", "1000:2000", "TCP", "icmpv6", "255", "64512", "1.10",
		"ahUvSzDaKpGUCqB7+7pWHl4nPH8ZHAk3Bh4Ce9JXgzs=",
	}
	const alphabet = "0123456789abcdefABCDEFsmhxXTZ:./-+,=%[] _µ"
	rng := rand.New(rand.NewPCG(1, 2))
	checks := accepts()
	for _, format := range slices.Sorted(maps.Keys(patterns)) {
		pattern, valid := regexp.MustCompile(Pattern(format, false)), 0
		if checks[format] == nil {
			t.Fatalf("format %s has no check", format)
		}
		if pattern.MatchString("no, not this\n") || pattern.MatchString("") != (format == "keyValues" || format == "gates" || format == "logPrefix") || !regexp.MustCompile(Pattern(format, true)).MatchString("") {
			t.Errorf("%s: %s matches what it ought not, or not an absent text", format, pattern)
		}
		for _, seed := range seeds {
			for range 400 {
				text := []rune(seed)
				for range rng.IntN(4) {
					at, c := rng.IntN(len(text)+1), []rune(alphabet)[rng.IntN(len([]rune(alphabet)))]
					switch {
					case rng.IntN(3) == 0:
						text = slices.Insert(text, at, c)
					case at < len(text) && rng.IntN(2) == 0:
						text[at] = c
					case at < len(text):
						text = slices.Delete(text, at, at+1)
					}
				}
				if s := string(text); checks[format](s) && s != "-0" && !strings.HasPrefix(s, "-0") {
					valid++
					if !pattern.MatchString(s) {
						t.Fatalf("%s: %q is valid and does not match %s", format, s, pattern)
					}
				}
			}
		}
		if valid == 0 {
			t.Errorf("%s: nothing valid was tried", format)
		}
	}
}
