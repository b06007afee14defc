// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weftnet/weft/api"
	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/sys/ec2"
)

// nowhere is no cloud.
type nowhere struct{}

func (nowhere) Here() bool { return false }
func (nowhere) Check(context.Context) (ec2.Interface, error) {
	return ec2.Interface{}, errors.New("no cloud")
}
func (nowhere) Set(context.Context, string, bool) error { return errors.New("no cloud") }

// fakeCloud is one with a single check.
type fakeCloud struct {
	elsewhere bool
	on        bool
	err       error // of every call
	asked     int
}

func (c *fakeCloud) Here() bool { return !c.elsewhere }

func (c *fakeCloud) Check(context.Context) (ec2.Interface, error) {
	c.asked++
	return ec2.Interface{ID: "eni-1", Check: c.on}, c.err
}

func (c *fakeCloud) Set(_ context.Context, _ string, check bool) error {
	c.on = check
	return c.err
}

// TestSourceCheck: the check follows the wish, failures are told and tried again ever later, and what somebody else has switched is switched back. Where there
// is no such cloud nobody is asked unless the configuration says so.
func TestSourceCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCloud{on: true, elsewhere: true}
		s := newSourceCheck(c, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		defer func() { cancel(); synctest.Wait() }()
		go s.run(ctx)
		by := api.Key{Resource: api.FelixConfigurations, Name: "default"}
		wish := func(wanted string) { s.wish(calc.SourceCheck{Wanted: wanted, By: by}); synctest.Wait() }
		expect := func(when, state, why string, problems int, asked int) {
			t.Helper()
			var got agentapi.Status
			s.report(&got)
			if got.SourceCheck == nil && state == "" && c.asked == asked {
				return
			}
			if got.SourceCheck == nil || got.SourceCheck.State != state || got.SourceCheck.Error != why || len(got.Problems) != problems || c.asked != asked {
				t.Errorf("%s: %+v, problems %+v, asked %d times; want %s, %q, %d problems, %d", when, got.SourceCheck, got.Problems, c.asked, state, why, problems, asked)
			}
		}
		wish("DoNothing")
		expect("elsewhere", "", "", 0, 0)
		c.elsewhere = false
		wish("DoNothing")
		expect("here, nothing wished", "on", "", 0, 1)
		wish("Disable")
		expect("switched off", "off", "", 0, 2)
		c.on = true // somebody else
		time.Sleep(cloudLookAgain)
		synctest.Wait()
		expect("switched back", "off", "", 0, 3)
		c.err = errors.New("no permission")
		wish("Enable")
		expect("refused", "unknown", "no permission", 1, 4)
		var got agentapi.Status
		s.report(&got)
		if p := got.Problems[0]; p.Object != by.String() || p.Field != "spec.awsSrcDstCheck" || time.Until(got.SourceCheck.Retry) != cloudRetry {
			t.Errorf("the problem is %+v, the retry at %v", p, got.SourceCheck.Retry)
		}
		for pause, asked := cloudRetry, 5; asked < 8; pause, asked = 2*pause, asked+1 {
			time.Sleep(pause)
			synctest.Wait()
			expect("tried again", "unknown", "no permission", 1, asked)
		}
		c.err = nil
		time.Sleep(8 * cloudRetry)
		synctest.Wait()
		expect("allowed", "on", "", 0, 8)
		c.err = errors.New("no permission")
		wish("DoNothing")
		expect("not known, and nothing wished", "unknown", "no permission", 0, 9)
	})
}
