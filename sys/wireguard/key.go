// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package wireguard

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Key is a private or public key of Curve25519 (RFC 7748).
type Key [32]byte

// String returns the key in base64, as wg(8) writes it.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// ParseKey reads a key in base64.
func ParseKey(text string) (k Key, err error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != len(k) {
		return k, fmt.Errorf("%q is no WireGuard key; want 32 bytes in base64, as `wg genkey` and `wg pubkey` write them", text)
	}
	return Key(data), nil
}

// Public returns the public key of a private one.
func (k Key) Public() (public Key, err error) {
	private, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		return public, fmt.Errorf("public key: %w", err)
	}
	return Key(private.PublicKey().Bytes()), nil
}

// LoadKey returns the private key in a file, or makes both if there is no file. Only the file's owner can read it.
func LoadKey(path string) (Key, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(path)
	}
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return Key{}, fmt.Errorf("WireGuard key: %w", err)
	}
	k, err := ParseKey(strings.TrimSpace(string(data)))
	if err != nil {
		// What is in the file may be a secret.
		return k, fmt.Errorf("WireGuard key: %s holds none; delete it, and the node makes a new one", path)
	}
	return k, nil
}

// following is what is behind a file's name in that of the next key.
const following = ".next"

// PrepareKey makes a key that is to follow the one in a file, in a file beside it, in place of an earlier one.
func PrepareKey(path string) error {
	_, err := makeKey(path + following)
	return err
}

// NextKey returns the public key of the private one that PrepareKey has made; zero: none.
func NextKey(path string) (Key, error) {
	if _, err := os.Lstat(path + following); errors.Is(err, fs.ErrNotExist) {
		return Key{}, nil
	}
	private, err := LoadKey(path + following)
	if err != nil {
		return Key{}, err
	}
	return private.Public()
}

// AdoptKey puts the next key in the place of the one in a file.
func AdoptKey(path string) error {
	if err := os.Rename(path+following, path); err != nil {
		return fmt.Errorf("WireGuard key: %w", err)
	}
	return nil
}

func makeKey(path string) (Key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("WireGuard key: %w", err)
	}
	k := Key(private.Bytes())
	// Clamped, as the kernel gives it back.
	k[0] &= 248
	k[31] = k[31]&127 | 64
	fresh := path + ".new"
	err = os.WriteFile(fresh, []byte(k.String()+"\n"), 0o600)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return Key{}, fmt.Errorf("WireGuard key: %w", err)
	}
	return k, nil
}
