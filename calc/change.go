// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package calc turns inputs into desired state: Apply changes, Flush what follows from them.
//
// The graph is pure: no I/O, no clock, no goroutine, one caller at a time. Its output depends on the current inputs only,
// never on their order (calctest proves it against calc/oracle).
package calc

import "github.com/weftnet/weft/api"

// Change is one input: an object that now is, or (Object nil) no longer is.
type Change struct {
	Key    api.Key
	Object api.Object
	// Err, with Object nil, says that what is stored under Key cannot be read: the last good version stays in force.
	Err error
	// Revision of the store, or with Local of the local input, that carried the change.
	Revision uint64
	// Local: the change is this node's own knowledge, not the store's. Where endpoints claim the same interface or address, local ones go
	// before others and newer ones before older ones.
	Local bool
	// Lost: the version that was in force before is not known any more. If this one is refused, the first of Closing that is valid takes its place:
	// versions of the object that deny what it governs.
	Lost    bool
	Closing []api.Object
}

// Problem is something that keeps an input from being in force as it is written.
type Problem struct {
	Key    api.Key
	Field  string // path, "spec.selector"; empty: the object as a whole
	Reason string // what is wrong and what to do
	// Refused: the object is invalid, so that its last good version stays in force (InForce), or nothing of it if there was none. Otherwise it
	// is in force as far as possible: it refers to something missing, is at odds with another object, or has a field that has no effect yet.
	Refused, InForce bool
	// Lost, of a refused object: its last good version is not known any more. With InForce it denies all that it governs.
	Lost bool
}

// Text is the reason, and of a refused object what is in force in its place.
func (p Problem) Text() string {
	switch {
	case p.Lost && p.InForce:
		return p.Reason + "; its last good version is lost, because the file that kept it is missing or damaged, so it denies all that it governs until it is valid again or deleted"
	case p.Lost:
		return p.Reason + "; ITS LAST GOOD VERSION IS LOST, because the file that kept it is missing or damaged, and nothing of it is in force: what it denied may be open; correct or delete it now"
	case p.Refused && p.InForce:
		return p.Reason + "; the last good version stays in force"
	case p.Refused:
		return p.Reason + "; no valid version was seen before, so nothing of it is in force"
	}
	return p.Reason
}
