// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"strings"

	"github.com/weftnet/weft/policy/eval"
	"github.com/weftnet/weft/policy/rule"
)

// Hook is a sort of policy of a host endpoint, by when and for what it is asked.
type Hook string

// hooks are the sorts by the names that policies have for them.
var hooks = map[eval.Traffic]Hook{eval.Untracked: "untracked", eval.PreDNAT: "preDNAT", eval.Normal: "normal", eval.Forward: "forward"}

// Crossing is what one sort of a host endpoint's policy said.
type Crossing struct {
	HostEndpoint string `json:"hostEndpoint"`
	Hook         Hook   `json:"hook"`
	Direction    string `json:"direction"` // "ingress": into the node, "egress": out of it
	// Verdict is "allow", "deny", or "pass" where the flow is left to what is asked next.
	Verdict Verdict `json:"verdict"`
	Tier    string  `json:"tier"`
	Policy  string  `json:"policy"`
	Rule    string  `json:"rule"`
	Reason  string  `json:"reason"`
	RuleID  rule.ID `json:"ruleID,omitempty"`
}

// passed is the verdict of a host endpoint's policy that leaves a flow to what is asked next.
const passed Verdict = "pass"

func crossing(at *eval.Place) Crossing {
	d := at.Result.Decision()
	c := Crossing{HostEndpoint: at.ID.Name, Hook: hooks[at.Traffic], Direction: at.Dir.String(), Verdict: verdictOf(at.Verdict == rule.Allow),
		Tier: d.Tier, RuleID: d.RuleID, Reason: hostReason(at)}
	if at.Verdict == rule.NoMatch {
		c.Verdict = passed
	}
	c.Policy, c.Rule = decidedBy(d)
	return c
}

// hostReason tells in a sentence why a host endpoint came to its verdict.
func hostReason(at *eval.Place) string {
	d, where := at.Result.Decision(), fmt.Sprintf("host endpoint %s, %s", at.ID.Name, hooks[at.Traffic])
	var why string
	switch d.Kind {
	case eval.TierEnd:
		why = fmt.Sprintf("isolated for %s by %s, and no rule there allows this flow", at.Dir, names(d.Applied))
	case eval.ProfilesEnd:
		why = "no policy decides about " + at.Dir.String() + ", and it has no profile that would allow it"
		if len(d.Applied) > 0 {
			why = fmt.Sprintf("no policy decides about %s, and no rule of %s allows this flow", at.Dir, names(d.Applied))
		}
	case eval.RuleMatched:
		why = ruleReason(d, at.Dir)
	case eval.Missing:
		why = at.Dir.String() + " cannot be judged, so nothing passes: " + d.Text
	default: // failsafe ports, and nothing that decides
		why, _, _ = strings.Cut(d.String(), ";")
	}
	return where + ": " + why
}

// String renders a crossing on a line.
func (c Crossing) String() string {
	return fmt.Sprintf("%s %s at %s: %s: %s", c.Hook, c.Direction, c.HostEndpoint, c.Verdict, strings.TrimPrefix(c.Reason, fmt.Sprintf("host endpoint %s, %s: ", c.HostEndpoint, c.Hook)))
}
