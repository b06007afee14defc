// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"strings"
	"unicode/utf8"
)

// scanner reads the lexical elements of a selector's text.
type scanner struct {
	text string
	pos  int
}

// skipSpace skips spaces and tabs, the only white space of the language.
func (s *scanner) skipSpace() {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

// accept skips white space and consumes token if it is next.
func (s *scanner) accept(token string) bool {
	s.skipSpace()
	if !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.pos += len(token)
	return true
}

// call consumes the opening of a function, "has(": no space is allowed before the parenthesis.
func (s *scanner) call(name string) bool { return s.accept(name + "(") }

// peekWord returns the run of label characters that is next, without consuming it.
func (s *scanner) peekWord() string {
	s.skipSpace()
	end := s.pos
	for end < len(s.text) && isLabelByte(s.text[end]) {
		end++
	}
	return s.text[s.pos:end]
}

func isLabelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == '.' || c == '/' || c == '-'
}

// literal consumes a quoted string. ok is false, and nothing consumed, when none is next or it does not end.
func (s *scanner) literal() (value string, ok bool) {
	s.skipSpace()
	if !s.atQuote() {
		return "", false
	}
	body := s.text[s.pos+1:]
	end := strings.IndexByte(body, s.text[s.pos])
	if end < 0 {
		return "", false
	}
	s.pos += end + 2
	return body[:end], true
}

func (s *scanner) atQuote() bool {
	return s.pos < len(s.text) && (s.text[s.pos] == '"' || s.text[s.pos] == '\'')
}

// next returns what stands at the position, for error messages: a word, an operator, a character; empty at the end.
func (s *scanner) next() string {
	if word := s.peekWord(); word != "" {
		return word
	}
	rest := s.text[s.pos:]
	if rest == "" {
		return ""
	}
	n := 0
	for n < len(rest) && strings.IndexByte("=!&|<>~", rest[n]) >= 0 {
		n++
	}
	if n > 0 {
		return rest[:n]
	}
	_, size := utf8.DecodeRuneInString(rest)
	return rest[:size]
}
