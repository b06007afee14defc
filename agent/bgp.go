// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/internal/agentapi"
)

// learnRetry is the pause after the kernel refused learned routes, speakerRetry that after the speaker could not do all it was told: a
// port that another daemon holds, a source address that is not there yet.
const (
	learnRetry   = time.Second
	speakerRetry = 10 * time.Second
)

// runBGP brings the speaker to the newest wish and its routes into the kernel, until ctx ends. A speaker that cannot do all it was
// told is an alarm in the status and never stops the agent: policy goes on.
func (a *Agent) runBGP(ctx context.Context, wishes <-chan *desired.BGP) error {
	var want *desired.BGP
	var setAgain, learnAgain <-chan time.Time
	learned := &complaint{log: a.log, message: "learned routes are not all in the kernel, retrying"}
	spoken := &complaint{log: a.log, message: "BGP is not all it should be, retrying"}
	for {
		select {
		case <-ctx.Done():
			return nil
		case want = <-wishes:
			setAgain = a.speak(ctx, want, spoken)
		case <-setAgain:
			setAgain = a.speak(ctx, want, spoken)
		case <-a.speaker.Learned().Changed():
			learnAgain = a.learn(ctx, learned)
		case <-learnAgain:
			learnAgain = a.learn(ctx, learned)
		}
	}
}

// speak tells the speaker what it shall do and returns when to try again, nil if there is no need.
func (a *Agent) speak(ctx context.Context, want *desired.BGP, c *complaint) <-chan time.Time {
	err := a.speaker.Set(ctx, want)
	if ctx.Err() != nil || !c.about(err) {
		a.bgpError.Store("")
		return nil
	}
	a.bgpError.Store(err.Error())
	return time.After(speakerRetry)
}

// learn takes what the speaker heard into the kernel and returns when to try again, nil if there is no need.
func (a *Agent) learn(ctx context.Context, c *complaint) <-chan time.Time {
	update := a.speaker.Learned().Take()
	err := a.routes.Learn(ctx, update.NextHops(), update.Complete)
	if ctx.Err() != nil || !c.about(err) {
		return nil
	}
	return time.After(learnRetry)
}

// complaint logs an error that is tried again and again once, until it is another one or gone.
type complaint struct {
	log     *slog.Logger
	message string
	last    string
}

// about logs err if it is news, and says whether there is one.
func (c *complaint) about(err error) bool {
	if err == nil {
		if c.last != "" {
			c.log.Info("resolved: " + c.message)
		}
		c.last = ""
		return false
	}
	if text := err.Error(); text != c.last {
		c.last = text
		c.log.Error(c.message, "error", err)
	}
	return true
}

// peerTypes are the names that `calicoctl node status` made familiar.
var peerTypes = map[desired.PeerKind]string{
	desired.PeerMesh:   "node-to-node mesh",
	desired.PeerNode:   "node specific",
	desired.PeerGlobal: "global",
}

func (a *Agent) bgpReport() agentapi.BGPStatus {
	out := agentapi.BGPStatus{Peers: []agentapi.PeerStatus{}}
	out.Error, _ = a.bgpError.Load().(string)
	status, running := a.speaker.Status()
	if !running {
		return out
	}
	out.Running, out.AS, out.RouterID = true, status.AS, status.RouterID.String()
	for _, r := range a.routes.Routes() {
		if r.Learned && r.Programmed {
			out.Learned++
		}
	}
	for _, p := range status.Peers {
		state := string(p.State)
		if p.Restarting {
			state += " (restarting, routes kept)"
		}
		out.Peers = append(out.Peers, agentapi.PeerStatus{Name: p.Name, Address: p.Addr.String(), Type: peerTypes[p.Kind], AS: p.AS,
			State: state, Since: p.Since, Received: p.Received, Accepted: p.Accepted, Sent: p.Sent, Error: p.LastError})
	}
	return out
}
