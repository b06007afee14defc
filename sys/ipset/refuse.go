// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipset

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Refusal is one change that the kernel refused.
type Refusal struct {
	Tag any    // see [Batch.Tag]
	Op  string // "add to IP set NAME"
	Err error
}

// RefusedError is returned by Commit when changes were refused. All others have been made.
type RefusedError struct{ Refusals []Refusal }

// Error names the first refusal and counts the others.
func (e *RefusedError) Error() string {
	first := e.Refusals[0]
	text := fmt.Sprintf("%s: %v", first.Op, first.Err)
	if n := len(e.Refusals) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// Unwrap returns the error of every refusal.
func (e *RefusedError) Unwrap() []error {
	var out []error
	for _, r := range e.Refusals {
		out = append(out, r.Err)
	}
	return out
}

// Errors of the kernel's own (linux/netfilter/ipset/ip_set.h): a caller asks with errors.Is.
var (
	ErrExist      = unix.EEXIST // create: the name is taken
	ErrNotExist   = unix.ENOENT // no set of that name
	ErrReferenced = errors.New("a rule or another set refers to it")
	ErrMismatch   = errors.New("the sets differ in kind or family")
	ErrKind       = errors.New("this kernel does not know the kind of set; load or build the module (CONFIG_IP_SET_HASH_*)")
	ErrFull       = errors.New("the set is full")
)

// Private error numbers.
const (
	errFindType     = 4096 + 2
	errMaxSets      = 4096 + 3
	errBusy         = 4096 + 4
	errExistName2   = 4096 + 5
	errTypeMismatch = 4096 + 6
	errReferenced   = 4096 + 12
	errHashFull     = 4352
)

// explain puts the subsystem's private error numbers into words.
func explain(err error) error {
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return err
	}
	switch errno {
	case errFindType:
		return ErrKind
	case errMaxSets:
		return errors.New("the kernel holds as many sets as it can")
	case errBusy, errReferenced:
		return ErrReferenced
	case errExistName2:
		return ErrNotExist
	case errTypeMismatch:
		return ErrMismatch
	case errHashFull:
		return ErrFull
	}
	if errno >= errPrivate {
		return fmt.Errorf("IP set error %d", uint(errno))
	}
	return err
}

const errPrivate = 4096
