// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/netip"

	"github.com/weftnet/weft/dataplane"
	"github.com/weftnet/weft/desired"
	"github.com/weftnet/weft/policy/rule"
	"github.com/weftnet/weft/sys/nft"
)

// ledger knows what the kernel was given and who needs it: chains and constant sets exist as long as something refers to them. Changes are
// put in, then plan says what the kernel must be told. After an error the ledger is of no use: make a new one from the view.
type ledger struct {
	view      desired.View
	sets      map[rule.SetID]*ipset
	endpoints map[desired.EndpointID]*endpoint
	ifaces    map[string]desired.EndpointID
	chains    map[string]*chain
	consts    map[string]*konst
	policyUse index[rule.PolicyID]
	setUse    index[rule.SetID]
	traits    map[rule.PolicyID]traits
	peers     map[string]*peerIndex // by the name of the indexed tier's chain
	peerUse   index[rule.SetID]     // indexed tiers' chains that a set's members decide about
	frame     map[string]framed     // the chains that are always there
	indexFrom int

	// The plan in the making: what is known of it, the chains to write, and names to look at before it is done: chains to render, chains that
	// may have lost their last reference, constant sets.
	next        *plan
	writes      map[string]chainWrite
	dirty       map[string]struct{}
	idle        map[string]struct{}
	dirtyConsts map[string]struct{}
	reindexed   map[string]struct{}
	touched     map[string]map[netip.Addr]struct{} // peers by the name of the indexed tier's chain
}

// traits are what chains that jump to a policy must know of it, by direction.
type traits struct {
	pass, empty [2]bool
	keys        [2]string // see keySets; empty: none
}

func traitsOf(p *desired.Policy) traits {
	var t traits
	for dir := range t.pass {
		t.pass[dir] = canPass(p, rule.Direction(dir))
		t.empty[dir] = len(p.Rules[dir]) == 0
		if sets, ok := keySets(p, rule.Direction(dir)); ok {
			t.keys[dir] = fmt.Sprint(sets)
		}
	}
	return t
}

// index says which chains depend on something.
type index[K comparable] map[K]map[string]struct{}

func (x index[K]) put(k K, name string) {
	if x[k] == nil {
		x[k] = map[string]struct{}{}
	}
	x[k][name] = struct{}{}
}

func (x index[K]) drop(k K, name string) {
	delete(x[k], name)
	if len(x[k]) == 0 {
		delete(x, k)
	}
}

// chain is a chain that exists or shall exist.
type chain struct {
	spec       chainSpec
	refs       int
	rendered   bool // refs, sum and the rest are those of a rendering
	programmed bool // it is in the kernel
	sum        [sha256.Size]byte
	jumps      []string
	sets       []rule.SetID
	consts     []string
}

// konst is a constant set that exists or shall exist.
type konst struct {
	*constSet
	refs       int
	programmed bool
	tag        unit
}

// endpoint is what was made of an endpoint.
type endpoint struct {
	e      *desired.Endpoint
	chains [2][2]string // by family and direction, empty: none
}

// framed is a chain of the frame as it was written.
type framed struct {
	sum    [sha256.Size]byte
	consts []string
}

// newLedger starts with the frame.
func newLedger(view desired.View, o Options) *ledger {
	l := &ledger{
		view: view, sets: map[rule.SetID]*ipset{}, endpoints: map[desired.EndpointID]*endpoint{}, ifaces: map[string]desired.EndpointID{},
		chains: map[string]*chain{}, consts: map[string]*konst{}, policyUse: index[rule.PolicyID]{}, setUse: index[rule.SetID]{},
		traits: map[rule.PolicyID]traits{}, peers: map[string]*peerIndex{}, peerUse: index[rule.SetID]{}, indexFrom: cmp.Or(o.indexFrom, indexFrom),
	}
	l.begin(view)
	l.putFrame()
	for _, f := range families {
		for _, s := range []*nft.Set{dispatchMap(false, f), dispatchMap(true, f), sourceSet(f), sourceNetSet(f)} {
			l.next.addSets = append(l.next.addSets, setAdd{set: s})
		}
	}
	return l
}

// begin starts a plan.
func (l *ledger) begin(view desired.View) {
	l.view, l.next, l.writes = view, &plan{}, map[string]chainWrite{}
	l.dirty, l.idle, l.dirtyConsts = map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	l.reindexed, l.touched = map[string]struct{}{}, map[string]map[netip.Addr]struct{}{}
}

// putFrame brings the frame to the settings.
func (l *ledger) putFrame() {
	old := l.frame
	l.frame = map[string]framed{}
	for _, c := range frame(l.view.Settings()) {
		now := framed{sum: sumOf(c.rules)}
		for _, k := range constsOf(c.rules) {
			l.holdConst(k, unit{})
			now.consts = append(now.consts, k.set.Name)
		}
		if was, ok := old[c.chain.Name]; !ok || was.sum != now.sum {
			l.writes[c.chain.Name] = chainWrite{chain: c.chain, fresh: !ok, rules: c.rules}
		}
		l.frame[c.chain.Name] = now
	}
	for name, was := range old {
		for _, k := range was.consts {
			l.releaseConst(k)
		}
		if _, ok := l.frame[name]; !ok {
			l.next.dropChains = append(l.next.dropChains, name)
		}
	}
}

// putSet takes in a change of an IP set. A set whose shape changes makes the chains that use it dirty.
func (l *ledger) putSet(c *desired.IPSetChange) error {
	s, ok := l.sets[c.ID]
	if ok == c.Created {
		return fmt.Errorf("%v: created twice, or changed before it was created", setUnit(c.ID))
	}
	if !ok {
		s = &ipset{kind: c.Kind}
		l.sets[c.ID] = s
	}
	before := s.shape()
	changes, err := s.change(c)
	if err != nil {
		return fmt.Errorf("%v: %w", setUnit(c.ID), err)
	}
	l.touch(c)
	l.reshape(c.ID, c.Created, before, s.shape())
	l.next.keys = append(l.next.keys, l.relevant(c.ID, changes)...)
	return nil
}

// reshape creates and drops kernel sets as the shape asks.
func (l *ledger) reshape(id rule.SetID, created bool, before, after shape) {
	old := map[string]bool{}
	if !created {
		for _, s := range kernelSets(id, before) {
			old[s.Name] = true
		}
	}
	for _, s := range kernelSets(id, after) {
		if !old[s.Name] {
			l.next.addSets = append(l.next.addSets, setAdd{s, setUnit(id)})
		}
		delete(old, s.Name)
	}
	for name := range old {
		l.next.dropSets = append(l.next.dropSets, name)
	}
	if before != after {
		for name := range l.setUse[id] {
			l.dirty[name] = struct{}{}
		}
	}
}

// relevant leaves out changes of kernel sets that are dropped, and empty ones.
func (l *ledger) relevant(id rule.SetID, changes []keyChange) []keyChange {
	var out []keyChange
	for _, s := range kernelSets(id, l.sets[id].shape()) {
		for _, c := range changes {
			if c.set.Name == s.Name && len(c.add)+len(c.del) > 0 {
				out = append(out, c)
			}
		}
	}
	return out
}

// dropSet takes an IP set away.
func (l *ledger) dropSet(id rule.SetID) error {
	s, ok := l.sets[id]
	if !ok {
		return fmt.Errorf("%v: removed and not there", setUnit(id))
	}
	for _, k := range kernelSets(id, s.shape()) {
		l.next.dropSets = append(l.next.dropSets, k.Name)
	}
	delete(l.sets, id)
	return nil
}

// putPolicy takes in a new, changed or removed policy: its chains and those that contain its rules become dirty; those that only jump to it
// when their jump is concerned.
func (l *ledger) putPolicy(id rule.PolicyID) {
	old := l.traits[id]
	now := old
	if p, ok := l.view.Policy(id); ok {
		now = traitsOf(p)
		l.traits[id] = now
	} else {
		delete(l.traits, id)
	}
	for name := range l.policyUse[id] {
		if s := l.chains[name].spec; s.isPolicy || old != now || now.pass[s.dir] {
			l.dirty[name] = struct{}{}
		}
	}
}

// putEndpoint takes in a new or changed endpoint.
func (l *ledger) putEndpoint(e *desired.Endpoint) error {
	if err := dataplane.CheckEndpoint(e); err != nil {
		return err
	}
	if other, taken := l.ifaces[e.Interface]; taken && other != e.ID {
		return dataplane.SharedInterfaceError(e.Interface, other)
	}
	now := &endpoint{e: e}
	for i, f := range families {
		if !hasFamily(e, f) {
			continue
		}
		for dir := range now.chains[i] {
			spec := endpointSpec(e, rule.Direction(dir), f)
			now.chains[i][dir] = spec.name
			l.hold(spec)
		}
	}
	old := l.endpoints[e.ID]
	l.exchange(old, now)
	l.endpoints[e.ID] = now
	l.ifaces[e.Interface] = e.ID
	return nil
}

// dropEndpoint takes an endpoint away. One that is not there was refused before.
func (l *ledger) dropEndpoint(id desired.EndpointID) {
	if old := l.endpoints[id]; old != nil {
		l.exchange(old, nil)
		delete(l.endpoints, id)
	}
}

// exchange plans the change from one version of an endpoint to the next; either may be nil.
func (l *ledger) exchange(old, now *endpoint) {
	if old != nil && now != nil && old.e.Interface != now.e.Interface {
		l.exchange(old, nil)
		old = nil
	}
	var was, is endpoint
	if old != nil {
		was = *old
	}
	if now != nil {
		is = *now
	}
	l.dispatch(was, is)
	l.sources(was, is)
	if old == nil {
		return
	}
	if now == nil && l.ifaces[old.e.Interface] == old.e.ID {
		delete(l.ifaces, old.e.Interface)
	}
	for i := range families {
		for _, name := range old.chains[i] {
			l.release(name)
		}
	}
}

// dispatch plans the change of the interface's verdicts. They jump: should a chain return, which it must not, the packet is dropped behind.
func (l *ledger) dispatch(was, is endpoint) {
	for i, f := range families {
		for dir := range is.chains[i] {
			old, now := was.chains[i][dir], is.chains[i][dir]
			if old == now {
				continue
			}
			e := cmpOr(is.e, was.e)
			l.next.verdicts = append(l.next.verdicts, verdictChange{
				set: dispatchOf(dir, f), key: ifname(e.Interface),
				old: verdictTo(nft.VerdictJump, old), now: verdictTo(nft.VerdictJump, now), tag: ofEndpoint(e.ID),
			})
		}
	}
}

func cmpOr(a, b *desired.Endpoint) *desired.Endpoint {
	if a != nil {
		return a
	}
	return b
}

// verdictTo leads to a chain; nil if there is none.
func verdictTo(code nft.VerdictCode, chain string) *nft.Verdict {
	if chain == "" {
		return nil
	}
	return &nft.Verdict{Code: code, Chain: chain}
}

// sources plans the change of the source addresses that are allowed.
func (l *ledger) sources(was, is endpoint) {
	e := cmpOr(is.e, was.e)
	for _, f := range families {
		hostsOld, netsOld := sourceKeys(was.e, f)
		hostsNow, netsNow := sourceKeys(is.e, f)
		l.sourceChange(sourceSet(f), hostsOld, hostsNow, ofEndpoint(e.ID))
		l.sourceChange(sourceNetSet(f), netsOld, netsNow, ofEndpoint(e.ID))
	}
}

func (l *ledger) sourceChange(set *nft.Set, old, now map[string]struct{}, tag unit) {
	c := keyChange{set: set, tag: tag}
	for k := range now {
		if _, ok := old[k]; !ok {
			c.add = append(c.add, k...)
		}
	}
	for k := range old {
		if _, ok := now[k]; !ok {
			c.del = append(c.del, k...)
		}
	}
	if len(c.add)+len(c.del) > 0 {
		l.next.keys = append(l.next.keys, c)
	}
}

// sourceKeys are the packed keys of an endpoint's source addresses and prefixes.
func sourceKeys(e *desired.Endpoint, f *family) (hosts, nets map[string]struct{}) {
	hosts, nets = map[string]struct{}{}, map[string]struct{}{}
	if e == nil {
		return hosts, nets
	}
	name := ifname(e.Interface)
	key := func(addr []byte) string { return string(name) + string(addr) }
	for _, a := range e.Addrs {
		if familyOf(a) == f {
			hosts[key(a.AsSlice())] = struct{}{}
		}
	}
	for _, p := range outermost(ofFamily(e.SpoofPrefixes, f)) {
		if p.IsSingleIP() {
			hosts[key(p.Addr().AsSlice())] = struct{}{}
			continue
		}
		nets[key(p.Addr().AsSlice())+key(lastAddr(p))] = struct{}{}
	}
	return hosts, nets
}

func hasFamily(e *desired.Endpoint, f *family) bool {
	for _, a := range e.Addrs {
		if familyOf(a) == f {
			return true
		}
	}
	return len(ofFamily(e.SpoofPrefixes, f)) > 0
}
