// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"strconv"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/api/clusterpolicy"
	v3 "github.com/weftnet/weft/api/v3"
)

func peerNode(p *v3.BGPPeer) string {
	switch {
	case p.Spec.Node != "":
		return p.Spec.Node
	case p.Spec.NodeSelector != "":
		return p.Spec.NodeSelector
	}
	return "(all)"
}

func autoCreate(c *v3.KubeControllersConfiguration) string {
	if n := c.Spec.Controllers.Node; n != nil && n.HostEndpoint != nil {
		return n.HostEndpoint.AutoCreate
	}
	return "Disabled"
}

func bgpOf(n *v3.Node, f func(*v3.NodeBGPSpec) string) string {
	if n.Spec.BGP == nil {
		return ""
	}
	return f(n.Spec.BGP)
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func truth(b *bool) string {
	return strconv.FormatBool(b != nil && *b)
}

func asn(a *v3.ASNumber) string {
	if a == nil {
		return ""
	}
	return a.String()
}

func order(o *float64) string {
	if o == nil {
		return ""
	}
	return strconv.FormatFloat(*o, 'f', -1, 64)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func joinTypes(types []v3.PolicyType) string {
	parts := make([]string, len(types))
	for i, t := range types {
		parts[i] = string(t)
	}
	return joinComma(parts)
}

// age renders a duration the way people read it: 42s, 7m, 5h, 12d.
func age(since, now time.Time) string {
	if since.IsZero() {
		return ""
	}
	d := max(now.Sub(since), 0)
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

func labelText(labels map[string]string) string {
	parts := make([]string, 0, len(labels))
	for _, k := range sortedKeys(labels) {
		parts = append(parts, k+"="+labels[k])
	}
	return strings.Join(parts, ",")
}

// few joins the first parts, and counts the rest.
func few(parts []string) string {
	const shown = 3
	if len(parts) <= shown+1 {
		return joinComma(parts)
	}
	return joinComma(parts[:shown]) + " and " + strconv.Itoa(len(parts)-shown) + " more"
}

// podSelector renders a label selector; the empty one takes all pods.
func podSelector(s metav1.LabelSelector) string {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return "(all)"
	}
	return metav1.FormatLabelSelector(&s)
}

func kubeTypes(types []networkingv1.PolicyType) string {
	parts := make([]string, len(types))
	for i, t := range types {
		parts[i] = string(t)
	}
	return joinComma(parts)
}

// formTypes renders the directions that a policy of the administrators concerns.
func formTypes(f clusterpolicy.Form) string {
	var parts []string
	if len(f.Ingress) > 0 {
		parts = append(parts, "Ingress")
	}
	if len(f.Egress) > 0 {
		parts = append(parts, "Egress")
	}
	return joinComma(parts)
}

// subject renders whom a policy of the administrators is for.
func subject(s *clusterpolicy.PolicySubject) string {
	namespaces, pods := s.Namespaces, ""
	if s.Pods != nil {
		namespaces, pods = s.Pods.NamespaceSelector, " pods "+podSelector(s.Pods.PodSelector)
	}
	if namespaces == nil {
		namespaces = &metav1.LabelSelector{}
	}
	return "namespaces " + podSelector(*namespaces) + pods
}

// blockCounts renders how many addresses a handle holds, and in which blocks.
func blockCounts(blocks map[string]int) (addresses, where string) {
	sum := 0
	for _, n := range blocks {
		sum += n
	}
	return strconv.Itoa(sum), few(sortedKeys(blocks))
}

// nodeASN is a node's own AS number; without one the node has the cluster's.
func nodeASN(b *v3.NodeBGPSpec) string {
	if b.ASNumber == nil {
		return "(cluster)"
	}
	return b.ASNumber.String()
}

// setFields names what a FelixConfiguration states; there are too many fields for a column each.
func setFields(obj api.Object) string {
	fields, err := fieldsOf(obj)
	if err != nil {
		return err.Error()
	}
	spec, _ := fields["spec"].(map[string]any)
	return few(sortedKeys(spec))
}

func sliceAddresses(s *discoveryv1.EndpointSlice) []string {
	var out []string
	for _, e := range s.Endpoints {
		out = append(out, e.Addresses...)
	}
	return out
}
