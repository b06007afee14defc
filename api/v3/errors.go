// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package v3

import (
	"fmt"
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

// report collects what is wrong at and below one path.
type report struct {
	path string
	all  *FieldErrors
}

func (r report) at(field string) report {
	if r.path != "" {
		field = r.path + "." + field
	}
	return report{field, r.all}
}

func (r report) item(i int) report { return report{fmt.Sprintf("%s[%d]", r.path, i), r.all} }

// add notes what is wrong at the path.
func (r report) add(format string, args ...any) {
	*r.all = append(*r.all, FieldError{Path: r.path, Reason: fmt.Sprintf(format, args...)})
}
