// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weftnet/weft/store/etcdstore"
)

// The processes and their allocators.
const (
	processes  = 8
	allocators = 8
	kills      = 12
	loadTime   = 5 * time.Second
)

func TestMain(m *testing.M) {
	if id := os.Getenv("WEFT_IPAM_CHILD"); id != "" {
		if err := child(id, os.Getenv("WEFT_IPAM_NODE"), os.Getenv("WEFT_IPAM_ETCD")); err != nil {
			fmt.Fprintln(os.Stderr, id, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child assigns and releases until its standard input ends. It reports on file descriptor 3: "+ time handle addresses" after it got
// them, "- time handle" before it releases them.
func child(id, node, endpoint string) error {
	s, err := etcdstore.New(etcdstore.Config{Endpoints: []string{endpoint}})
	if err != nil {
		return err
	}
	a := New(s, Options{Node: node, SpareHandles: os.Getenv("WEFT_IPAM_SPARE") != ""})
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	report := os.NewFile(3, "report")
	errs := make([]error, allocators)
	var all sync.WaitGroup
	for i := range allocators {
		all.Go(func() { errs[i] = allocate(ctx, a, report, fmt.Sprintf("%s.%d", id, i)) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// allocate holds up to three handles at a time. When asked to stop it leaves what it has.
func allocate(ctx context.Context, a *Allocator, report io.Writer, prefix string) error {
	var held []string
	for n := 0; ctx.Err() == nil; n++ {
		if len(held) == 3 || len(held) > 0 && rand.IntN(2) == 0 {
			handle := held[0]
			held = held[1:]
			fmt.Fprintf(report, "- %d %s\n", time.Now().UnixNano(), handle)
			if err := a.ReleaseHandle(context.Background(), handle); err != nil {
				return err
			}
			continue
		}
		handle := fmt.Sprintf("%s.%d", prefix, n)
		result, err := a.Assign(context.Background(), Request{Handle: handle, IPv4: true, IPv6: true})
		if errors.Is(err, ErrFull) {
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(report, "+ %d %s %s\n", time.Now().UnixNano(), handle, join(result.Addrs))
		held = append(held, handle)
	}
	return nil
}

// journal is what all processes have reported.
type journal struct {
	mu    sync.Mutex
	spans map[string]*span // by handle
}

// span is the time in which a handle surely had its addresses.
type span struct {
	handle   string
	from, to int64 // to 0: still
	addrs    []netip.Addr
}

func (j *journal) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		var sign, handle string
		var at int64
		f := strings.Fields(lines.Text())
		if n, _ := fmt.Sscan(lines.Text(), &sign, &at, &handle); n != 3 {
			continue // the last line of a killed process
		}
		j.mu.Lock()
		if sign == "+" {
			j.spans[handle] = &span{handle: handle, from: at, addrs: addrs(f[3:]...)}
		} else {
			j.spans[handle].to = at
		}
		j.mu.Unlock()
	}
}

// end closes the span of a handle that somebody else releases.
func (j *journal) end(handle string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s := j.spans[handle]; s != nil && s.to == 0 {
		s.to = time.Now().UnixNano()
	}
}

// duplicates finds addresses that two handles had at one time.
func (j *journal) duplicates() []string {
	byAddr := map[netip.Addr][]*span{}
	for _, s := range j.spans {
		for _, addr := range s.addrs {
			byAddr[addr] = append(byAddr[addr], s)
		}
	}
	var out []string
	for addr, list := range byAddr {
		slices.SortFunc(list, func(a, b *span) int { return cmp.Compare(a.from, b.from) })
		for i := 1; i < len(list); i++ {
			if before := list[i-1]; before.to == 0 || before.to > list[i].from {
				out = append(out, fmt.Sprintf("%s: %s from %d to %d and %s from %d to %d (ns)", addr,
					before.handle, before.from, before.to, list[i].handle, list[i].from, list[i].to))
			}
		}
	}
	return out
}

// process is one running child.
type process struct {
	cmd   *exec.Cmd
	id    string
	stdin io.Closer
	read  chan struct{} // closed when all that it reported is in the journal
}

// fleet is where the processes run.
type fleet struct {
	nodes    int
	spare    bool
	endpoint string
	journal  *journal
}

func (f *fleet) node(slot int) string { return fmt.Sprintf("n%d", slot%f.nodes) }

func (f *fleet) start(t *testing.T, slot, generation int) *process {
	t.Helper()
	out, report, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{id: fmt.Sprintf("p%dg%d", slot, generation), read: make(chan struct{})}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "WEFT_IPAM_CHILD="+p.id, "WEFT_IPAM_NODE="+f.node(slot), "WEFT_IPAM_ETCD="+f.endpoint)
	if f.spare {
		p.cmd.Env = append(p.cmd.Env, "WEFT_IPAM_SPARE=1")
	}
	p.cmd.Stderr, p.cmd.ExtraFiles = os.Stderr, []*os.File{report}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = report.Close()
	go func() {
		defer close(p.read)
		f.journal.read(out)
		_ = out.Close()
	}()
	return p
}

// 64 allocators in 8 processes share two small pools, and processes are killed all the time: no address ever has two holders, and none is lost. Two processes share
// each node, as an agent and its successor may.
func TestManyProcessesWithKills(t *testing.T) {
	w, endpoint := etcdWorld(t)
	w.create(pool("four", "10.0.0.0/24", blockSize(28)), pool("six", "fd00::/120", blockSize(124)))
	manyProcesses(t, w, &fleet{nodes: processes / 2, endpoint: endpoint, journal: &journal{spans: map[string]*span{}}})
}

// The same with addresses in pairs, and without handles, where each process has a node; nodes that live lose their blocks all the time.
func TestManyProcessesWithTwins(t *testing.T) {
	w, endpoint := etcdWorld(t)
	w.create(pool("four", "10.0.0.0/24", blockSize(28)), pool("six", "fd00::/64", blockSize(124)))
	manyProcesses(t, w, &fleet{nodes: processes, spare: true, endpoint: endpoint, journal: &journal{spans: map[string]*span{}}})
	w.collectTwins()
}

func manyProcesses(t *testing.T, w *world, f *fleet) {
	j := f.journal
	running := make([]*process, processes)
	for i := range running {
		running[i] = f.start(t, i, 0)
	}
	tick := time.NewTicker(loadTime / (kills + 1))
	defer tick.Stop()
	for n := range kills {
		<-tick.C
		i := rand.IntN(processes)
		old := running[i]
		if err := old.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = old.cmd.Wait() // "signal: killed"
		<-old.read
		if !f.spare {
			running[i] = f.start(t, i, n+1)
		}
		w.collect(f, i, old.id+".")
		if f.spare { // the node has one process at a time
			running[i] = f.start(t, i, n+1)
			w.releaseNode(f.node(rand.IntN(processes)))
		}
	}
	<-tick.C
	for _, p := range running {
		_ = p.stdin.Close()
	}
	for _, p := range running {
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%s: %v", p.id, err)
		}
		<-p.read
	}
	for _, text := range j.duplicates() {
		t.Errorf("two holders at one time: %s", text)
	}
	w.sound(false)
	w.agreeWith(j)
	t.Logf("%d assignments, %d handles alive at the end", len(j.spans), len(w.handles()))
	if len(j.spans) < 200 {
		t.Errorf("only %d assignments: the processes hardly worked", len(j.spans))
	}
	for i := range running {
		w.collect(f, i, fmt.Sprintf("p%dg", i))
	}
	if held := w.held(); len(held) != 0 {
		t.Errorf("lost: %v", held)
	}
	w.sound(false)
}

// releaseNode gives the blocks of a node that lives back, as controllers who think it gone and end after a moment do: somewhere in the midst of it, as a rule.
func (w *world) releaseNode(node string) {
	w.t.Helper()
	a := New(w.store, Options{Node: "collector"})
	defer a.Close()
	ctx, cancel := context.WithTimeout(context.Background(), loadTime/(2*kills))
	defer cancel()
	if err := a.ReleaseNode(ctx, node); err != nil && ctx.Err() == nil && !passing(err) {
		w.t.Fatal(err)
	}
}

// collect releases the handles of a dead process, as its successor on the node.
func (w *world) collect(f *fleet, slot int, prefix string) {
	w.t.Helper()
	a := New(w.store, Options{Node: f.node(slot), SpareHandles: f.spare})
	defer a.Close()
	handles := slices.DeleteFunc(w.handles(), func(handle string) bool { return !strings.HasPrefix(handle, prefix) })
	err := parallel(handles, func(handle string) error {
		f.journal.end(handle)
		return a.ReleaseHandle(context.Background(), handle)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// agreeWith compares the blocks with what the living hold.
func (w *world) agreeWith(j *journal) {
	w.t.Helper()
	held := w.held()
	for _, s := range j.spans {
		for _, addr := range s.addrs {
			if s.to == 0 && held[addr] != s.handle {
				w.t.Errorf("%s has %s, the blocks say %q", s.handle, addr, held[addr])
			}
		}
	}
}
