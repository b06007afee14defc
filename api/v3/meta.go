// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package v3 holds the projectcalico.org/v3 kinds as Go types: fields, defaults and validation.
//
// Optional scalar fields are pointers and optional lists use omitzero, so that what a user wrote (an explicit false,
// an empty list) survives a round trip. Defaults are never written into a stored object: consumers call SetDefaults on
// a copy.
package v3

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// APIVersion is the apiVersion of every kind in this package.
const APIVersion = "projectcalico.org/v3"

// The metadata of all kinds is that of Kubernetes, so that manifests carry over unchanged.
type (
	// TypeMeta is apiVersion and kind.
	TypeMeta = metav1.TypeMeta
	// ObjectMeta is name, namespace, labels, annotations and the rest of metadata.
	ObjectMeta = metav1.ObjectMeta
)

// ASNumber is a BGP autonomous system number (RFC 6793), written as 64512 or dotted as "1.10".
type ASNumber struct {
	Value  uint32
	Dotted bool // the user wrote the dotted form; kept for the round trip
}

// String renders the number in the form in which it was written.
func (a ASNumber) String() string {
	if a.Dotted {
		return fmt.Sprintf("%d.%d", a.Value>>16, a.Value&0xffff)
	}
	return strconv.FormatUint(uint64(a.Value), 10)
}

// MarshalJSON writes a number, or a string for the dotted form.
func (a ASNumber) MarshalJSON() ([]byte, error) {
	if a.Dotted {
		return json.Marshal(a.String())
	}
	return json.Marshal(a.Value)
}

// UnmarshalJSON reads 64512, "64512" or "1.10".
func (a *ASNumber) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	high, low, dotted := strings.Cut(text, ".")
	if !dotted {
		v, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is no AS number: write 1 to 4294967295, or dotted as in \"1.10\"", text)
		}
		*a = ASNumber{Value: uint32(v)}
		return nil
	}
	h, errHigh := strconv.ParseUint(high, 10, 16)
	l, errLow := strconv.ParseUint(low, 10, 16)
	if errHigh != nil || errLow != nil {
		return fmt.Errorf("%q is no AS number: each half of the dotted form is 0 to 65535", text)
	}
	*a = ASNumber{Value: uint32(h<<16 | l), Dotted: true}
	return nil
}
