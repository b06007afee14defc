// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import "strings"

// The names that every object has are matched by hand: they are checked for each change of a cluster, and regular expressions take
// most of that time.

// maxLabel is the longest label value, and the longest label name without its domain.
const maxLabel = 63

// isSubdomain accepts lower-case words of letters, digits and inner dashes, joined by dots (RFC 1123).
func isSubdomain(s string) bool {
	for {
		word, rest, more := strings.Cut(s, ".")
		if !isWord(word) {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

func isWord(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if alphabet[s[i]]&inWord == 0 {
			return false
		}
	}
	return true
}

// isLabelName accepts letters, digits, dashes, underscores and dots; the first and the last are letters or digits.
func isLabelName(s string) bool {
	if s == "" || len(s) > maxLabel || !isAlphanumeric(s[0]) || !isAlphanumeric(s[len(s)-1]) {
		return false
	}
	return inNames(s)
}

// isPortName accepts letters, digits, dashes, underscores and dots anywhere.
func isPortName(s string) bool { return s != "" && len(s) <= 128 && inNames(s) }

func inNames(s string) bool {
	for i := range len(s) {
		if alphabet[s[i]]&inName == 0 {
			return false
		}
	}
	return true
}

// What a byte may be part of.
const (
	inWord uint8 = 1 << iota // of a subdomain
	inName                   // of a label or port
)

// alphabet says it of every byte.
var alphabet = func() (out [256]uint8) {
	for i := range out {
		c := byte(i)
		if isLower(c) || isDigit(c) || c == '-' {
			out[i] |= inWord
		}
		if isAlphanumeric(c) || c == '-' || c == '_' || c == '.' {
			out[i] |= inName
		}
	}
	return out
}()

func isAlphanumeric(c byte) bool { return isLower(c) || isDigit(c) || 'A' <= c && c <= 'Z' }
func isLower(c byte) bool        { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
