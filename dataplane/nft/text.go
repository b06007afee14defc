// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/sys/nft"
)

// Render prints the table that a view asks for, in the language of the nft tool, sorted. It touches no kernel.
func Render(view desired.View, o Options) (string, error) {
	l := newLedger(view, o)
	if err := l.putView(nil, nil); err != nil {
		return "", err
	}
	p, err := l.finish()
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// String prints a plan of the whole table.
func (p *plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", tableName)
	for _, s := range p.addSets {
		if s.set.Verdicts {
			p.writeMap(&b, s.set)
		} else {
			p.writeSet(&b, s.set)
		}
	}
	for _, c := range p.chains {
		writeChain(&b, c)
	}
	b.WriteString("}\n")
	return b.String()
}

func (p *plan) writeSet(b *strings.Builder, s *nft.Set) {
	if len(s.Data) > 0 {
		fmt.Fprintf(b, "\tmap %s {\n\t\ttype %s : %s\n", s.Name, typeText(s.Key), typeText(s.Data))
	} else {
		fmt.Fprintf(b, "\tset %s {\n\t\ttype %s\n", s.Name, typeText(s.Key))
	}
	var flags []string
	if s.Constant {
		flags = append(flags, "constant")
	}
	if s.Interval {
		flags = append(flags, "interval")
	}
	if len(flags) > 0 {
		fmt.Fprintf(b, "\t\tflags %s\n", strings.Join(flags, ", "))
	}
	if s.Size > 0 {
		fmt.Fprintf(b, "\t\tsize %d\n", s.Size)
	}
	var elems []string
	for _, k := range p.keys {
		if k.set.Name == s.Name {
			for packed := range slices.Chunk(k.add, s.Width()) {
				elems = append(elems, keyText(s, packed))
			}
		}
	}
	writeElements(b, elems)
}

func (p *plan) writeMap(b *strings.Builder, s *nft.Set) {
	fmt.Fprintf(b, "\tmap %s {\n\t\ttype %s : verdict\n", s.Name, typeText(s.Key))
	if s.Constant {
		fmt.Fprintf(b, "\t\tflags constant\n\t\tsize %d\n", s.Size)
	}
	var elems []string
	for _, v := range p.verdicts {
		if v.set.Name == s.Name {
			elems = append(elems, keyText(s, v.key)+" : "+verdictText(*v.now))
		}
	}
	writeElements(b, elems)
}

func writeElements(b *strings.Builder, elems []string) {
	slices.Sort(elems)
	if len(elems) > 0 {
		fmt.Fprintf(b, "\t\telements = {\n\t\t\t%s\n\t\t}\n", strings.Join(elems, ",\n\t\t\t"))
	}
	b.WriteString("\t}\n")
}

func typeText(fields []nft.Field) string {
	var names []string
	for _, f := range fields {
		names = append(names, typeNames[f.Type])
	}
	return strings.Join(names, " . ")
}

// keyText prints a packed element.
func keyText(s *nft.Set, packed []byte) string {
	first, last := packed[:s.KeyLen()], packed[s.KeyLen():]
	if len(s.Data) > 0 {
		return keyText(&nft.Set{Key: s.Key}, first) + " : " + keyText(&nft.Set{Key: s.Data}, last)
	}
	var parts []string
	at := 0
	for _, f := range s.Key {
		text := show(f, first[at:at+f.Len])
		if s.Interval && string(last[at:at+f.Len]) != string(first[at:at+f.Len]) {
			text += "-" + show(f, last[at:at+f.Len])
		}
		parts = append(parts, text)
		at += (f.Len + 3) &^ 3
	}
	return strings.Join(parts, " . ")
}

var hookNames = map[uint32]string{
	nft.HookPrerouting: "prerouting", nft.HookInput: "input", nft.HookForward: "forward", nft.HookOutput: "output", nft.HookPostrouting: "postrouting",
	nft.HookIngress: "ingress",
}

func writeChain(b *strings.Builder, c chainWrite) {
	fmt.Fprintf(b, "\tchain %s {\n", c.chain.Name)
	if h := c.chain.Hook; h != nil {
		typ := "filter"
		if h.NAT {
			typ = "nat"
		}
		hook := hookNames[h.Num]
		if h.Device != "" {
			hook += " device " + quote(h.Device)
		}
		fmt.Fprintf(b, "\t\ttype %s hook %s priority %d; policy accept;\n", typ, hook, h.Priority)
	}
	for _, r := range c.rules {
		fmt.Fprintf(b, "\t\t%s\n", r)
	}
	b.WriteString("\t}\n")
}
