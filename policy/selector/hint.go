// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package selector

import (
	"strconv"
	"strings"
)

// unexpected reports what stands at the position. hint may be nil.
func (p *parser) unexpected(expected string, hint func(found string) string) error {
	found := p.next()
	shown := "the end"
	if found != "" {
		shown = strconv.Quote(found)
	}
	guess := ""
	switch {
	case found == "\n" || found == "\r":
		guess = "line breaks are not allowed: in YAML write >- instead of | or >"
	case hint != nil && found != "":
		guess = hint(found)
	}
	return p.fail(shown, expected, guess)
}

func (p *parser) fail(found, expected, hint string) error {
	return &SyntaxError{Text: p.text, Offset: p.pos, Found: found, Expected: expected, Hint: hint}
}

// connectives are what people write for && and ||.
var connectives = map[string]string{"and": "&&", "&": "&&", ",": "&&", "or": "||", "|": "||"}

func connectiveHint(found string) string {
	if op, ok := connectives[strings.ToLower(found)]; ok {
		return meant(op)
	}
	if found == ")" {
		return "this \")\" closes nothing"
	}
	return ""
}

func termHint(found string) string {
	switch found {
	case "\"", "'":
		return "label names are written without quotes"
	case ")":
		return "the parentheses are empty"
	}
	return ""
}

func valueHint(found string) string {
	if !isLabelByte(found[0]) {
		return ""
	}
	return "quote the value: '" + found + "'"
}

func setHint(found string) string {
	if found == "\"" || found == "'" || found == "(" || found == "[" {
		return "write the values in braces: {'a', 'b'}"
	}
	return ""
}

// synonyms are operators of other languages.
var synonyms = map[string]string{
	"=": "==", "===": "==", "is": "==", "eq": "==", "equals": "==",
	"<>": "!=", "!==": "!=", "ne": "!=", "isnt": "!=",
	"exists": "has(…)", "like": "contains", "includes": "contains", "hasprefix": "starts with", "hassuffix": "ends with",
}

// operatorHint guesses which operator was meant after label.
func operatorHint(label, found string) string {
	lower := strings.ToLower(found)
	if op, ok := synonyms[lower]; ok {
		return meant(op)
	}
	if strings.ToLower(label) == "not" {
		return meant("!")
	}
	if found == "(" {
		return "the functions are has(label), all() and global()"
	}
	if _, ok := connectives[lower]; ok || found == "&&" || found == "||" || found == ")" {
		return "to ask whether the label exists, write has(" + label + ")"
	}
	best, distance := "", min(3, len(found)/2+1)
	for _, op := range operators {
		first, _, _ := strings.Cut(op, " ") // of "start with" only the first word has been read
		for _, form := range []string{strings.ReplaceAll(op, " ", ""), first} {
			if d := editDistance(lower, form); d < distance {
				best, distance = op, d
			}
		}
	}
	if best == "" {
		return ""
	}
	return meant(best)
}

func meant(op string) string { return "did you mean " + strconv.Quote(op) + "?" }

// editDistance is Levenshtein's, over bytes; long words are far from everything.
func editDistance(a, b string) int {
	if len(a) > 2*len(b)+2 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
