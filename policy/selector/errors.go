// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"fmt"
	"unicode/utf8"
)

// SyntaxError tells where a selector's text goes wrong.
type SyntaxError struct {
	Text     string // the whole selector
	Offset   int    // byte offset of the trouble in Text
	Found    string // what is there, quoted: `"="`, or "the end"
	Expected string // what could stand there
	Hint     string // what was probably meant; empty when there is no guess
}

// Error names the column (characters, from 1), what was found and what was expected.
func (e *SyntaxError) Error() string {
	column := utf8.RuneCountInString(e.Text[:e.Offset]) + 1
	msg := fmt.Sprintf("selector %q, column %d: found %s, expected %s", e.Text, column, e.Found, e.Expected)
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg
}

// ValidateSyntax returns the *SyntaxError that Parse would return, or nil.
func ValidateSyntax(text string) error {
	_, err := Parse(text)
	return err
}
