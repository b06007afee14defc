// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
	"strconv"
	"strings"
)

// FieldError is one thing wrong with an object.
type FieldError struct {
	Path   string // "spec.ingress[2].source.selector"; empty for the object as a whole
	Reason string // what is wrong and what to do
	Line   int    // in the file the object was read from; 0 if unknown
}

// Error implements error: "spec.blockSize: ...".
func (e FieldError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return e.Path + ": " + e.Reason
}

// FieldErrors is everything wrong with an object.
type FieldErrors []FieldError

// Error implements error, all on one line.
func (e FieldErrors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "; ")
}

// Err returns e as an error, nil if nothing is wrong.
func (e FieldErrors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// report collects what is wrong at and below one place. The place is put into words only when something is wrong, or deeper down.
type report struct {
	path  string
	field string // below path
	entry int    // of the field, a list, counted from one; 0: all of it
	all   *FieldErrors
}

func (r report) at(field string) report { return report{path: r.place(), field: field, all: r.all} }

func (r report) item(i int) report {
	return report{path: r.path, field: r.field, entry: i + 1, all: r.all}
}

func (r report) place() string {
	place := r.path + r.field
	if r.path != "" && r.field != "" {
		place = r.path + "." + r.field
	}
	if r.entry > 0 {
		place += "[" + strconv.Itoa(r.entry-1) + "]"
	}
	return place
}

// add notes what is wrong at the path.
func (r report) add(format string, args ...any) {
	*r.all = append(*r.all, FieldError{Path: r.place(), Reason: fmt.Sprintf(format, args...)})
}
