// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"strings"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/internal/near"
)

// explainKind says what is wrong with an apiVersion and a Kind that together name nothing that weft stores.
func explainKind(apiVersion, name string) error {
	var versions []string
	for _, k := range kinds {
		if k.Kind == name {
			versions = append(versions, k.APIVersion)
		}
	}
	switch {
	case name == "":
		return errors.New("kind: missing; every object starts with apiVersion and kind")
	case apiVersion == "":
		return fmt.Errorf("apiVersion: missing; write apiVersion: %s", orElse(strings.Join(versions, " or "), v3.APIVersion))
	case strings.HasPrefix(apiVersion, "crd.projectcalico.org/"):
		return fmt.Errorf("apiVersion: %s is how Calico stored objects inside Kubernetes, not what users write; use %s (same spec; drop the tier prefix from policy names and the projectcalico.org/metadata annotation)",
			apiVersion, v3.APIVersion)
	case len(versions) > 0:
		return fmt.Errorf("apiVersion: %s is not known for kind %s; use %s", apiVersion, name, strings.Join(versions, " or "))
	}
	for _, k := range kinds {
		if strings.EqualFold(k.Kind, name) {
			return fmt.Errorf("kind: %s is not known; did you mean %s?", name, k.Kind)
		}
	}
	if known := nearestKind(apiVersion, name); known != "" {
		return fmt.Errorf("kind: %s is not known in %s; did you mean %s?", name, apiVersion, known)
	}
	return fmt.Errorf("kind: %s of %s is no kind that weft reads; leave the document out, or ask `weft explain` which kinds there are", name, apiVersion)
}

// nearestKind returns the kind of the same version that name was probably meant to be, "" if none is near.
func nearestKind(apiVersion, name string) string {
	return near.Best(name, func(yield func(string) bool) {
		for _, k := range kinds {
			if k.APIVersion == apiVersion && !yield(k.Kind) {
				return
			}
		}
	})
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
