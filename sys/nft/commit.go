// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/sys/nfnetlink"
)

// Refusal is one operation that the kernel refused.
type Refusal struct {
	Tag any // see [Batch.Tag]
	Op  string
	Err error
}

// RefusedError is returned by [Conn.Commit] when the kernel refused a transaction: nothing of it is in force.
type RefusedError struct {
	// Refusals names the operations at fault, in order. Empty: the transaction as a whole was refused, with Err.
	Refusals []Refusal
	Err      error
}

// Error names the first refusals.
func (e *RefusedError) Error() string {
	if len(e.Refusals) == 0 {
		return fmt.Sprintf("nf_tables refused the transaction: %v", e.Err)
	}
	const shown = 3
	var parts []string
	for _, r := range e.Refusals[:min(shown, len(e.Refusals))] {
		parts = append(parts, fmt.Sprintf("%s: %v", r.Op, r.Err))
	}
	more := ""
	if n := len(e.Refusals) - shown; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return "nf_tables refused the transaction: " + strings.Join(parts, "; ") + more
}

// Unwrap gives errors.Is the kernel's error numbers.
func (e *RefusedError) Unwrap() []error {
	if len(e.Refusals) == 0 {
		return []error{e.Err}
	}
	var errs []error
	for _, r := range e.Refusals {
		errs = append(errs, r.Err)
	}
	return errs
}

// Commit sends the batch as one transaction: all of it is in force when Commit returns nil, nothing of it when it returns an error.
// The batch cannot be used again. An empty batch is not sent.
func (c *Conn) Commit(b *Batch) error {
	if len(b.ops) == 0 {
		return nil
	}
	if err := c.nl.Send(b.seal()); err != nil {
		return fmt.Errorf("sending an nf_tables transaction of %d bytes: %w", b.Size(), err)
	}
	answer := verdictOf{batch: b}
	if err := c.nl.Receive(answer.take); err != nil {
		return fmt.Errorf("reading the answer to an nf_tables transaction: %w", err)
	}
	return answer.err()
}

// verdictOf gathers what the kernel says about a batch. Every refused operation is answered with an error; the last one is answered in
// any case, because it asked for it.
type verdictOf struct {
	batch    *Batch
	refusals []Refusal
	whole    error
	acked    bool
}

func (v *verdictOf) take(m nfnetlink.Message) {
	if m.Kind != unix.NLMSG_ERROR {
		return
	}
	err := m.Result()
	switch i := int(m.Seq) - firstSeq; {
	case err == nil:
		v.acked = true
	case i >= 0 && i < len(v.batch.ops):
		op := v.batch.ops[i]
		v.refusals = append(v.refusals, Refusal{op.tag, op.what + " " + op.name, err})
	default: // about the batch: out of memory, or its result does not validate
		v.whole = err
	}
}

func (v *verdictOf) err() error {
	switch {
	case len(v.refusals) > 0:
		return &RefusedError{Refusals: v.refusals, Err: v.whole}
	case v.whole != nil:
		return &RefusedError{Err: v.whole}
	case !v.acked:
		return errors.New("nf_tables gave no answer to a transaction")
	}
	return nil
}

// Temporary reports whether an error may pass if the same is tried again: lost races and full buffers.
func Temporary(err error) bool {
	for _, t := range []error{nfnetlink.ErrChanged, unix.EAGAIN, unix.EINTR, unix.ENOBUFS, unix.EBUSY} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
