// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/weftnet/weft/store"
	"github.com/weftnet/weft/store/etcdstore"
	"github.com/weftnet/weft/store/kubestore"
)

// The types of datastores, by Calico's names for them.
const (
	typeEtcd       = "etcdv3"
	typeKubernetes = "kubernetes"
)

// Datastore says which datastore to use and how to reach it: exactly one of the fields is set.
type Datastore struct {
	Etcd       *etcdstore.Config
	Kubernetes *kubestore.Config
}

// open connects.
func (d Datastore) open() (store.Store, error) {
	if d.Kubernetes != nil {
		return kubestore.New(*d.Kubernetes)
	}
	return etcdstore.New(*d.Etcd)
}

// datastoreOptions say how to reach the datastore: flag, then environment, then configuration file, then the default.
type datastoreOptions struct {
	env        *Env
	config     string
	kind       string
	kubeconfig string
	context    string
	endpoints  string
	ca         string
	cert       string
	key        string
	user       string
	timeout    time.Duration
}

// defaultConfigFile is read when it exists; --config names another.
const defaultConfigFile = "/etc/weft/weft.yaml"

// defaultEndpoints is where `weft` looks when nothing is configured.
const defaultEndpoints = "http://127.0.0.1:2379"

func addDatastoreFlags(root *cobra.Command, env *Env) *datastoreOptions {
	o := &datastoreOptions{env: env}
	flags := root.PersistentFlags()
	flags.StringVar(&o.config, "config", "", "configuration file with datastoreType, kubeconfig, etcdEndpoints, ... (default "+defaultConfigFile+" if it exists)")
	flags.StringVar(&o.kind, "datastore-type", "", typeEtcd+" or "+typeKubernetes+" (env DATASTORE_TYPE; default "+typeEtcd+", but "+typeKubernetes+" with --kubeconfig)")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file for --datastore-type "+typeKubernetes+" (env KUBECONFIG; default: the pod's service account, or ~/.kube/config)")
	flags.StringVar(&o.context, "context", "", "context of the kubeconfig (env K8S_CURRENT_CONTEXT; default: its current-context)")
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
	DatastoreType  string `json:"datastoreType"`
	EtcdEndpoints  string `json:"etcdEndpoints"`
	EtcdCACertFile string `json:"etcdCACertFile"`
	EtcdCertFile   string `json:"etcdCertFile"`
	EtcdKeyFile    string `json:"etcdKeyFile"`
	EtcdUsername   string `json:"etcdUsername"`
	EtcdPassword   string `json:"etcdPassword"`
	Kubeconfig     string `json:"kubeconfig"`
	K8sContext     string `json:"k8sCurrentContext"`
	K8sAPIEndpoint string `json:"k8sAPIEndpoint"`
	K8sCAFile      string `json:"k8sCAFile"`
	K8sCertFile    string `json:"k8sCertFile"`
	K8sKeyFile     string `json:"k8sKeyFile"`
	K8sAPIToken    string `json:"k8sAPIToken"`
}

// resolve merges the sources.
func (o *datastoreOptions) resolve() (Datastore, error) {
	file, err := o.readFile()
	if err != nil {
		return Datastore{}, err
	}
	fallback := typeEtcd
	if o.kubeconfig != "" {
		fallback = typeKubernetes
	}
	switch kind := o.pick(o.kind, "DATASTORE_TYPE", file.DatastoreType, fallback); kind {
	case typeEtcd:
		return Datastore{Etcd: o.etcd(file)}, nil
	case typeKubernetes:
		return Datastore{Kubernetes: o.kubernetes(file)}, nil
	default:
		return Datastore{}, usagef("datastore type %q: write %s or %s", kind, typeEtcd, typeKubernetes)
	}
}

// pick returns the first setting that is given.
func (o *datastoreOptions) pick(flag, variable, inFile, fallback string) string {
	return cmp.Or(flag, o.env.Getenv(variable), inFile, fallback)
}

func (o *datastoreOptions) etcd(file fileConfig) *etcdstore.Config {
	return &etcdstore.Config{
		Endpoints: strings.Split(o.pick(o.endpoints, "ETCD_ENDPOINTS", file.EtcdEndpoints, defaultEndpoints), ","),
		CAFile:    o.pick(o.ca, "ETCD_CA_CERT_FILE", file.EtcdCACertFile, ""),
		CertFile:  o.pick(o.cert, "ETCD_CERT_FILE", file.EtcdCertFile, ""),
		KeyFile:   o.pick(o.key, "ETCD_KEY_FILE", file.EtcdKeyFile, ""),
		Username:  o.pick(o.user, "ETCD_USERNAME", file.EtcdUsername, ""),
		Password:  o.pick("", "ETCD_PASSWORD", file.EtcdPassword, ""),
	}
}

func (o *datastoreOptions) kubernetes(file fileConfig) *kubestore.Config {
	c := &kubestore.Config{
		Kubeconfig: o.pick(o.kubeconfig, "KUBECONFIG", file.Kubeconfig, ""),
		Context:    o.pick(o.context, "K8S_CURRENT_CONTEXT", file.K8sContext, ""),
		Server:     o.pick("", "K8S_API_ENDPOINT", file.K8sAPIEndpoint, ""),
		CAFile:     o.pick("", "K8S_CA_FILE", file.K8sCAFile, ""),
		CertFile:   o.pick("", "K8S_CERT_FILE", file.K8sCertFile, ""),
		KeyFile:    o.pick("", "K8S_KEY_FILE", file.K8sKeyFile, ""),
		Token:      o.pick("", "K8S_TOKEN", file.K8sAPIToken, ""),
	}
	inPod := o.env.Getenv("KUBERNETES_SERVICE_HOST") != ""
	if home := o.env.Getenv("HOME"); c.Kubeconfig == "" && c.Server == "" && !inPod && home != "" {
		usual := filepath.Join(home, ".kube", "config")
		if _, err := os.Stat(usual); err == nil {
			c.Kubeconfig = usual
		}
	}
	return c
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

// OpenDatastore connects as the command's datastore flags, the environment and the configuration file say, after change, if not nil, had its way. The
// caller closes.
func OpenDatastore(cmd *cobra.Command, env *Env, change func(Datastore)) (store.Store, error) {
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	o := &datastoreOptions{env: env, config: flag("config"), kind: flag("datastore-type"), kubeconfig: flag("kubeconfig"), context: flag("context"), endpoints: flag("etcd-endpoints"), ca: flag("etcd-ca-cert-file"),
		cert: flag("etcd-cert-file"), key: flag("etcd-key-file"), user: flag("etcd-username")}
	config, err := o.resolve()
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(config)
	}
	return env.OpenStore(config)
}
