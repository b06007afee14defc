// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package printer

import (
	"strings"
	"testing"
)

func TestTableAlignsAndHidesWideColumns(t *testing.T) {
	table := Table{
		Columns: []Column{{Header: "NAME"}, {Header: "UID", Wide: true}, {Header: "CIDR"}},
		Rows:    [][]string{{"a-long-name", "u1", "10.0.0.0/8"}, {"é", "u2", ""}},
	}
	for _, tc := range []struct {
		wide bool
		want string
	}{
		{false, "NAME          CIDR\na-long-name   10.0.0.0/8\né             -\n"},
		{true, "NAME          UID   CIDR\na-long-name   u1    10.0.0.0/8\né             u2    -\n"},
	} {
		var b strings.Builder
		if err := table.Write(&b, tc.wide); err != nil {
			t.Fatal(err)
		}
		if b.String() != tc.want {
			t.Errorf("wide=%v:\n%s\nwant:\n%s", tc.wide, b.String(), tc.want)
		}
	}
}

func TestParseNamesWhatIsOffered(t *testing.T) {
	if _, err := Parse("xml", FormatTable, FormatJSON); err == nil || err.Error() != `-o "xml" is no output format here; use table, json` {
		t.Errorf("Parse = %v", err)
	}
}
