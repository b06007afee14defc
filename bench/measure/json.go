// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// rowMark begins a line with a row: a console or a test prints others, too.
const rowMark = "row "

// WriteJSON prints rows for ReadJSON, a line for each.
func WriteJSON(w io.Writer, rows ...Row) error {
	for _, r := range rows {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s%s\n", rowMark, text); err != nil {
			return err
		}
	}
	return nil
}

// ReadJSON reads what WriteJSON has printed, among other lines. There must be a row.
func ReadJSON(r io.Reader) (rows []Row, err error) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), rowMark)
		if !ok {
			continue
		}
		var row Row
		if err := json.Unmarshal([]byte(text), &row); err != nil {
			return nil, fmt.Errorf("row %q: %w", text, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errors.New("no row was printed")
	}
	return rows, nil
}
