// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

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
	// Server, as in https://10.0.0.1:6443, with CAFile, and CertFile and KeyFile or Token, do without a kubeconfig, or outrank it. Several separated by
	// commas are API servers of one cluster: the certificate of each must hold for the first.
	Server, CAFile, CertFile, KeyFile, Token string
	// KnownServers is a file in which addresses of API servers are kept that a watch of EndpointSlices tells of, those of the Service default/kubernetes.
	// They are used when the configured ones cannot be reached. Default: none.
	KnownServers string
	// Log hears what is no error of a call. Default: nobody does.
	Log *slog.Logger
}

// servers returns the configured addresses: that which requests name, "" for the kubeconfig's, and others.
func (c Config) servers() (first string, others []string) {
	list := strings.Split(c.Server, ",")
	return list[0], list[1:]
}

// load makes the client configuration.
func (c Config) load() (*rest.Config, error) {
	c.KnownServers, c.Log = "", nil
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
	overrides.ClusterInfo.CertificateAuthority = c.CAFile
	overrides.ClusterInfo.Server, _ = c.servers()
	overrides.AuthInfo.ClientCertificate, overrides.AuthInfo.ClientKey, overrides.AuthInfo.Token = c.CertFile, c.KeyFile, c.Token
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", c.Kubeconfig, err)
	}
	return config, nil
}
