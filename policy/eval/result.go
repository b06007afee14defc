// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package eval

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/policy/rule"
)

// Result is a verdict and how it came about.
type Result struct {
	Verdict rule.Action // Allow or Deny; NoMatch where an early sort of host endpoint policy leaves the packet to later ones
	// Trace holds what happened in order; the last step decided.
	Trace []Step
}

// Decision returns the step that decided.
func (r *Result) Decision() Step { return r.Trace[len(r.Trace)-1] }

// StepKind is what happened in a step.
type StepKind uint8

// The kinds.
const (
	RuleMatched    StepKind = iota // a rule matched; Log goes on with the next rule, Pass with the next tier or profile
	PolicyEnd                      // no rule of the policy decided
	TierEnd                        // no policy of the tier decided: its default action
	ProfilesEnd                    // no profile decided: Deny
	Missing                        // the policy, or a set of the rule, is not known: Deny
	FailsafePort                   // host endpoints: a port that policy never closes
	NothingDecides                 // host endpoints: no policy of an early or forward sort decided
	Guard                          // something other than policy decided
)

// Step is one thing that happened to a packet.
type Step struct {
	Kind   StepKind
	Tier   string // empty among profiles
	Policy rule.PolicyID
	Index  int     // position of the rule in the user's list
	RuleID rule.ID // empty when no rule took part
	Action rule.Action
	Text   string // the rule; for Missing what is missing; else the reason
	// Applied are, at the end of a tier or of the profiles, those that were asked: at a TierEnd that denies, the policies
	// that isolate the endpoint.
	Applied []rule.PolicyID
}

// String renders a step on one line.
func (s Step) String() string {
	switch s.Kind {
	case TierEnd:
		return fmt.Sprintf("tier %s: nothing decides; the tier's default is %s, because it applies %s", s.Tier, s.Action, list(s.Applied))
	case ProfilesEnd:
		if len(s.Applied) == 0 {
			return "profiles: the endpoint has none; Deny"
		}
		return fmt.Sprintf("profiles: nothing decides in %s; Deny", list(s.Applied))
	case PolicyEnd:
		return fmt.Sprintf("%s: %s: no rule decides", s.place(), s.Policy)
	case FailsafePort:
		return "failsafe " + s.Text + "; " + s.outcome()
	case NothingDecides, Guard:
		return s.Text + "; " + s.outcome()
	}
	if s.RuleID == "" {
		return fmt.Sprintf("%s: %s: %s; Deny", s.place(), s.Policy, s.Text)
	}
	text := fmt.Sprintf("%s: %s: rule %d (%s): %s", s.place(), s.Policy, s.Index, s.RuleID, s.Text)
	if s.Kind == Missing {
		text += "; Deny"
	}
	return text
}

// outcome is the action in words.
func (s Step) outcome() string {
	if s.Action == rule.NoMatch {
		return "the packet goes on"
	}
	return s.Action.String()
}

func (s Step) place() string {
	if s.Tier == "" {
		return "profiles"
	}
	return "tier " + s.Tier
}

func list(ids []rule.PolicyID) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return strings.Join(names, ", ")
}

// String renders the trace, one step a line, and the verdict on the last.
func (r *Result) String() string {
	var b strings.Builder
	for _, s := range r.Trace {
		b.WriteString(s.String())
		b.WriteByte('\n')
	}
	b.WriteString(r.Verdict.String())
	return b.String()
}
