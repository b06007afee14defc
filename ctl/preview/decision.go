// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package preview

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// decision is what decided at one end, in words.
type decision struct {
	text  string
	allow bool
}

// decisions holds each decision once.
type decisions map[decision]*decision

func (d *decisions) of(text string, allow bool) *decision {
	if *d == nil {
		*d = decisions{}
	}
	value := decision{text, allow}
	if known, ok := (*d)[value]; ok {
		return known
	}
	(*d)[value] = &value
	return &value
}

// ofPlace words the step that decided at a place, with policies as they were written; nil: nothing is asked. Namespaces without policy are alike: their
// profiles are not told apart.
func (d *decisions) ofPlace(at *eval.Place, written func(rule.PolicyID) rule.PolicyID) *decision {
	if at == nil {
		return d.of("no policy applies there", true)
	}
	step, dir := at.Result.Decision(), at.Dir
	step.Policy = written(step.Policy)
	text := step.String()
	switch {
	case step.Kind == eval.RuleMatched && step.Policy.Kind == rule.KindProfile && strings.HasPrefix(step.Policy.Name, rule.NamespaceProfilePrefix):
		text = "no policy decides; the namespace's profile has: " + step.Text
	case step.Kind == eval.RuleMatched:
		text = fmt.Sprintf("%s rule %d of %s: %s", dir, step.Index, step.Policy, step.Text)
	case step.Kind == eval.TierEnd:
		names := make([]string, len(step.Applied))
		for i, id := range step.Applied {
			names[i] = written(id).String()
		}
		text = fmt.Sprintf("isolated for %s by %s", dir, strings.Join(names, ", "))
	}
	if at.Host && at.Traffic != eval.Normal {
		text = fmt.Sprintf("host endpoint %s, %s: %s", at.ID.Name, at.Traffic, text)
	}
	return d.of(text, at.Verdict != rule.Deny)
}
