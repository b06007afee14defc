// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/test/kube"
)

// users are who calls the API server, with their groups; the bearer token of each is its name.
var users = map[string]string{
	"admin":                          "system:masters",
	"system:kube-controller-manager": "",
	"system:kube-scheduler":          "",
	"system:kube-proxy":              "",
	"system:node:n1":                 "system:nodes",
	"system:node:n2":                 "system:nodes",
}

// audit logs what is written, and all but watches that the agents ask for, without bodies.
const audit = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [watch]}
- {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
- {level: Metadata, users: ["` + agents + `"]}
- {level: None}
`

// startControl makes what etcd and the API server with its controllers and scheduler need, and starts them.
func (c *Cluster) startControl(t testing.TB) {
	t.Helper()
	var tokens strings.Builder
	for user, group := range users {
		fmt.Fprintf(&tokens, "%s,%s,%s,%q\n", user, user, user, group)
	}
	m := c.control
	m.write(t, "etc/kube/tokens", tokens.String())
	m.write(t, "etc/kube/audit.yaml", audit)
	m.write(t, "etc/kube/sa.key", kube.ServiceAccountKey(t))
	m.write(t, "etc/kube/controller-manager", c.kubeconfig("system:kube-controller-manager"))
	m.write(t, "etc/kube/scheduler", c.kubeconfig("system:kube-scheduler"))
	c.StartControl(t)
}

// StopControl ends what startControl has started as kill -9 does.
func (c *Cluster) StopControl(t testing.TB) {
	t.Helper()
	for _, program := range []string{"kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"} {
		c.control.stop(t, program, syscall.SIGKILL)
	}
}

// StartControl starts it again.
func (c *Cluster) StartControl(t testing.TB) {
	t.Helper()
	m := c.control
	m.start(t, "etcd", "--data-dir", "/var/lib/etcd", "--log-level", "warn", "--logger", "zap")
	m.start(t, c.binary("kube-apiserver"), "--etcd-servers", "http://127.0.0.1:2379", "--advertise-address", m.v4.String(), "--secure-port", "6443",
		"--cert-dir", "/etc/kube", "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction",
		"--token-auth-file", "/etc/kube/tokens", "--service-account-issuer", "https://kubernetes.default.svc",
		"--service-account-key-file", "/etc/kube/sa.key", "--service-account-signing-key-file", "/etc/kube/sa.key",
		"--service-cluster-ip-range", "10.96.0.0/16,fd96::/112", "--allow-privileged", "--kubelet-preferred-address-types", "InternalIP",
		"--default-not-ready-toleration-seconds", "3", "--default-unreachable-toleration-seconds", "3",
		"--audit-policy-file", "/etc/kube/audit.yaml", "--audit-log-path", "/var/log/audit.log")
	eventually(t, "the API server to be ready", 2*time.Minute, func() error {
		_, err := c.try("get", "--raw", "/readyz")
		return err
	})
	m.start(t, c.binary("kube-controller-manager"), "--kubeconfig", "/etc/kube/controller-manager", "--leader-elect=false",
		"--use-service-account-credentials", "--service-account-private-key-file", "/etc/kube/sa.key", "--root-ca-file", "/etc/kube/apiserver.crt",
		"--node-monitor-period", "1s", "--node-monitor-grace-period", "12s", "--cert-dir", "/var/lib/controller-manager")
	m.start(t, c.binary("kube-scheduler"), "--kubeconfig", "/etc/kube/scheduler", "--leader-elect=false")
}

// kubeconfig returns what user needs to call the API server, from every machine. The administrator's is a file of the host, too.
func (c *Cluster) kubeconfig(user string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://%s:6443", insecure-skip-tls-verify: true}}]
users: [{name: test, user: {token: %q}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
`, c.control.v4, user)
}

// binary returns the path of a program that tools/kube.sh has built.
func (c *Cluster) binary(name string) string { return filepath.Join(c.programs, name) }
