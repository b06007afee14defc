// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package kubestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/store"
)

// refusal is an answer of the API server other than success.
type refusal struct {
	metav1.Status
	after time.Duration // that the server asks to wait
}

func (r *refusal) Error() string { return r.Message }

// longestRefusal bounds what is read of a refusal that is no Status, as from a proxy in between.
const longestRefusal = 1 << 20

// statusOf reads the refusal in an answer.
func statusOf(resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestRefusal))
	if err != nil {
		return err
	}
	r := &refusal{}
	if json.Unmarshal(body, &r.Status) != nil || r.Kind != "Status" {
		r.Status = metav1.Status{Message: strings.TrimSpace(string(body))}
	}
	r.Code = int32(resp.StatusCode)
	if r.Message == "" {
		r.Message = resp.Status
	}
	if seconds, err := time.ParseDuration(resp.Header.Get("Retry-After") + "s"); err == nil {
		r.after = seconds
	}
	return r
}

// refused returns the refusal in err, nil if the server has not answered.
func refused(err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	return nil
}

// is tells whether err is the server's answer with an HTTP status.
func is(err error, code int) bool {
	r := refused(err)
	return r != nil && int(r.Code) == code
}

// expired tells whether the history that a watch or a listing builds on is no longer there.
func expired(err error) bool { return is(err, http.StatusGone) }

// declined tells whether the server said that it did not so much as look at the request.
func declined(err error) bool {
	return is(err, http.StatusTooManyRequests) || is(err, http.StatusServiceUnavailable)
}

// leastPause returns a pause that, spread as pauses are from its half on, is not shorter than the server asks for.
func leastPause(err error) time.Duration {
	if r := refused(err); r != nil {
		return 2 * r.after
	}
	return 0
}

// transient reports whether a failed try may be made again: no server was reached, the answer was lost, or the server was busy with itself.
func transient(err error) bool {
	r := refused(err)
	switch {
	case r == nil:
		return true
	case tooLarge(r):
		return false
	case r.Code == http.StatusTooManyRequests:
		return true
	}
	return r.Code >= http.StatusInternalServerError
}

func tooLarge(r *refusal) bool {
	return r.Code == http.StatusRequestEntityTooLarge || strings.Contains(r.Message, "etcdserver: request is too large")
}

// missing tells whether the server does not know the resource, as opposed to the object.
func missing(r *refusal) bool {
	return r.Code == http.StatusNotFound && (r.Details == nil || r.Details.Name == "")
}

// explain turns the error of a call into one that says what to do.
func (s *Store) explain(ctx context.Context, r request, err error) error {
	if gone := s.life.Over(ctx); gone != nil {
		return gone
	}
	a := refused(err)
	switch {
	case a == nil || transient(err):
		return fmt.Errorf("%w: no usable answer from the Kubernetes API at %s (%w); check that it runs and that this host reaches it", store.ErrUnavailable, s.base.Host, err)
	case tooLarge(a):
		return fmt.Errorf("the object is larger than the Kubernetes API takes (1.5 MiB by default): %w", err)
	case a.Code == http.StatusUnauthorized:
		return fmt.Errorf("the Kubernetes API at %s does not know this identity (%w); check the token or certificate, and that it has not run out", s.base.Host, err)
	case a.Code == http.StatusForbidden:
		return fmt.Errorf("RBAC of the Kubernetes API at %s: allow %q on %s in group %q: %w", s.base.Host, r.verb, r.form.plural, r.form.group(), err)
	case missing(a):
		return fmt.Errorf("the Kubernetes API at %s has no resource %s in %s; apply its CustomResourceDefinition: %w", s.base.Host, r.form.plural, r.form.version, errAbsent)
	case a.Code == http.StatusNotFound:
		return store.ErrNotFound
	case a.Code == http.StatusConflict && a.Reason == metav1.StatusReasonAlreadyExists:
		return store.ErrExists
	case a.Code == http.StatusConflict:
		return fmt.Errorf("%w", store.ErrConflict)
	case a.Code == http.StatusBadRequest && strings.Contains(a.Message, "unknown field") && r.form.group() == v3Group:
		return fmt.Errorf("the CustomResourceDefinition of %s in the cluster is older than this weft; apply the one that belongs to it: %w", r.form.plural, err)
	}
	return fmt.Errorf("the Kubernetes API at %s: %w", s.base.Host, err)
}

// errAbsent says that the server does not have a resource.
var errAbsent = errors.New("the resource is not there")

var v3Group, _, _ = strings.Cut(v3.APIVersion, "/")
