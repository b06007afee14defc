// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package why

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Write prints the answer for people.
func (a *Answer) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s -> %s %s\n", past(a.Verdict), a.Source, a.Destination, a.service())
	if a.Translation != nil {
		fmt.Fprintf(&b, "  by %s\n", a.Translation)
	}
	for _, p := range a.Ports {
		fmt.Fprintf(&b, "  %-13s %s\n", p.Ports, p.Verdict)
	}
	writeEnd(&b, "Egress at "+a.Source.Name, &a.Egress)
	writeEnd(&b, "Ingress at "+a.Destination.Name, &a.Ingress)
	if err := writeChanges(&b, a.Changes); err != nil {
		return err
	}
	for i, note := range a.Notes {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Note: %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func past(v Verdict) string {
	if v == Allow {
		return "allowed"
	}
	return "denied"
}

// String renders a party: "shop/web (10.65.0.2)".
func (p Party) String() string {
	switch p.Address {
	case p.Name:
		return p.Name
	case "":
		return p.Name + " (address not known)"
	}
	return p.Name + " (" + p.Address + ")"
}

// service renders what is asked for: "TCP 80 (http)".
func (a *Answer) service() string {
	switch {
	case a.ICMP != "":
		return a.Protocol + " type/code " + a.ICMP
	case a.PortName != "":
		return fmt.Sprintf("%s %d (%s)", a.Protocol, a.Port, a.PortName)
	case a.Port != 0:
		return fmt.Sprintf("%s %d", a.Protocol, a.Port)
	case len(a.Ports) > 0:
		return a.Protocol + ", a port that no rule means; by port:"
	}
	return a.Protocol + ", every port"
}

func writeEnd(b *strings.Builder, title string, e *End) {
	fmt.Fprintf(b, "\n%s: %s\n", title, past(e.Verdict))
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %-8s %s\n", name, value)
		}
	}
	line("because", e.Reason)
	line("tier", e.Tier)
	line("policy", e.Policy)
	line("rule", e.Rule)
	for _, m := range e.Matches {
		line("labels", m.String())
	}
	for i, c := range e.HostEndpoints {
		line([]string{"hosts", ""}[min(i, 1)], c.String())
	}
	if e.Staged != nil {
		line("staged", fmt.Sprintf("would be %s: %s", past(e.Staged.Verdict), e.Staged.Reason))
		line("", e.Staged.Rule)
	}
	if k := e.Kernel; k != nil {
		line("kernel", k.String())
		for _, c := range k.Connections[:min(len(k.Connections), maxConnections)] {
			line("", c)
		}
	}
	if n := e.Nearest; n != nil {
		line("nearest", fmt.Sprintf("rule %d of %s: %s", n.Index, n.Policy, n.Rule))
		for _, text := range n.Differs {
			line("", text)
		}
	}
	for i, step := range e.Steps {
		if len(e.Steps) == 1 {
			break // the reason has said it
		}
		if i == 0 {
			b.WriteString("  way\n")
		}
		fmt.Fprintf(b, "    %s\n", step)
	}
}

// maxConnections is how many are listed.
const maxConnections = 3

// String says in a line what the kernel says: "node n1: the rule has decided 12 packets; 1 connection is open".
func (k *Kernel) String() string {
	text := "node " + k.Node + ": "
	if k.Hits != nil {
		text += fmt.Sprintf("the rule has decided %d first packets; ", *k.Hits)
	}
	return text + fmt.Sprintf("open connections of this flow: %d", len(k.Connections))
}

// writeChanges prints what would allow the flow, as YAML to paste or to apply.
func writeChanges(b *strings.Builder, changes []Change) error {
	for _, c := range changes {
		var what any = []any{c.Rule}
		if c.New {
			fmt.Fprintf(b, "\nTo allow it at %s, create %s:\n", c.Direction, c.Policy)
			what = c.Object
		} else {
			fmt.Fprintf(b, "\nTo allow it at %s, insert as rule %d of %s in %s:\n", c.Direction, c.Position, c.Direction, c.Policy)
		}
		text, err := yaml.Marshal(what)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			b.WriteString("  " + line)
		}
	}
	return nil
}

// String renders a match: "shop/web: app=web".
func (m Match) String() string { return m.Object + ": " + labelText(m.Labels) }

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+labels[name])
	}
	return strings.Join(parts, ", ")
}
