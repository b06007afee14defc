// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
)

// datastoreOptions say how to reach the datastore: flag, then environment, then configuration file, then the default.
type datastoreOptions struct {
	env       *Env
	config    string
	endpoints string
	ca        string
	cert      string
	key       string
	user      string
	password  string
	timeout   time.Duration
}

// defaultConfigFile is read when it exists; --config names another.
const defaultConfigFile = "/etc/weft/weft.yaml"

// defaultEndpoints is where `weft` looks when nothing is configured.
const defaultEndpoints = "http://127.0.0.1:2379"

func addDatastoreFlags(root *cobra.Command, env *Env) *datastoreOptions {
	o := &datastoreOptions{env: env}
	flags := root.PersistentFlags()
	flags.StringVar(&o.config, "config", "", "configuration file with etcdEndpoints, etcdCACertFile, ... (default "+defaultConfigFile+" if it exists)")
	flags.StringVar(&o.endpoints, "etcd-endpoints", "", "comma-separated etcd URLs, http(s)://host:port or unix:///path (env ETCD_ENDPOINTS)")
	flags.StringVar(&o.ca, "etcd-ca-cert-file", "", "CA certificate that signs the servers' (env ETCD_CA_CERT_FILE)")
	flags.StringVar(&o.cert, "etcd-cert-file", "", "client certificate (env ETCD_CERT_FILE)")
	flags.StringVar(&o.key, "etcd-key-file", "", "client key (env ETCD_KEY_FILE)")
	flags.StringVar(&o.user, "etcd-username", "", "user name (env ETCD_USERNAME); the password comes from env ETCD_PASSWORD")
	flags.DurationVar(&o.timeout, "timeout", 10*time.Second, "give up on the datastore after this long")
	return o
}

// fileConfig is the configuration file; the keys are those of Calico's CalicoAPIConfig spec.
type fileConfig struct {
	EtcdEndpoints  string `json:"etcdEndpoints"`
	EtcdCACertFile string `json:"etcdCACertFile"`
	EtcdCertFile   string `json:"etcdCertFile"`
	EtcdKeyFile    string `json:"etcdKeyFile"`
	EtcdUsername   string `json:"etcdUsername"`
	EtcdPassword   string `json:"etcdPassword"`
}

// resolve merges the sources.
func (o *datastoreOptions) resolve() (etcdstore.Config, error) {
	file, err := o.readFile()
	if err != nil {
		return etcdstore.Config{}, err
	}
	pick := func(flag, variable, inFile, fallback string) string {
		for _, v := range []string{flag, o.env.Getenv(variable), inFile} {
			if v != "" {
				return v
			}
		}
		return fallback
	}
	return etcdstore.Config{
		Endpoints: strings.Split(pick(o.endpoints, "ETCD_ENDPOINTS", file.EtcdEndpoints, defaultEndpoints), ","),
		CAFile:    pick(o.ca, "ETCD_CA_CERT_FILE", file.EtcdCACertFile, ""),
		CertFile:  pick(o.cert, "ETCD_CERT_FILE", file.EtcdCertFile, ""),
		KeyFile:   pick(o.key, "ETCD_KEY_FILE", file.EtcdKeyFile, ""),
		Username:  pick(o.user, "ETCD_USERNAME", file.EtcdUsername, ""),
		Password:  pick(o.password, "ETCD_PASSWORD", file.EtcdPassword, ""),
	}, nil
}

func (o *datastoreOptions) readFile() (fileConfig, error) {
	path := o.config
	if path == "" {
		path = defaultConfigFile
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return fileConfig{}, nil
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fileConfig{}, fmt.Errorf("configuration file: %w", err)
	}
	// A whole CalicoAPIConfig object is accepted as well as its bare spec.
	var wrapped struct {
		Spec fileConfig `json:"spec"`
		fileConfig
	}
	if err := yaml.Unmarshal(data, &wrapped); err != nil {
		return fileConfig{}, fmt.Errorf("configuration file %s: %w", path, err)
	}
	if wrapped.Spec != (fileConfig{}) {
		return wrapped.Spec, nil
	}
	return wrapped.fileConfig, nil
}

// with opens the datastore, runs f within the time-out and closes it again.
func (o *datastoreOptions) with(ctx context.Context, f func(context.Context, store.Store) error) error {
	if o.timeout <= 0 {
		return usagef("--timeout %s: must be over 0", o.timeout)
	}
	config, err := o.resolve()
	if err != nil {
		return err
	}
	s, err := o.env.OpenStore(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return errors.Join(f(ctx, s), s.Close())
}

// OpenDatastore connects as the command's datastore flags, the environment and the configuration file say. The caller closes.
func OpenDatastore(cmd *cobra.Command, env *Env) (store.Store, error) {
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	o := &datastoreOptions{env: env, config: flag("config"), endpoints: flag("etcd-endpoints"), ca: flag("etcd-ca-cert-file"),
		cert: flag("etcd-cert-file"), key: flag("etcd-key-file"), user: flag("etcd-username")}
	config, err := o.resolve()
	if err != nil {
		return nil, err
	}
	return env.OpenStore(config)
}
