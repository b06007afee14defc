// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package kube runs a real Kubernetes API server for tests: Start, then Kubeconfig.
//
// It needs kube-apiserver, which tools/kube.sh builds into bin/kube, and Debian's etcd. Nothing else of Kubernetes runs: no kubelet, no
// scheduler, no controllers.
package kube

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/ctl/install"
	"github.com/weftnet/weft/store/etcdstore"
	"github.com/weftnet/weft/store/storetest"
)

// AdminToken is the bearer token of a user who may do everything; UserToken that of the user "weft", who may do what RBAC allows. AgentToken and
// ControllersToken are those of the service accounts that `weft install` makes.
const (
	AdminToken       = "admin-token"
	UserToken        = "user-token"
	AgentToken       = "agent-token"
	ControllersToken = "controllers-token"
)

// accounts is what the names of these service accounts begin with.
const accounts = "system:serviceaccount:" + install.DefaultNamespace + ":"

// start bounds the time until the API server answers; on a busy machine it takes half a minute.
const start = 2 * time.Minute

// Server is an API server with an etcd of its own.
type Server struct {
	Address string // host:port
	CAFile  string
	Etcd    string // endpoint of its etcd
	dir     string
	api     *process
}

// Binary returns the path of a program that tools/kube.sh builds, and skips the test where it is not there.
func Binary(t testing.TB, name string) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(file), "..", "..", "bin", "kube", name)
	if dir := os.Getenv("WEFT_KUBE"); dir != "" {
		path = filepath.Join(dir, name)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not built (tools/kube.sh does it): nothing is tested against a real Kubernetes API", name)
	}
	return path
}

// Etcd says which etcd the API server keeps its objects in: New is the embedded one of weft, Old Debian's, with which there are no streaming lists.
type Etcd int

// The choices of an etcd.
const (
	New Etcd = iota
	Old
)

// Start runs an API server until the end of the test. InstallSchema makes it know the kinds of weft.
func Start(t testing.TB, etcd Etcd) *Server {
	t.Helper()
	binary := Binary(t, "kube-apiserver")
	dir := t.TempDir()
	s := &Server{Address: storetest.FreeAddress(t), Etcd: "http://" + storetest.FreeAddress(t), dir: dir, CAFile: filepath.Join(dir, "apiserver.crt")}
	writeFile(t, filepath.Join(dir, "sa.key"), ServiceAccountKey(t))
	writeFile(t, filepath.Join(dir, "tokens"), AdminToken+",admin,1,system:masters\n"+UserToken+",weft,2\n"+
		AgentToken+","+accounts+"weft-agent,3\n"+ControllersToken+","+accounts+"weft-controllers,4\n")
	writeFile(t, filepath.Join(dir, "audit.yaml"), auditPolicy)
	host, port, _ := net.SplitHostPort(s.Address)
	s.api = newProcess(t, dir, "kube-apiserver", binary,
		"--etcd-servers", s.Etcd, "--bind-address", host, "--secure-port", port, "--advertise-address", host, "--cert-dir", dir,
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", filepath.Join(dir, "sa.key"),
		"--service-account-signing-key-file", filepath.Join(dir, "sa.key"), "--service-cluster-ip-range", "10.96.0.0/16",
		"--audit-policy-file", filepath.Join(dir, "audit.yaml"), "--audit-log-path", filepath.Join(dir, "audit.log"),
		"--authorization-mode", "RBAC", "--token-auth-file", filepath.Join(dir, "tokens"), "--endpoint-reconciler-type", "none",
		// Without controllers nobody makes the namespaces and service accounts that these ask for.
		"--disable-admission-plugins", "NamespaceLifecycle,ServiceAccount",
	)
	s.startEtcd(t, etcd)
	s.api.start(t)
	s.waitReady(t)
	return s
}

// startEtcd runs the etcd until the end of the test.
func (s *Server) startEtcd(t testing.TB, etcd Etcd) {
	t.Helper()
	data := filepath.Join(s.dir, "etcd")
	if etcd == Old {
		newProcess(t, s.dir, "etcd", "etcd", "--data-dir", data, "--listen-client-urls", s.Etcd, "--advertise-client-urls", s.Etcd,
			"--listen-peer-urls", "http://127.0.0.1:0", "--log-level", "warn", "--logger", "zap").start(t)
		return
	}
	e, err := etcdstore.StartEmbedded(t.Context(), etcdstore.EmbeddedConfig{Dir: data, Listen: []string{s.Etcd}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.api.kill()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Kubeconfig writes a kubeconfig for a token and returns its path. server is the address that it names; empty means the API server's own.
func (s *Server) Kubeconfig(t testing.TB, server, token string) string {
	t.Helper()
	if server == "" {
		server = s.Address
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	writeFile(t, path, fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://%s", certificate-authority: %q}}]
users: [{name: test, user: {token: %s}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
`, server, s.CAFile, token))
	return path
}

// Stop kills the API server; its data stays. StartAgain undoes it.
func (s *Server) Stop() { s.api.kill() }

// StartAgain starts the API server after Stop and waits until it answers.
func (s *Server) StartAgain(t testing.TB) {
	t.Helper()
	s.api.start(t)
	s.waitReady(t)
}

// Do calls the API as the administrator and returns the answer's status and body.
func (s *Server) Do(ctx context.Context, method, path, body string) (int, string, error) {
	media := "application/yaml"
	if method == http.MethodPatch {
		media = "application/merge-patch+json"
	}
	return s.send(ctx, method, path, media, body)
}

// send is Do with a body of a media type.
func (s *Server) send(ctx context.Context, method, path, media, body string) (int, string, error) {
	ca, err := os.ReadFile(s.CAFile)
	if err != nil {
		return 0, "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "https://"+s.Address+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+AdminToken)
	req.Header.Set("Content-Type", media)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer), err
}

// Must is Do for what has to succeed.
func (s *Server) Must(t testing.TB, method, path, body string) string {
	t.Helper()
	code, answer, err := s.Do(t.Context(), method, path, body)
	if err != nil || code > 299 {
		t.Fatalf("%s %s: %d %v: %s", method, path, code, err, answer)
	}
	return answer
}

// waitReady waits until the server says that it is ready.
func (s *Server) waitReady(t testing.TB) {
	t.Helper()
	s.Eventually(t, "the API server to be ready", func() error {
		code, answer, err := s.Do(t.Context(), http.MethodGet, "/readyz", "")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, answer)
		}
		return err
	})
}

// Eventually asks until the answer is nil.
func (s *Server) Eventually(t testing.TB, what string, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(start)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || s.api.ended() {
			log, _ := os.ReadFile(s.api.log)
			t.Fatalf("no longer waiting for %s: %v\n%s", what, err, log[max(0, len(log)-4000):])
		}
		time.Sleep(50 * time.Millisecond) // between two questions
	}
}

// process is a program that tests stop and start again.
type process struct {
	path, log string
	args      []string
	cmd       *exec.Cmd
	done      chan struct{}
}

func newProcess(t testing.TB, dir, name, path string, args ...string) *process {
	p := &process{path: path, args: args, log: filepath.Join(dir, name+".log")}
	t.Cleanup(p.kill)
	return p
}

func (p *process) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(p.path, p.args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%v; Debian's etcd-server has etcd, tools/kube.sh builds the rest", err)
	}
	p.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) { _ = cmd.Wait(); close(done) }(p.cmd, p.done)
}

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
		p.cmd = nil
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// ServiceAccountKey makes the key that signs the tokens of service accounts.
func ServiceAccountKey(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
