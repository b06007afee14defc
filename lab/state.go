// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/weftnet/weft/sys/proc"
)

// StateDir holds one directory for each lab on this machine.
const StateDir = "/run/weft-lab"

// ErrNotFound says that there is no lab, or no member of a lab, with that name.
var ErrNotFound = errors.New("not found")

// state is what Down, Status and later commands must know. It is on disk before the things it names exist.
type state struct {
	Spec Spec `json:"spec"`
	// Owner is the process whose death orphans the lab: the one that is making it, and later the one of an owned lab.
	Owner *proc.ID `json:"owner,omitempty"`
	// Ready is set when Up has finished.
	Ready bool `json:"ready"`
	// Processes are the daemons by name: "store", "tor", "controllers", "n1".
	Processes map[string]proc.ID `json:"processes"`
	// Workloads by "namespace/name".
	Workloads map[string]Attached `json:"workloads"`
}

// Workload is what to attach: a container of a pod, as Kubernetes would describe it.
type Workload struct {
	// Node runs it.
	Node string `json:"node"`
	// Namespace of the workload. Default "default". It is made in the datastore when it does not exist.
	Namespace string `json:"namespace"`
	// Name within the namespace.
	Name string `json:"name"`
	// Labels that policies select by.
	Labels map[string]string `json:"labels,omitempty"`
	// Ports of the node that lead to the workload.
	Ports []Port `json:"ports,omitempty"`
	// FloatingIPs lead to the workload too.
	FloatingIPs []netip.Addr `json:"floatingIPs,omitempty"`
}

// Port is an entry of the CNI capability portMappings.
type Port struct {
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	Protocol      string `json:"protocol"` // tcp, udp or sctp
	HostIP        string `json:"hostIP,omitempty"`
}

// Key is how people address the workload: "namespace/name".
func (w Workload) Key() string { return w.Namespace + "/" + w.Name }

// Attached is a workload with what CNI ADD gave it.
type Attached struct {
	Workload
	// ContainerID is the CNI container ID.
	ContainerID string `json:"containerID"`
	// Netns is the name of the workload's network namespace.
	Netns string `json:"netns"`
	// Addresses given by CNI ADD; empty while the ADD has not answered.
	Addresses []netip.Addr `json:"addresses"`
	// Broken: both ADD and DEL failed. The next AddWorkload or DeleteWorkload calls DEL again.
	Broken bool `json:"broken,omitempty"`
}

func dirOf(lab string) string     { return filepath.Join(StateDir, lab) }
func stateFile(lab string) string { return filepath.Join(dirOf(lab), stateName) }

const stateName = "lab.json"

// readState returns the state of a lab; the error Is ErrNotFound when there is none.
func readState(lab string) (*state, error) {
	data, err := os.ReadFile(stateFile(lab))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab %s: %w; `weft lab up %s` makes it", lab, ErrNotFound, lab)
	}
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", lab, err)
	}
	s := &state{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("lab %s: state file %s is damaged (%w); `weft lab down %s` removes the lab all the same", lab, stateFile(lab), err, lab)
	}
	return s, nil
}

// write replaces the state file in one step.
func (s *state) write() error { return s.writeTo(stateFile(s.Spec.Name)) }

func (s *state) writeTo(file string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("lab %s: state: %w", s.Spec.Name, err)
	}
	temp := file + ".new"
	if err := os.WriteFile(temp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("lab %s: state: %w", s.Spec.Name, err)
	}
	if err := os.Rename(temp, file); err != nil {
		return fmt.Errorf("lab %s: state: %w", s.Spec.Name, err)
	}
	return nil
}

// orphaned says whether the process that answers for the lab has died.
func (s *state) orphaned() bool { return s.Owner != nil && !s.Owner.Alive() }

// lockLab keeps other programs from changing the lab's state file until unlock is called. It does not wait for long: the lock is
// held for a read and a write only.
func lockLab(ctx context.Context, lab string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dirOf(lab), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("lab %s: %w", lab, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("lab %s: lock: %w", lab, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lab %s: lock: %w", lab, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// Names returns the sorted names of the labs on this machine, complete or not.
func Names() ([]string, error) {
	entries, err := os.ReadDir(StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list labs: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && nameRE.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
