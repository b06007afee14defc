// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

// Package lastgood keeps on disk the last valid version of objects whose newest version is invalid: Open a directory, Put one when it turns
// invalid, Delete it when it is valid again or gone, Load all at the start.
//
// One file an object, written anew and renamed, with a checksum: what is read is what was written, or an error. There are as many files as there
// are invalid objects, nearly always none.
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

// Delete forgets an object; a missing one is not an error.
func (d *Dir) Delete(key api.Key) error {
	if err := os.Remove(d.file(key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("last good version of %s: %w", key, err)
	}
	return nil
}

// Load returns all objects. The error names each file that cannot be read and what to do about it; then none is returned.
func (d *Dir) Load() ([]api.Object, error) {
	names, err := filepath.Glob(filepath.Join(d.path, "*"+suffix))
	if err != nil {
		return nil, fmt.Errorf("last good versions: %w", err)
	}
	var out []api.Object
	var errs []error
	for _, name := range names {
		obj, err := read(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("last good version in %s: %w; correct or delete the object in the datastore, then remove the file", name, err))
			continue
		}
		out = append(out, obj)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, nil
}

func read(name string) (api.Object, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	sum, data, _ := bytes.Cut(data, []byte("\n"))
	if now := sha256.Sum256(data); string(sum) != hex.EncodeToString(now[:]) {
		return nil, errors.New("the file is damaged: its checksum is another")
	}
	return api.DecodeLenient(data)
}

const (
	suffix       = ".json"
	readableMost = 150 // bytes of a name; the file system takes 255 in all
)

// file maps a key to a path: the key for people, as far as a file name holds it, and a hash.
func (d *Dir) file(key api.Key) string {
	readable, sum := url.PathEscape(key.String()), sha256.Sum256([]byte(key.String()))
	return filepath.Join(d.path, readable[:min(len(readable), readableMost)]+"-"+hex.EncodeToString(sum[:8])+suffix)
}
