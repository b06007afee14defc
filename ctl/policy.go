// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/ctl/cluster"
	"github.com/weftnet/weft/ctl/printer"
	"github.com/weftnet/weft/policy/rule"
)

func newPolicy(env *Env, options *datastoreOptions) *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Look at policies in their order, and preview changes", Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(newPolicyList(env, options), newPolicyDiff(env, options))
	return cmd
}

func newPolicyList(env *Env, options *datastoreOptions) *cobra.Command {
	var output, workload string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List policies in the order in which they are evaluated",
		Long: `List policies of all kinds in the order in which they are evaluated: by tier, then within the tier.

With --effective, list those that judge one workload, by direction, and what happens at the end of each tier. After the last tier the profiles
judge, and what they do not allow is denied.`,
		Example: `  weft policy list
  weft policy list --effective shop/web
  weft policy list --offline -f manifests/ --effective shop/web -o json`,
		Args: cobra.NoArgs,
	}
	from := addOriginFlags(cmd, env, options)
	formats := []printer.Format{printer.FormatTable, printer.FormatYAML, printer.FormatJSON}
	addOutputFlag(cmd, &output, formats...)
	cmd.Flags().StringVar(&workload, "effective", "", "only the policies that judge this workload, NAMESPACE/POD")
	registerCompletion(cmd, "effective", completeWorkloads(options))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		format, err := printer.Parse(output, formats...)
		if err != nil {
			return usagef("%w", err)
		}
		c, err := from.cluster(cmd)
		if err != nil {
			return err
		}
		list := allPolicies(c)
		if workload != "" {
			if list, err = effectivePolicies(c, workload); err != nil {
				return err
			}
		}
		if format == printer.FormatTable {
			return policyTable(list, workload != "").Write(env.Out, false)
		}
		return printer.WriteValue(env.Out, format, list)
	}
	return cmd
}

// policyLine is one policy in a list, in order of evaluation.
type policyLine struct {
	Direction string   `json:"direction,omitempty"` // with --effective
	Tier      string   `json:"tier,omitempty"`      // empty for profiles
	TierOrder *float64 `json:"tierOrder,omitempty"`
	// TierEnd is what happens when no policy of the tier decides.
	TierEnd   string   `json:"tierEnd,omitempty"`
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace,omitempty"`
	Name      string   `json:"name"`
	Order     *float64 `json:"order,omitempty"`
	Selector  string   `json:"selector,omitempty"`
	Types     []string `json:"types,omitempty"`
	Rules     int      `json:"rules"` // in the direction, or in both
	Note      string   `json:"note,omitempty"`
}

func allPolicies(c *cluster.Cluster) []policyLine {
	out := []policyLine{}
	for _, p := range c.Policies() {
		line := lineOf(p)
		line.Rules = len(p.Rules[rule.Ingress]) + len(p.Rules[rule.Egress])
		if p.ID.Kind.Staged() {
			line.Note = "staged: evaluated for previews, not enforced"
		}
		if !p.Enforced {
			line.Note = "not enforced: there is no tier " + p.Tier.Name
		}
		out = append(out, line)
	}
	return out
}

func lineOf(p cluster.Policy) policyLine {
	line := policyLine{Tier: p.Tier.Name, TierOrder: p.Tier.Order, Order: p.Order, Kind: p.ID.Kind.String(), Namespace: p.ID.Namespace, Name: p.ID.Name}
	if p.Enforced {
		line.TierEnd = p.Tier.DefaultAction.String()
	}
	if p.Selector != nil {
		line.Selector = p.Selector.String()
	}
	for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
		if p.Types[dir] {
			line.Types = append(line.Types, dir.String())
		}
	}
	return line
}

func effectivePolicies(c *cluster.Cluster, workload string) ([]policyLine, error) {
	end, err := c.Find(workload)
	if err != nil {
		return nil, err
	}
	if end.Workload == nil {
		return nil, fmt.Errorf("%s is no workload: %s", end.Name, orText(end.Note, "policies of workloads do not concern it"))
	}
	effective, reason, ok := c.EffectiveAt(end)
	if !ok {
		return nil, fmt.Errorf("%s is not in force, so nothing passes: %s", end.Name, reason)
	}
	out := []policyLine{}
	for _, dir := range []rule.Direction{rule.Ingress, rule.Egress} {
		for _, tier := range effective[dir].Tiers {
			for _, id := range tier.Policies {
				out = append(out, effectiveLine(c, end, id, dir))
			}
		}
		for _, tier := range effective[dir].Staged {
			for _, id := range tier.Policies {
				if id.Kind.Staged() {
					line := effectiveLine(c, end, id, dir)
					line.Note = "staged: would be in force in this place of its tier"
					out = append(out, line)
				}
			}
		}
		for _, id := range effective[dir].Profiles {
			out = append(out, effectiveLine(c, end, id, dir))
		}
	}
	return out, nil
}

func effectiveLine(c *cluster.Cluster, end *cluster.End, id rule.PolicyID, dir rule.Direction) policyLine {
	line := policyLine{Kind: id.Kind.String(), Namespace: id.Namespace, Name: id.Name}
	if p, ok := c.PolicyOf(id); ok {
		line = lineOf(p)
	}
	if p, ok := c.View(end.Node).Policy(id); ok {
		line.Rules = len(p.Rules[dir])
	}
	line.Direction, line.Types = dir.String(), nil
	return line
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func policyTable(list []policyLine, effective bool) printer.Table {
	t := printer.Table{Columns: []printer.Column{{Header: "TIER"}, {Header: "TIER ORDER"}, {Header: "ORDER"}, {Header: "KIND"}, {Header: "NAME"},
		{Header: "RULES"}, {Header: "TIER END"}}}
	if effective {
		t.Columns = append([]printer.Column{{Header: "DIRECTION"}}, t.Columns...)
	} else {
		t.Columns = append(t.Columns, printer.Column{Header: "TYPES"})
	}
	t.Columns = append(t.Columns, printer.Column{Header: "NOTE"}, printer.Column{Header: "SELECTOR"})
	for _, p := range list {
		name := strings.TrimPrefix(p.Namespace+"/"+p.Name, "/")
		row := []string{p.Tier, orderText(p.TierOrder), orderText(p.Order), p.Kind, name, strconv.Itoa(p.Rules), p.TierEnd}
		if effective {
			row = append([]string{p.Direction}, row...)
		} else {
			row = append(row, joinComma(p.Types))
		}
		t.Rows = append(t.Rows, append(row, p.Note, p.Selector))
	}
	return t
}

func orderText(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}
