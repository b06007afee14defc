// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package recipes reads the manifests of examples/policy-recipes and the tables of verdicts in their comments: Load gives each recipe, which
// tells for any flow between the Cast whether it is to pass.
package recipes

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/lab/probe"
)

// Outside is what the tables call a host that is no part of the cluster.
const Outside = "outside"

// Actor is a pod that the recipes are about.
type Actor struct {
	Namespace, Name string
	Labels          map[string]string
}

// Key is how the tables call the actor: "shop/web".
func (a Actor) Key() string { return a.Namespace + "/" + a.Name }

// Cast is all pods of the cluster in which the tables hold.
var Cast = []Actor{
	{"shop", "web", map[string]string{"app": "web"}},
	{"shop", "api", map[string]string{"app": "api"}},
	{"shop", "db", map[string]string{"app": "db"}},
	{"watch", "prober", map[string]string{"app": "prober"}},
	{"watch", "web", map[string]string{"app": "web"}},
	{"guest", "prober", map[string]string{"app": "prober"}},
	{"kube-system", "dns", map[string]string{"k8s-app": "kube-dns"}},
}

// Namespaces returns the namespaces of the cast. Two of them have a label.
func Namespaces() []*corev1.Namespace {
	var out []*corev1.Namespace
	for _, ns := range []struct {
		name   string
		labels map[string]string
	}{{"shop", nil}, {"watch", map[string]string{"team": "monitoring"}}, {"guest", map[string]string{"team": "guests"}}, {"kube-system", nil}} {
		n := &corev1.Namespace{}
		n.Name, n.Labels = ns.name, ns.labels
		out = append(out, n)
	}
	return out
}

// Services are what the verdicts are tried with: all that a table names, and neighbours of it.
var Services = []probe.Service{
	{Protocol: probe.ICMP}, {Protocol: probe.TCP, Port: 53}, {Protocol: probe.UDP, Port: 53}, {Protocol: probe.TCP, Port: 80},
	{Protocol: probe.TCP, Port: 32000}, {Protocol: probe.TCP, Port: 32768}, {Protocol: probe.TCP, Port: 32769}, {Protocol: probe.SCTP, Port: 3868},
}

// Recipe is a manifest and its table.
type Recipe struct {
	Name    string // of the file, without its ending
	Objects []api.Object
	rows    []row
}

// row holds patterns as of package path, and a verdict.
type row struct {
	from, to, service string
	allow             bool
}

// Load reads all recipes of a directory, in order.
func Load(dir string) ([]Recipe, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var out []Recipe
	for _, file := range files {
		r, err := read(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func read(file string) (Recipe, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Recipe{}, err
	}
	r := Recipe{Name: strings.TrimSuffix(filepath.Base(file), ".yaml")}
	if r.rows, err = table(string(text)); err != nil {
		return r, err
	}
	docs, err := api.ReadDocuments(strings.NewReader(string(text)), file)
	if err != nil {
		return r, err
	}
	for _, d := range docs {
		if bad := d.Check(api.Checks{}); len(bad) > 0 {
			return r, bad
		}
		r.Objects = append(r.Objects, d.Object)
	}
	return r, nil
}

// table reads the rows below the header in the comments at the top of a manifest.
func table(text string) ([]row, error) {
	var rows []row
	header := false
	for line := range strings.Lines(text) {
		cells := strings.Fields(strings.TrimPrefix(line, "#"))
		switch {
		case !strings.HasPrefix(line, "#"):
			if len(rows) == 0 {
				return nil, fmt.Errorf("no table of verdicts in the comments at the top")
			}
			return rows, nil
		case strings.Join(cells, " ") == "from to service verdict":
			header = true
		case header && (len(cells) != 4 || cells[3] != "allow" && cells[3] != "deny"):
			return nil, fmt.Errorf("%q is no row; write from, to, service, and allow or deny", line)
		case header:
			rows = append(rows, row{cells[0], cells[1], cells[2], cells[3] == "allow"})
		}
	}
	return nil, fmt.Errorf("there is no manifest")
}

// Allowed tells what the table says: the first row that fits counts, and what none fits is allowed.
func (r *Recipe) Allowed(from, to string, service probe.Service) bool {
	for _, row := range r.rows {
		if fits(row.from, from) && fits(row.to, to) && fits(row.service, service.String()) {
			return row.allow
		}
	}
	return true
}

// fits matches a pattern, in which "*" alone is everything.
func fits(pattern, name string) bool {
	matched, err := path.Match(pattern, name)
	return pattern == "*" || err == nil && matched
}
