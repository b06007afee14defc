// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package driver chooses the data plane driver of a node and exchanges it while traffic flows: make a Switch and Apply to it as to a driver.
//
// The settings in the view say which driver is wanted. A new one is programmed completely, and has read that back, before the old
// one is removed: in between a packet has to pass both, so nothing is open that either of them keeps closed, and connection tracking
// never pauses. A driver that is not usable, or fails, leaves the old one in force. A crash leaves both: at the start the wanted driver is
// completed, and then what others have left behind is removed.
package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
)

// Driver is a data plane driver that can be closed: what it has programmed stays.
type Driver interface {
	dataplane.Driver
	Close() error
}

// Kind is a driver that can be had.
type Kind struct {
	Name string
	Open func() (Driver, error)
	// Family names kinds that share what they have in the kernel: each removes what the others have left behind when it is complete, so
	// that none of them may be removed while another one is in use. Empty: the kind stands alone.
	Family string
}

// Switch is a driver that turns into the one that the settings ask for. One caller at a time.
type Switch struct {
	kinds   []Kind
	flavour func() (kind, reason string)
	log     *slog.Logger

	wanted   string // what decision was made for
	decision Decision
	current  *opened // nil before the first Apply
	failed   map[desired.EndpointID]error
	refused  map[dataplane.Setting]error
	// leftovers are kinds that may still have something in the kernel.
	leftovers []string
}

// opened is a driver in use.
type opened struct {
	Driver
	name string
}

// New returns a switch that has no driver yet. flavour is that of Facts.
func New(kinds []Kind, flavour func() (kind, reason string), log *slog.Logger) *Switch {
	s := &Switch{kinds: kinds, flavour: flavour, log: log}
	for _, k := range kinds {
		s.leftovers = append(s.leftovers, k.Name)
	}
	return s
}

// Decision returns which driver is in use and why.
func (s *Switch) Decision() Decision { return s.decision }

// Events is that of the driver in use; nil before the first Apply.
func (s *Switch) Events() <-chan struct{} {
	if s.current == nil {
		return nil
	}
	return s.current.Events()
}

// Hits is that of the driver in use; there are none before the first Apply.
func (s *Switch) Hits() (map[rule.ID]uint64, error) {
	if s.current == nil {
		return map[rule.ID]uint64{}, nil
	}
	return s.current.Hits()
}

// Close closes the driver in use. What is programmed stays.
func (s *Switch) Close() error {
	if s.current == nil {
		return nil
	}
	return s.current.Close()
}

// Apply brings the kernel to view by the driver that its settings ask for. An error may be about what an earlier driver has left behind: it
// stands in the way of new workloads, and goes away with a later Apply.
func (s *Switch) Apply(ctx context.Context, view desired.View, delta *desired.Delta) (dataplane.Report, error) {
	if err := s.decide(ctx, view.Settings().Driver, delta == nil); err != nil {
		return dataplane.Report{}, err
	}
	var report dataplane.Report
	var err error
	switch {
	case s.current == nil:
		report, err = s.start(ctx, view)
	case s.current.name != s.decision.Driver:
		report, err = s.exchange(ctx, view)
	default:
		report, err = s.current.Apply(ctx, view, delta)
	}
	if err != nil {
		return report, err
	}
	s.failed, s.refused = report.Failed, report.Settings
	return report, s.clean(ctx)
}

// decide chooses anew when the wish has changed, or again when it was not met and there is time.
func (s *Switch) decide(ctx context.Context, wanted string, again bool) error {
	if s.decision.Driver != "" && wanted == s.wanted && (s.decision.Unmet == "" || !again) {
		return nil
	}
	facts := Facts{Wanted: wanted, Flavour: s.flavour, Probe: func(name string) error { return s.probe(ctx, name) }}
	if s.current != nil {
		facts.Current = s.current.name
	}
	d := Choose(facts)
	if err := errors.Join(ctx.Err(), d.err()); err != nil {
		return err
	}
	if d.Unmet != s.decision.Unmet && d.Unmet != "" {
		s.log.Warn("data plane: not the wanted driver", "driver", d.Driver, "reason", d.Unmet)
	}
	s.wanted, s.decision = wanted, d
	return nil
}

// probe returns what is against a driver.
func (s *Switch) probe(ctx context.Context, name string) error {
	if s.current != nil && s.current.name == name {
		return nil
	}
	d, err := s.open(name)
	if err != nil {
		return err
	}
	caps, err := d.Probe(ctx)
	if err == nil && !caps.Usable {
		err = errors.New(strings.Join(caps.Reasons, ", "))
	}
	return errors.Join(err, d.Close())
}

// index finds a kind, -1 if there is none of the name.
func (s *Switch) index(name string) int {
	return slices.IndexFunc(s.kinds, func(k Kind) bool { return k.Name == name })
}

func (s *Switch) family(name string) string { return s.kinds[s.index(name)].Family }

func (s *Switch) open(name string) (*opened, error) {
	i := s.index(name)
	if i < 0 {
		return nil, fmt.Errorf("there is no driver %q", name)
	}
	d, err := s.kinds[i].Open()
	if err != nil {
		return nil, err
	}
	return &opened{d, name}, nil
}

// start opens the first driver. If it fails it is tried again, as there is no other.
func (s *Switch) start(ctx context.Context, view desired.View) (dataplane.Report, error) {
	d, err := s.open(s.decision.Driver)
	if err != nil {
		s.decision = Decision{} // chosen anew the next time
		return dataplane.Report{}, err
	}
	s.current = d
	s.log.Info("data plane chosen", "driver", d.name, "reason", s.decision.Reason)
	return d.Apply(ctx, view, nil)
}

// exchange programs the new driver and leaves the old one to clean. Where that fails, the old one stays, follows view, and removes what the
// new one of its family has left.
func (s *Switch) exchange(ctx context.Context, view desired.View) (dataplane.Report, error) {
	next, report, err := s.complete(ctx, view)
	if err != nil {
		s.stay(err)
		return s.current.Apply(ctx, view, nil)
	}
	s.log.Info("data plane exchanged", "from", s.current.name, "to", next.name, "reason", s.decision.Reason)
	s.leftovers = append(s.leftovers, s.current.name)
	closed := s.current.Close()
	s.current = next
	return report, closed
}

// complete opens the chosen driver and programs all of view. What could not be completed is removed.
func (s *Switch) complete(ctx context.Context, view desired.View) (*opened, dataplane.Report, error) {
	next, err := s.open(s.decision.Driver)
	if err != nil {
		return nil, dataplane.Report{}, err
	}
	report, err := next.Apply(ctx, view, nil)
	for id, why := range report.Failed {
		if s.failed[id] == nil {
			err = errors.Join(err, fmt.Errorf("endpoint %s: %w", id, why))
		}
	}
	for part, why := range report.Settings {
		if s.refused[part] == nil {
			err = errors.Join(err, fmt.Errorf("setting %v: %w", part, why))
		}
	}
	if err != nil {
		s.leftovers = append(s.leftovers, next.name)
		return nil, dataplane.Report{}, errors.Join(err, next.Close())
	}
	return next, report, nil
}

// stay keeps the driver in use because of what is against the chosen one.
func (s *Switch) stay(why error) {
	s.log.Error("data plane not exchanged", "driver", s.current.name, "wanted", s.decision.Driver, "error", why)
	rejected := s.decision.Driver + ": " + why.Error()
	s.decision = Decision{
		Driver: s.current.name, Reason: "in use already; the wanted driver could not be programmed",
		Rejected: append(s.decision.Rejected, rejected), Unmet: rejected,
	}
}

// clean removes what drivers out of use have in the kernel.
func (s *Switch) clean(ctx context.Context) error {
	var errs []error
	left := s.leftovers[:0:0]
	for _, name := range s.leftovers {
		if name == s.current.name || s.family(name) != "" && s.family(name) == s.family(s.current.name) {
			continue
		}
		if err := s.remove(ctx, name); err != nil {
			errs = append(errs, fmt.Errorf("removing what driver %s has left behind: %w", name, err))
			left = append(left, name)
		}
	}
	s.leftovers = left
	return errors.Join(errs...)
}

// remove takes everything of a driver out of the kernel. One that cannot work here has nothing there.
func (s *Switch) remove(ctx context.Context, name string) error {
	d, err := s.kinds[s.index(name)].Open()
	if err != nil {
		s.log.Debug("data plane driver is not there", "driver", name, "error", err)
		return nil
	}
	err = d.Remove(ctx)
	if caps, probed := d.Probe(ctx); err != nil && probed == nil && !caps.Usable {
		err = nil
	}
	return errors.Join(err, d.Close())
}
