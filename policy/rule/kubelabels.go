// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/policy/selector"
)

// labelSelector converts a Kubernetes label selector; the empty one selects everything.
func labelSelector(s *metav1.LabelSelector) (*selector.Selector, error) {
	out := selector.All()
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		out = selector.And(out, selector.Equal(key, s.MatchLabels[key]))
	}
	for i := range s.MatchExpressions {
		term, err := requirement(&s.MatchExpressions[i])
		if err != nil {
			return nil, fmt.Errorf("matchExpressions[%d]: %w", i, err)
		}
		out = selector.And(out, term)
	}
	return out, speakable(out)
}

// speakable checks that the language can say a selector built from values of the user, which quotes in them prevent.
func speakable(s *selector.Selector) error {
	if again, err := selector.Parse(s.String()); err != nil || again.String() != s.String() {
		return fmt.Errorf("a name or value in %s is not well-formed: use letters, digits, '.', '_', '-'", s)
	}
	return nil
}

func requirement(r *metav1.LabelSelectorRequirement) (*selector.Selector, error) {
	switch r.Operator {
	case metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn:
		if len(r.Values) == 0 {
			return nil, errors.New("values: In and NotIn need at least one")
		}
		if r.Operator == metav1.LabelSelectorOpIn {
			return selector.In(r.Key, r.Values...), nil
		}
		return selector.NotIn(r.Key, r.Values...), nil
	case metav1.LabelSelectorOpExists:
		return selector.Has(r.Key), nil
	case metav1.LabelSelectorOpDoesNotExist:
		return selector.Not(selector.Has(r.Key)), nil
	}
	return nil, fmt.Errorf("%q is no operator; write In, NotIn, Exists or DoesNotExist", r.Operator)
}
