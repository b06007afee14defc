// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"github.com/weftnet/weft/policy/selector"
)

// Labels and label prefixes that weft itself puts on endpoints.
const (
	// OrchestratorLabel tells pods ("k8s") from other workloads.
	OrchestratorLabel = "projectcalico.org/orchestrator"
	// ServiceAccountLabel is the endpoint's service account.
	ServiceAccountLabel = "projectcalico.org/serviceaccount"
	// NamespaceLabelPrefix stands before the labels inherited from a namespace.
	NamespaceLabelPrefix = "pcns."
	// ServiceAccountLabelPrefix stands before the labels inherited from a service account.
	ServiceAccountLabelPrefix = "pcsa."
	// nameLabel, behind a prefix, is the name of the namespace or service account.
	nameLabel = "projectcalico.org/name"
)

// inNamespace selects what belongs to one namespace.
func inNamespace(namespace string) *selector.Selector {
	return selector.Equal(selector.NamespaceLabel, namespace)
}

// anyNamespace selects what belongs to some namespace.
func anyNamespace() *selector.Selector { return selector.Has(selector.NamespaceLabel) }

// namespaced turns a selector over the labels of namespaces into one over the labels that endpoints inherit from them, and keeps to things
// that belong to a namespace, which a negation alone would not.
func namespaced(s *selector.Selector) *selector.Selector {
	return selector.And(anyNamespace(), s.WithPrefix(NamespaceLabelPrefix))
}

// parse reads a selector of the user, whatever it is.
func (c *compiler) parse(text, path string) *selector.Selector {
	s, err := selector.Parse(text)
	if err != nil {
		c.fail(path, err.Error())
		return selector.All() // the policy will not be used
	}
	return s
}

// plainSelector reads a selector that may not be global().
func (c *compiler) plainSelector(text, path string) *selector.Selector {
	s := c.parse(text, path)
	if s.HasGlobal() {
		c.fail(path, "global() is allowed only as the namespaceSelector of a rule")
	}
	return s
}

// withServiceAccount narrows sel to endpoints whose service account the policy's selector selects.
func (c *compiler) withServiceAccount(sel *selector.Selector, text string) *selector.Selector {
	if text == "" {
		return sel
	}
	accounts := c.plainSelector(text, "spec.serviceAccountSelector").WithPrefix(ServiceAccountLabelPrefix)
	if c.namespace == "" {
		sel = selector.And(anyNamespace(), sel)
	}
	return selector.And(sel, accounts)
}
