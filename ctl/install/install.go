// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package install renders what runs weft in a Kubernetes cluster: Manifest for `kubectl apply -f`, and Chart for Helm, from the same templates.
//
// The templates are those of the chart, so they use no more of Helm than Manifest has: Values, Release.Namespace, toJson, base
// and dir. The rights that agents,
// controllers and readers need are tables in rights.go.
package install

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/api/schema"
	"github.com/weftnet/weft/internal/version"
	"github.com/weftnet/weft/store"
)

//go:generate go run ./gen ../../deploy

// DefaultNamespace is where weft runs unless told otherwise.
const DefaultNamespace = "weft-system"

// Image is the default image.
const Image = "weft:" + version.Release

//go:embed values.yaml templates/*.yaml
var files embed.FS

// order is that of the templates in a manifest: what others refer to comes first.
var order = []string{rightsFile, agentFile, "controllers.yaml"}

// agentFile is the name of the template of the agents.
const agentFile = "agent.yaml"

// rightsFile is the name of the template that is made from the tables.
const rightsFile = "rbac.yaml"

// Options are what people choose most often; an empty one leaves the value of values.yaml.
type Options struct {
	Namespace string // default: DefaultNamespace
	Image     string
	Pools     []netip.Prefix // of addresses for workloads; none: no pool is made
	Families  string         // of workloads: ipv4, ipv6 or dual; default: those of Pools
	// APIHost and APIPort are the API server's own address, for clusters where its Service cannot be reached before weft runs.
	APIHost, APIPort string
	// Definitions puts the CustomResourceDefinitions first.
	Definitions bool
}

// Manifest renders all objects in the order in which they are to be applied.
func Manifest(o Options) ([]byte, error) {
	values, err := o.values()
	if err != nil {
		return nil, err
	}
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "# weft %s\n%s", version.Release, namespace(o.Namespace))
	if o.Definitions {
		text, err := definitions()
		if err != nil {
			return nil, err
		}
		out.WriteString(text)
	}
	for _, name := range order {
		text, err := templateText(name)
		if err != nil {
			return nil, err
		}
		rendered, err := render(name, text, o.Namespace, values)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(rendered) != "" {
			out.WriteString(document([]byte(rendered)))
		}
	}
	return out.Bytes(), nil
}

// Uninstaller renders the DaemonSet that Manifest has for the agents, with what takes all of weft off a node in the place of each: a pod is ready when nothing is left
// there.
func Uninstaller(namespace, image string) ([]byte, error) {
	values, err := Options{Image: image}.values()
	if err != nil {
		return nil, err
	}
	agent, ok := values["agent"].(map[string]any)
	if !ok {
		return nil, errors.New("install: values.yaml has no agent")
	}
	agent["uninstall"] = true
	text, err := templateText(agentFile)
	if err != nil {
		return nil, err
	}
	rendered, err := render(agentFile, text, namespace, values)
	return []byte(document([]byte(rendered))), err
}

// document returns text as a document of its own in a stream of YAML.
func document(text []byte) string {
	return "---\n" + strings.TrimPrefix(strings.TrimLeft(string(text), "\n"), "---\n")
}

// namespace makes the namespace, in which host network and host paths are allowed. Namespaces that every cluster has are left alone.
func namespace(name string) string {
	if name == "kube-system" || name == "default" {
		return ""
	}
	return document([]byte(`apiVersion: v1
kind: Namespace
metadata:
  name: ` + name + `
  labels:
    pod-security.kubernetes.io/enforce: privileged
`))
}

// values are those of values.yaml with what o says in place of theirs.
func (o Options) values() (map[string]any, error) {
	text, err := files.ReadFile("values.yaml")
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("install: values.yaml: %w", err)
	}
	values["image"] = Image
	pools := []string{}
	v4, v6 := false, false
	for _, p := range o.Pools {
		pools = append(pools, p.Masked().String())
		v4, v6 = v4 || p.Addr().Is4(), v6 || p.Addr().Is6()
	}
	values["pools"] = pools
	switch {
	case v4 && v6:
		values["families"] = "dual"
	case v6:
		values["families"] = "ipv6"
	}
	for name, given := range map[string]string{"image": o.Image, "families": o.Families} {
		if given != "" {
			values[name] = given
		}
	}
	if o.APIHost != "" {
		values["apiServer"] = map[string]any{"host": o.APIHost, "port": o.APIPort}
	}
	return values, nil
}

// templateText returns one template.
func templateText(name string) (string, error) {
	if name == rightsFile {
		return rightsTemplate()
	}
	text, err := files.ReadFile(path.Join("templates", name))
	if err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	return string(text), nil
}

// render fills a template in as Helm does.
func render(name, text, namespace string, values map[string]any) (string, error) {
	t, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{"toJson": toJSON, "base": path.Base, "dir": path.Dir}).Parse(text)
	if err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	var out strings.Builder
	err = t.Execute(&out, map[string]any{"Values": values, "Release": map[string]any{"Namespace": namespace}})
	if err != nil {
		return "", fmt.Errorf("install: %w", err)
	}
	return out.String(), nil
}

func toJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

// chartHead is Chart.yaml but for the version.
const chartHead = `apiVersion: v2
name: weft
description: Networking and network policy for Kubernetes
type: application
version: %[1]s
appVersion: %[1]s
`

// Chart returns the files of the Helm chart by their paths.
func Chart() (map[string]string, error) {
	values, err := files.ReadFile("values.yaml")
	if err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	out := map[string]string{
		"Chart.yaml":  fmt.Sprintf(chartHead, version.Release),
		"values.yaml": strings.Replace(string(values), "image: \"\"", "image: "+Image, 1),
	}
	for _, name := range order {
		if out["templates/"+name], err = templateText(name); err != nil {
			return nil, err
		}
	}
	out["crds/definitions.yaml"], err = definitions()
	return out, err
}

// definitions returns the CustomResourceDefinitions with the mark by which an older weft sees that they are newer.
func definitions() (string, error) {
	all, err := schema.Definitions()
	var out strings.Builder
	for _, text := range all {
		const at = "\nmetadata:\n"
		mark := fmt.Sprintf("  annotations:\n    %s: %q\n", store.SchemaAnnotation, store.SchemaMark())
		out.WriteString(document([]byte(strings.Replace(string(text), at, at+mark, 1))))
	}
	return out.String(), err
}

// Files returns what is generated into deploy/, by paths there: the manifest with all defaults, and the chart.
func Files() (map[string]string, error) {
	chart, err := Chart()
	if err != nil {
		return nil, err
	}
	manifest, err := Manifest(Options{Definitions: true})
	if err != nil {
		return nil, err
	}
	out := map[string]string{"weft.yaml": string(manifest)}
	for name, text := range chart {
		out["chart/"+name] = text
	}
	return out, nil
}
