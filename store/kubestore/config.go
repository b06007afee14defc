// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says how to reach the API server. All fields empty: as the service account of the pod that this process runs in.
type Config struct {
	// Kubeconfig is a kubeconfig file, or several separated by ':' as in $KUBECONFIG. Tokens and certificates in files that it names are read
	// again when they change.
	Kubeconfig string
	// Context of the kubeconfig. Default: its current-context.
	Context string
	// Server, as in https://10.0.0.1:6443, with CAFile, and CertFile and KeyFile or Token, do without a kubeconfig, or outrank it.
	Server, CAFile, CertFile, KeyFile, Token string
}

// load makes the client configuration.
func (c Config) load() (*rest.Config, error) {
	if c == (Config{}) {
		config, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, errors.New("datastore kubernetes: no kubeconfig is given and this is no pod; give --kubeconfig or set KUBECONFIG")
		}
		if err != nil {
			return nil, fmt.Errorf("datastore kubernetes: service account of this pod: %w", err)
		}
		return config, nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: filepath.SplitList(c.Kubeconfig)}
	for _, path := range rules.Precedence {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("kubeconfig: %w", err)
		}
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: c.Context}
	overrides.ClusterInfo.Server, overrides.ClusterInfo.CertificateAuthority = c.Server, c.CAFile
	overrides.AuthInfo.ClientCertificate, overrides.AuthInfo.ClientKey, overrides.AuthInfo.Token = c.CertFile, c.KeyFile, c.Token
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	return config, nil
}
