// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package proc

import "testing"

func TestParseStat(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21"
	for _, name := range []string{"(sh)", "(a b)", "(x) R 1 2)", "((((", "())))"} {
		if name[len(name)-1] != ')' {
			name += ")"
		}
		st, err := parseStat("42 " + name + tail)
		if err != nil || st.state != 'S' || st.parent != 1 || st.start != 4711 {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
	}
	for _, bad := range []string{"", "42", "42 (sh)", "42 (sh) S 1 2", "42 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x 20"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (sh) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21")
	f.Fuzz(func(t *testing.T, line string) {
		if st, err := parseStat(line); err != nil && st != (stat{}) {
			t.Errorf("error and a result for %q", line)
		}
	})
}
