// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ec2_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weftnet/weft/sys/ec2"
)

// exchange is a recorded request and what EC2 answers.
type exchange struct {
	Request string            // method and path
	Header  map[string]string // by name; a value that starts with ~ is what the header's must contain
	Form    map[string]string // of the body
	Status  int               // 0: 200
	Answer  string            // the body, or @ and the name of a file that holds it
}

// recording plays exchanges back in order, as metadata service and API at once.
type recording struct {
	t    *testing.T
	mu   sync.Mutex
	left []exchange
	urls string
}

func play(t *testing.T, name string) (*ec2.Client, *recording) {
	t.Helper()
	r := &recording{t: t}
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &r.left); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.urls = server.URL
	return ec2.New(ec2.Options{Metadata: server.URL, API: server.URL + "/api/", Getenv: func(string) string { return "" }}), r
}

func (r *recording) ServeHTTP(w http.ResponseWriter, got *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	request := got.Method + " " + got.URL.Path
	if len(r.left) == 0 || r.left[0].Request != request {
		r.t.Errorf("asked %s; left of the recording are %+v", request, r.left)
		http.Error(w, "not recorded", http.StatusTeapot)
		return
	}
	now := r.left[0]
	r.left = r.left[1:]
	for name, want := range now.Header {
		part, contains := strings.CutPrefix(want, "~")
		if have := got.Header.Get(name); contains && !strings.Contains(have, part) || !contains && have != want {
			r.t.Errorf("%s: header %s is %q; want %q", request, name, have, want)
		}
	}
	body, _ := io.ReadAll(got.Body)
	form, _ := url.ParseQuery(string(body))
	for name, want := range now.Form {
		if form.Get(name) != want {
			r.t.Errorf("%s: %s is %q; want %q", request, name, form.Get(name), want)
		}
	}
	if len(form) != len(now.Form) {
		r.t.Errorf("%s: the body is %v; want %v", request, form, now.Form)
	}
	if now.Status != 0 {
		w.WriteHeader(now.Status)
	}
	answer := []byte(now.Answer)
	if name, ok := strings.CutPrefix(now.Answer, "@"); ok {
		var err error
		if answer, err = os.ReadFile(filepath.Join("testdata", name)); err != nil {
			r.t.Error(err)
		}
	}
	_, _ = w.Write(answer)
}

func (r *recording) over() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.left) > 0 {
		r.t.Errorf("not asked: %+v", r.left)
	}
}

// TestSwitch: with the credentials of the instance's role the check is read, and switched off.
func TestSwitch(t *testing.T) {
	c, r := play(t, "switch.json")
	got, err := c.Check(t.Context())
	if want := (ec2.Interface{ID: "eni-0a1b2c3d4e5f60718", Check: true}); err != nil || got != want {
		t.Fatalf("check: %+v, %v; want %+v", got, err, want)
	}
	if err := c.Set(t.Context(), got.ID, false); err != nil {
		t.Error(err)
	}
	r.over()
}

// TestRefused: what stands in the way is named with what to do.
func TestRefused(t *testing.T) {
	for name, words := range map[string][]string{
		"no-role.json":    {"no credentials: give the instance an IAM role, or the agent AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"},
		"no-right.json":   {"EC2 DescribeNetworkInterfaces: the credentials lack the IAM permission ec2:DescribeNetworkInterfaces; add it to the policy of the instance's role"},
		"clock.json":      {"EC2 DescribeNetworkInterfaces: the credentials are not taken; check them, and the node's clock (RequestExpired: Request has expired.)"},
		"busy.json":       {"EC2 DescribeNetworkInterfaces: RequestLimitExceeded: Request limit exceeded."},
		"down.json":       {"EC2 DescribeNetworkInterfaces: 503 Service Unavailable"},
		"elsewhere.json":  {"instance metadata api/token: 403 Forbidden"},
		"stranger.json":   {"the instance identity document names no instance or no region"},
		"none.json":       {"EC2 knows 0 primary network interfaces of instance i-0123456789abcdef0; want one"},
		"nonsense.json":   {"EC2 DescribeNetworkInterfaces: answer: "},
		"no-json.json":    {"instance metadata dynamic/instance-identity/document: "},
		"empty-role.json": {"instance metadata meta-data/iam/security-credentials/weft: it has no key; look at the instance's role"},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := play(t, name)
			_, err := c.Check(t.Context())
			for _, word := range words {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%v; want %q", err, word)
				}
			}
			r.over()
		})
	}
	c, r := play(t, "no-switch.json")
	err := c.Set(t.Context(), "eni-1", true)
	if want := "lack the IAM permission ec2:ModifyNetworkInterfaceAttribute"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
	r.over()
}

// TestEnvironment: credentials of the environment go before those of the role, and what is not EC2 answers nothing.
func TestEnvironment(t *testing.T) {
	_, r := play(t, "environment.json")
	env := map[string]string{"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "session"}
	c := ec2.New(ec2.Options{Metadata: r.urls, API: r.urls + "/api/", Getenv: func(name string) string { return env[name] }})
	if got, err := c.Check(t.Context()); err != nil || got.Check {
		t.Errorf("%+v, %v", got, err)
	}
	r.over()
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	_, err := ec2.New(ec2.Options{Metadata: nobody.URL}).Check(t.Context())
	if want := "is this an EC2 instance, and may the agent use its metadata service?"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want %q", err, want)
	}
}

func TestHere(t *testing.T) {
	for vendor, want := range map[string]bool{"Amazon EC2\n": true, "QEMU\n": false, "": false} {
		file := filepath.Join(t.TempDir(), "sys_vendor")
		if vendor != "" {
			if err := os.WriteFile(file, []byte(vendor), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := ec2.New(ec2.Options{Vendor: file}).Here(); got != want {
			t.Errorf("%s: %v", fmt.Sprintf("%q", vendor), got)
		}
	}
}
