// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/store"
)

// connectTimeout bounds the attempt to connect to one API server while there are others to try.
const connectTimeout = 2 * time.Second

// servers connects to whichever API server is there. Requests and certificates go on naming the one that is configured: API servers of a cluster have
// certificates that hold for all its addresses, the virtual one of their Service included.
type servers struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	named string   // host:port that requests name
	also  []string // others that are configured
	file  string   // where learned ones are kept; "" nowhere
	log   *slog.Logger

	mu      sync.Mutex
	learned map[string][]string // by EndpointSlice
	good    string              // the last that could be connected to
}

// newServers reads what an earlier process has learned.
func newServers(base *url.URL, also []string, file string, log *slog.Logger) (*servers, error) {
	s := &servers{dial: (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext, named: hostPort(base), file: file, log: log, learned: map[string][]string{}}
	for _, text := range also {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != base.Scheme {
			return nil, fmt.Errorf("kubernetes API server %q: write %s://host:port, as the first one", text, base.Scheme)
		}
		s.also = append(s.also, hostPort(u))
	}
	if file == "" {
		return s, nil
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("known API servers: %w", err)
	}
	s.learned[""] = slices.DeleteFunc(strings.Fields(string(data)), func(text string) bool {
		_, _, err := net.SplitHostPort(text)
		return err != nil // damaged: the rest may do
	})
	return s, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// DialContext connects to the address that a request names, or to another API server in its place.
func (s *servers) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address != s.named {
		return s.dial(ctx, network, address) // a proxy
	}
	var errs []error
	for _, candidate := range s.candidates() {
		conn, err := s.connect(ctx, network, candidate)
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.good = candidate
			return conn, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (s *servers) connect(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return s.dial(ctx, network, address)
}

// candidates returns all API servers, the most promising first.
func (s *servers) candidates() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append([]string{s.named}, s.also...)
	all = append(all, s.known()...)
	if s.good != "" && slices.Contains(all, s.good) {
		all = append([]string{s.good}, all...)
	}
	var out []string
	for _, address := range all {
		if !slices.Contains(out, address) {
			out = append(out, address)
		}
	}
	return out
}

// known returns what was learned, sorted; mu is held.
func (s *servers) known() []string {
	var out []string
	for _, list := range s.learned {
		out = append(out, list...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// learn takes the addresses out of the EndpointSlices of the Service default/kubernetes, and keeps them for the next start. The last ones are never
// forgotten: without them nothing better could be learned.
func (s *servers) learn(events []store.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.known()
	for _, e := range events {
		if e.Key.Resource != api.EndpointSlices || e.Key.Namespace != "default" {
			continue
		}
		addresses := apiServersIn(e.Object)
		if _, was := s.learned[e.Key.Name]; !was && len(addresses) == 0 {
			continue
		}
		s.learned[e.Key.Name] = addresses
		delete(s.learned, "") // what an earlier process knew
		if len(s.known()) == 0 {
			s.learned[""] = before
		}
	}
	if now := s.known(); !slices.Equal(now, before) && s.file != "" {
		if err := s.keep(now); err != nil {
			s.log.Warn("addresses of API servers are not kept for the next start", "error", err)
		}
	}
}

// apiServersIn returns the host:port of each endpoint of the API servers' Service; nil for another object.
func apiServersIn(obj api.Object) (out []string) {
	slice, ok := obj.(*discoveryv1.EndpointSlice)
	if !ok || slice.Labels[discoveryv1.LabelServiceName] != "kubernetes" {
		return nil
	}
	for _, port := range slice.Ports {
		if port.Port == nil || port.Name != nil && *port.Name != "https" {
			continue
		}
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				for _, address := range e.Addresses {
					out = append(out, net.JoinHostPort(address, strconv.Itoa(int(*port.Port))))
				}
			}
		}
	}
	return out
}

// keep writes the file so that a crash leaves the old one or the new one.
func (s *servers) keep(list []string) error {
	temp := s.file + ".new"
	if err := os.WriteFile(temp, []byte(strings.Join(list, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, s.file)
}
