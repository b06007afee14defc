// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/weftnet/weft/calc"
	"github.com/weftnet/weft/internal/agentapi"
	"github.com/weftnet/weft/sys/ec2"
)

// cloud is EC2, as far as the agent needs it: an ec2.Client.
type cloud interface {
	// Here tells whether this machine is one of the cloud's, without asking anybody.
	Here() bool
	Check(context.Context) (ec2.Interface, error)
	Set(ctx context.Context, id string, check bool) error
}

// sourceCheck keeps the cloud's check of this node's source and destination addresses as wanted, beside everything else: nothing waits for it.
type sourceCheck struct {
	cloud  cloud
	log    *slog.Logger
	wishes chan calc.SourceCheck

	mu     sync.Mutex
	by     string                      // the object that states the wish
	status *agentapi.SourceCheckStatus // nil: there is no such check here
}

func newSourceCheck(c cloud, log *slog.Logger) *sourceCheck {
	return &sourceCheck{cloud: c, log: log, wishes: make(chan calc.SourceCheck, 1)}
}

// wish says what is wanted. It never blocks.
func (s *sourceCheck) wish(w calc.SourceCheck) { replace(s.wishes, w) }

// Pauses of sourceCheck: after a failure, doubling, and while all is as wanted.
const (
	cloudRetry     = 5 * time.Second
	cloudRetryMost = 5 * time.Minute
	cloudLookAgain = 30 * time.Minute
)

// run keeps the check until ctx ends.
func (s *sourceCheck) run(ctx context.Context) {
	var wish calc.SourceCheck
	var again <-chan time.Time
	pause := time.Duration(0) // 0: the last look was good
	complain := &complaint{log: s.log, message: "the cloud's source/destination check is not as awsSrcDstCheck wants it, retrying"}
	for {
		select {
		case wish = <-s.wishes:
			pause = 0
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		if wish.Wanted == "DoNothing" && !s.cloud.Here() {
			s.tell(nil, "")
			continue
		}
		status, err := s.settle(ctx, wish.Wanted)
		if ctx.Err() != nil {
			return
		}
		if wish.Wanted != "DoNothing" {
			complain.about(err)
		}
		if err == nil {
			again, pause = time.After(cloudLookAgain), 0
		} else {
			pause = min(max(2*pause, cloudRetry), cloudRetryMost)
			again = time.After(pause)
			status.Error, status.Retry = err.Error(), time.Now().Add(pause)
		}
		s.tell(&status, wish.By.String())
	}
}

// settle looks at the check and switches it where it is to be switched.
func (s *sourceCheck) settle(ctx context.Context, wanted string) (agentapi.SourceCheckStatus, error) {
	status := agentapi.SourceCheckStatus{Wanted: wanted, State: "unknown"}
	now, err := s.cloud.Check(ctx)
	if err != nil {
		return status, err
	}
	status.Interface, status.State = now.ID, onOff(now.Check)
	if on := wanted == "Enable"; wanted != "DoNothing" && on != now.Check {
		if err := s.cloud.Set(ctx, now.ID, on); err != nil {
			return status, fmt.Errorf("%s: %w", now.ID, err)
		}
		s.log.Info("switched the cloud's source/destination check", "interface", now.ID, "to", onOff(on))
		status.State = onOff(on)
	}
	return status, nil
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (s *sourceCheck) tell(status *agentapi.SourceCheckStatus, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.by = status, by
}

// report tells people. A wish that is not fulfilled is a problem of the object that states it.
func (s *sourceCheck) report(to *agentapi.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.SourceCheck = s.status
	if s.status != nil && s.status.Error != "" && s.status.Wanted != "DoNothing" {
		to.Problems = append(to.Problems, agentapi.Problem{Object: s.by, Field: "spec.awsSrcDstCheck", Reason: s.status.Error})
	}
}
