// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"regexp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api/v3"
)

// doubts are the fields of a policy that this version does not know. What is known of a rule that has one may match more than its author means, so that
// the rule allows and passes nothing: see [compiler.cautious]. A field outside of the rules puts all of them in doubt.
type doubts struct {
	whole bool
	rules map[string][]string // fields by the path of the rule, "spec.ingress[0]"
}

// inRule finds the rule in which a field is.
var inRule = regexp.MustCompile(`^(spec\.(?:ingress|egress)\[\d+\])\.`)

const (
	unknownField = "this version of weft, or the one that wrote the object last, does not know the field: "
	untilKnown   = ", until weft is upgraded, or the object is written without the field and without the annotation " + v3.UnknownFieldsAnnotation
)

// doubt takes account of the unknown fields of a policy and notes those outside of its rules.
func (c *compiler) doubt(obj metav1.Object) {
	for _, path := range v3.UnknownFields(obj) {
		if of := inRule.FindStringSubmatch(path); of != nil {
			c.doubts.add(of[1], path)
			continue
		}
		c.doubts.whole = true
		c.note(path, unknownField+"no rule allows or passes anything"+untilKnown)
	}
}

func (d *doubts) add(rule, path string) {
	if d.rules == nil {
		d.rules = map[string][]string{}
	}
	d.rules[rule] = append(d.rules[rule], path)
}

// cautious returns what a rule may do of what it says: one with unknown fields is left out if it allows, and denies what is known of it if it denies or
// passes. Rules that log are what is known of them.
func (c *compiler) cautious(action Action, path string) (instead Action, stays bool) {
	unknown := c.doubts.rules[path]
	if len(unknown) == 0 && !c.doubts.whole {
		return action, true
	}
	instead, does := action, "the rule logs what is known of it"
	switch action {
	case Allow:
		instead, does = NoMatch, "the rule allows nothing"
	case Deny, Pass:
		instead, does = Deny, "the rule denies what is known of it"
	}
	for _, field := range unknown {
		c.note(field, unknownField+does+untilKnown)
	}
	return instead, instead != NoMatch
}
