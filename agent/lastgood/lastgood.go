// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package lastgood keeps on disk the last valid version of objects whose newest version is invalid: Open a directory, Put one when it turns
// invalid, Delete it when it is valid again or gone, Load all at the start.
//
// One file an object, written anew and renamed, with a checksum: what is read is what was written, or it is named as damaged, and Closing says what to
// put in the place of the lost object. There are as many files as there are invalid objects, nearly always none.
package lastgood

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/api"
)

// Dir is a directory of objects.
type Dir struct{ path string }

// Open makes the directory if needed.
func Open(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("last good versions: %w", err)
	}
	return &Dir{path}, nil
}

// Put writes an object, in place of an older version.
func (d *Dir) Put(obj api.Object) error {
	key := api.KeyOf(obj)
	data, err := api.Encode(obj)
	if err == nil {
		sum := sha256.Sum256(data)
		err = write(d.file(key), append([]byte(hex.EncodeToString(sum[:])+"\n"), data...))
	}
	if err != nil {
		return fmt.Errorf("last good version of %s: %w", key, err)
	}
	return nil
}

// write replaces a file so that a crash leaves the old one or the new one.
func write(name string, data []byte) (err error) {
	temp, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}

// Lose notes that the last good version of an object is lost: the next [Dir.Load] finds a damaged file.
func (d *Dir) Lose(key api.Key) error {
	if err := write(d.file(key), nil); err != nil {
		return fmt.Errorf("loss of the last good version of %s: %w", key, err)
	}
	return nil
}

// Delete forgets an object; a missing one is not an error.
func (d *Dir) Delete(key api.Key) error { return d.Remove(d.Name(key)) }

// Remove removes a file that [Dir.Load] has named; a missing one is not an error.
func (d *Dir) Remove(name string) error {
	if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("last good version: %w", err)
	}
	return nil
}

// Load returns all objects, and by its name why a file holds none: its object, see [Dir.Name], is lost.
func (d *Dir) Load() (objects []api.Object, damaged map[string]error, err error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, nil, fmt.Errorf("last good versions: %w", err)
	}
	damaged = map[string]error{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue // the beginning of a file whose older version is still there
		}
		obj, err := d.read(e.Name())
		if err != nil {
			damaged[e.Name()] = fmt.Errorf("last good version in %s: %w", filepath.Join(d.path, e.Name()), err)
			continue
		}
		objects = append(objects, obj)
	}
	return objects, damaged, nil
}

func (d *Dir) read(name string) (api.Object, error) {
	data, err := os.ReadFile(filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	sum, data, _ := bytes.Cut(data, []byte("\n"))
	if now := sha256.Sum256(data); string(sum) != hex.EncodeToString(now[:]) {
		return nil, errors.New("the file is damaged: its checksum is another")
	}
	obj, err := api.DecodeLenient(data)
	if err == nil && d.Name(api.KeyOf(obj)) != name {
		err = fmt.Errorf("it is that of %s; each object has a file of its own", api.KeyOf(obj))
	}
	return obj, err
}

const (
	suffix       = ".json"
	readableMost = 150 // bytes of a name; the file system takes 255 in all
)

// Name is that of the file of an object: its key for people, as far as a file name holds it, and a hash.
func (d *Dir) Name(key api.Key) string {
	readable, sum := url.PathEscape(key.String()), sha256.Sum256([]byte(key.String()))
	return readable[:min(len(readable), readableMost)] + "-" + hex.EncodeToString(sum[:8]) + suffix
}

func (d *Dir) file(key api.Key) string { return filepath.Join(d.path, d.Name(key)) }
