// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weftnet/weft/api"
	v3 "github.com/weftnet/weft/api/v3"
	"github.com/weftnet/weft/policy/selector"
)

// checks are the cross-layer checks that validation takes.
var checks = api.Checks{Selector: selector.ValidateSyntax}

// addFilesFlag adds -f.
func addFilesFlag(cmd *cobra.Command) *[]string {
	files := cmd.Flags().StringSliceP("filename", "f", nil, "file, directory (its .yaml, .yml and .json files) or - for standard input; may be repeated")
	registerCompletion(cmd, "filename", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	})
	return files
}

// load reads all documents of the given files, in order.
func load(env *Env, paths []string) ([]api.Document, error) {
	if len(paths) == 0 {
		return nil, usagef("say what to read with -f FILE, -f DIRECTORY or -f -")
	}
	var documents []api.Document
	for _, path := range paths {
		found, err := loadPath(env, path)
		if err != nil {
			return nil, err
		}
		documents = append(documents, found...)
	}
	if len(documents) == 0 {
		return nil, fmt.Errorf("%s: %w", strings.Join(paths, ", "), errNoObjects)
	}
	return documents, nil
}

var (
	errNoObjects   = errors.New("there is no object in it; a manifest holds YAML or JSON documents that start with apiVersion and kind")
	errNoManifests = errors.New("the directory has no .yaml, .yml or .json file")
)

// extensions are those of manifests.
var extensions = []string{".yaml", ".yml", ".json"}

func loadPath(env *Env, path string) ([]api.Document, error) {
	if path == "-" {
		return api.ReadDocuments(env.In, "standard input")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		return loadFile(path)
	}
	return loadDirectory(path)
}

// loadDirectory reads the manifests of a directory and those below. Hidden files are left out: a mounted ConfigMap keeps its files a second time
// in a hidden directory.
func loadDirectory(path string) ([]api.Document, error) {
	var documents []api.Document
	files := 0
	root := strings.TrimSuffix(path, "/") + "/" // follows a symbolic link
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return unreadable(name, err)
		case name == root:
			return nil
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), ".") || d.IsDir() || !slices.Contains(extensions, filepath.Ext(name)):
			return nil
		}
		files++
		found, err := loadFile(name)
		documents = append(documents, found...)
		return err
	})
	if err == nil && files == 0 {
		return nil, fmt.Errorf("%s: %w", path, errNoManifests)
	}
	return documents, err
}

// unreadable says which file cannot be read and why, without the system call.
func unreadable(path string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

func loadFile(path string) (documents []api.Document, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return api.ReadDocuments(file, path)
}

// problem is one thing wrong with one document.
type problem struct {
	File     string `json:"file"`
	Document int    `json:"document"`       // from 1
	Item     int    `json:"item,omitempty"` // of a list, from 1
	Line     int    `json:"line,omitempty"`
	Object   string `json:"object,omitempty"`
	Field    string `json:"field,omitempty"`
	Reason   string `json:"reason"`
}

// String is one line: file, document, field, reason.
func (p problem) String() string {
	where := fmt.Sprintf("%s: document %d", p.File, p.Document)
	if p.Item > 0 {
		where += fmt.Sprintf(", item %d", p.Item)
	}
	if p.Line > 0 {
		where += fmt.Sprintf(" (line %d)", p.Line)
	}
	for _, part := range []string{p.Object, p.Field} {
		if part != "" {
			where += ": " + part
		}
	}
	return where + ": " + p.Reason
}

// at is where a document stands and what it holds.
func at(d *api.Document) problem {
	p := problem{File: d.File, Document: d.Index, Item: d.Item, Line: d.Line}
	if obj := d.Partial(); obj != nil && obj.GetName() != "" {
		p.Object = reference(obj)
	}
	return p
}

// examine returns what is wrong with the documents, and what about them has no effect yet.
func examine(documents []api.Document) (problems, notes []problem) {
	for i := range documents {
		d := &documents[i]
		for _, e := range d.Check(checks) {
			problems = append(problems, at(d).with(e.Path, e.Reason, e.Line))
		}
		without := d.NotYetEffective()
		slices.SortStableFunc(without, func(a, b v3.FieldNote) int { return a.Line - b.Line })
		for _, n := range without {
			notes = append(notes, at(d).with(n.Path, n.Note, n.Line))
		}
	}
	return append(problems, between(documents)...), notes
}

// with fills in what is wrong where.
func (p problem) with(field, reason string, line int) problem {
	p.Field, p.Reason, p.Line = field, reason, line
	return p
}

// warn prints what was accepted without effect.
func warn(env *Env, notes []problem) {
	for _, n := range notes {
		fmt.Fprintf(env.Err, "warning: %s: %s: %s\n", n.Object, n.Field, n.Reason)
	}
}

// count renders a number of things: "1 problem", "2 problems".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
