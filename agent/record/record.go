// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package record keeps what this node promised to its local workloads on disk: Open a directory, Put before acting, Delete after undoing.
//
// One small file per container interface. It is the write-ahead note that lets a killed agent finish or undo a CNI ADD, and it is what a
// restarted agent knows of its own endpoints before the datastore answers. Each Put adds a line of JSON, of which the last whole one counts:
// one that a crash cut short was never acted on, and what it was to replace still holds.
package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	v3 "github.com/weftnet/weft/api/v3"
)

// State is how far an endpoint has come.
type State string

// The states. Adding and Deleting are unfinished work after a crash.
const (
	Adding   State = "adding"
	Ready    State = "ready"
	Deleting State = "deleting"
)

// Record is one container interface on this node.
type Record struct {
	State       State                `json:"state"`
	Network     string               `json:"network"` // name of the network configuration
	ContainerID string               `json:"containerID"`
	IfName      string               `json:"ifName"`
	Handle      string               `json:"handle"` // IPAM handle of its addresses
	HostIf      string               `json:"hostIf"` // host side link name
	Netns       string               `json:"netns"`
	PodUID      types.UID            `json:"podUID,omitempty"` // "" outside of Kubernetes
	MTU         int                  `json:"mtu,omitempty"`    // stated by the network configuration; 0: automatic
	Endpoint    *v3.WorkloadEndpoint `json:"endpoint"`         // without addresses while Adding
}

// ID is the record's identity: one container may have several interfaces. Neither part can hold a colon.
func (r *Record) ID() string { return r.ContainerID + ":" + r.IfName }

// Dir is a directory of records. Methods are safe for concurrent use on different records.
type Dir struct{ path string }

// Open makes the directory if needed.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("endpoint records: %w", err)
	}
	return &Dir{path}, nil
}

// Put writes r in place of an older record of the same ID.
func (d *Dir) Put(r *Record) error {
	data, err := json.Marshal(r)
	if err == nil {
		// The line break goes first: it ends what a failed write may have left.
		err = add(d.file(r.ID()), append([]byte("\n"), data...))
	}
	if err != nil {
		return fmt.Errorf("endpoint record %s: %w", r.ID(), err)
	}
	return nil
}

// add writes data at the end of a file, all at once.
func add(name string, data []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// Delete forgets a record; a missing one is not an error.
func (d *Dir) Delete(id string) error {
	if err := os.Remove(d.file(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("endpoint record %s: %w", id, err)
	}
	return nil
}

// Load returns all readable records. A damaged file is set aside under the name "<file>.bad" and named in damaged, so that it can
// be looked at and never stops the agent. An empty file is no damage and goes: its writer was killed before the first line, and had done nothing yet.
func (d *Dir) Load() (records []*Record, damaged []error, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, nil, fmt.Errorf("endpoint records: %w", err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".json" {
			continue
		}
		name := filepath.Join(d.path, entry.Name())
		r, readErr := read(name)
		if errors.Is(readErr, errEmpty) {
			if err := os.Remove(name); err != nil {
				damaged = append(damaged, fmt.Errorf("endpoint record %s: %w", name, err))
			}
			continue
		}
		if readErr != nil {
			damaged = append(damaged, fmt.Errorf("endpoint record %s set aside as %s.bad: %w", name, name, readErr), os.Rename(name, name+".bad"))
			continue
		}
		records = append(records, r)
	}
	return records, damaged, nil
}

var errEmpty = errors.New("it is empty")

// read returns the last whole line of a file.
func read(name string) (*Record, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, errEmpty
	}
	var last error
	for _, line := range slices.Backward(bytes.Split(data, []byte("\n"))) {
		r, err := decode(line)
		if err == nil {
			return r, nil
		}
		last = cmp.Or(last, err)
	}
	return nil, last
}

func decode(line []byte) (*Record, error) {
	r := &Record{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, err
	}
	if r.ContainerID == "" || r.IfName == "" || r.Endpoint == nil {
		return nil, errors.New("containerID, ifName or endpoint is missing")
	}
	return r, nil
}

// file maps an ID to a path; container IDs are checked by the CNI server, the replacement only keeps a bad one inside the directory.
func (d *Dir) file(id string) string {
	return filepath.Join(d.path, strings.ReplaceAll(id, "/", "_")+".json")
}
