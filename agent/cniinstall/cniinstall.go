// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package cniinstall makes a container runtime use weft: Plugin copies the CNI plugin, and Configure, once the agent is ready, tells the runtime of it. Remove
// undoes both.
//
// Runtimes need a plugin "loopback", too, which sets lo up. Where a node has none, a copy of weft-cni is it, under a name of its own, which says whose it is and
// which an earlier weft, whose plugin knows nothing of lo, leaves alone.
//
// A runtime starts workloads as soon as it finds a network configuration, and may run the plugin at any time, so files appear whole or not at all. The
// configuration has no credentials: the plugin talks to the agent's socket. Files of other networks are left alone.
package cniinstall

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
)

// The names of the files.
const (
	PluginName   = "weft-cni"
	LoopbackName = "loopback" // a symbolic link to ownLoopback, or another's
	ownLoopback  = "weft-loopback"
	ConfName     = "10-weft.conflist"
)

// Options say what goes where.
type Options struct {
	ConfDir string // of the runtime's network configurations
	BinDir  string // of the runtime's plugins
	Source  string // the plugin to copy
	// Template is a file with a network configuration list to use in place of the built-in one. It must have a plugin of type weft-cni.
	Template   string
	Socket     string // of the agent
	IPv4, IPv6 bool   // addresses that workloads get, unless Template says
}

// Plugin copies the plugin, unless it is there already, and has it be the node's plugin for lo, unless there is one.
func (o Options) Plugin() error {
	data, err := os.ReadFile(o.Source)
	if err != nil {
		return fmt.Errorf("CNI plugin: %w", err)
	}
	if err := put(filepath.Join(o.BinDir, PluginName), data, 0o755); err != nil {
		return fmt.Errorf("CNI plugin: %w", err)
	}
	link := filepath.Join(o.BinDir, LoopbackName)
	if _, err := os.Lstat(link); err == nil && !o.ownsLoopback() {
		return nil
	}
	err = put(filepath.Join(o.BinDir, ownLoopback), data, 0o755)
	if err == nil && !o.ownsLoopback() {
		err = os.Symlink(ownLoopback, link)
	}
	if err != nil {
		return fmt.Errorf("CNI plugin for lo: %w", err)
	}
	return nil
}

// ownsLoopback tells whether the plugin for lo is ours.
func (o Options) ownsLoopback() bool {
	target, err := os.Readlink(filepath.Join(o.BinDir, LoopbackName))
	return err == nil && target == ownLoopback
}

// Configure writes the network configuration. Earlier names a file of another network that runtimes prefer, because its name comes first; "" if there is none.
func (o Options) Configure() (earlier string, err error) {
	conf, err := o.conf()
	if err != nil {
		return "", err
	}
	path := filepath.Join(o.ConfDir, ConfName)
	if old, err := os.ReadFile(path); err == nil && !ours(old) {
		return "", fmt.Errorf("CNI configuration: %s is of another network; rename or delete it", path)
	}
	if err := put(path, conf, 0o644); err != nil {
		return "", fmt.Errorf("CNI configuration: %w", err)
	}
	return o.earlier()
}

// network is what is looked at in a network configuration list.
type network struct {
	Plugins []map[string]any `json:"plugins"`
}

// conf returns the network configuration.
func (o Options) conf() ([]byte, error) {
	list := map[string]any{"cniVersion": "1.0.0", "name": "k8s-pod-network", "plugins": []any{map[string]any{
		"type": PluginName, "capabilities": map[string]any{"portMappings": true},
		"ipam": map[string]any{"assign_ipv4": fmt.Sprint(o.IPv4), "assign_ipv6": fmt.Sprint(o.IPv6)},
	}}}
	if o.Template != "" {
		data, err := os.ReadFile(o.Template)
		if err != nil {
			return nil, fmt.Errorf("CNI configuration: %w", err)
		}
		clear(list)
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("CNI configuration %s: %w", o.Template, err)
		}
	}
	plugins, _ := list["plugins"].([]any)
	found := false
	for _, p := range plugins {
		if p, ok := p.(map[string]any); ok && p["type"] == PluginName {
			p["socket"], found = cmp.Or[any](p["socket"], o.Socket), true
		}
	}
	if name, _ := list["name"].(string); !found || name == "" {
		return nil, fmt.Errorf("CNI configuration %s: it needs a name and, among plugins, one of type %s", o.Template, PluginName)
	}
	out, err := json.MarshalIndent(list, "", "  ")
	return append(out, '\n'), err
}

// ours tells whether a network configuration uses the plugin.
func ours(data []byte) bool {
	var n network
	return json.Unmarshal(data, &n) == nil && slices.ContainsFunc(n.Plugins, func(p map[string]any) bool { return p["type"] == PluginName })
}

// earlier looks for a configuration that runtimes, which take the first by name, prefer to ours.
func (o Options) earlier() (string, error) {
	entries, err := os.ReadDir(o.ConfDir)
	if err != nil {
		return "", fmt.Errorf("CNI configuration: %w", err)
	}
	for _, e := range entries { // in the order of names
		switch ext := filepath.Ext(e.Name()); {
		case e.Name() == ConfName:
			return "", nil
		case slices.Contains([]string{".conf", ".conflist", ".json"}, ext):
			return filepath.Join(o.ConfDir, e.Name()), nil
		}
	}
	return "", nil
}

// Files returns those that are there and ours, the configuration first: without it runtimes start nothing.
func (o Options) Files() ([]string, error) {
	var out []string
	path := filepath.Join(o.ConfDir, ConfName)
	data, err := os.ReadFile(path)
	if err == nil && ours(data) {
		out = append(out, path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("CNI files: %w", err)
	}
	names := []string{PluginName, ownLoopback}
	if o.ownsLoopback() {
		names = append(names, LoopbackName)
	}
	for _, name := range names {
		path := filepath.Join(o.BinDir, name)
		switch _, err := os.Lstat(path); {
		case err == nil:
			out = append(out, path)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("CNI files: %w", err)
		}
	}
	return out, nil
}

// Complete tells whether nothing is missing: the plugin and a configuration of our own, and anybody's plugin for lo.
func (o Options) Complete() (bool, error) {
	files, err := o.Files()
	if err != nil {
		return false, err
	}
	for _, path := range []string{filepath.Join(o.ConfDir, ConfName), filepath.Join(o.BinDir, PluginName)} {
		if !slices.Contains(files, path) {
			return false, nil
		}
	}
	stat := os.Lstat
	if o.ownsLoopback() {
		stat = os.Stat // of what it leads to, too
	}
	_, err = stat(filepath.Join(o.BinDir, LoopbackName))
	return err == nil, nil
}

// Remove removes Files.
func (o Options) Remove() error {
	files, err := o.Files()
	for _, path := range files {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// put writes a file so that it is seen whole or not at all, unless it is as it should be.
func put(path string, data []byte, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil && info.Mode() == mode {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // no ending that runtimes read
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}
