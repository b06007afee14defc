// Copyright 2026 The weft authors
// SPDX-License-Identifier: Apache-2.0

package ipam

import (
	"errors"
	"sync"
)

// parallel calls fn for every item at the same time and joins the errors.
func parallel[T any](items []T, fn func(T) error) error {
	if len(items) == 1 {
		return fn(items[0])
	}
	errs := make([]error, len(items))
	var all sync.WaitGroup
	for i, item := range items {
		all.Go(func() { errs[i] = fn(item) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// keyLock serialises work on equal keys.
type keyLock struct {
	mu   sync.Mutex
	held map[string]*keyState
}

type keyState struct {
	sync.Mutex
	users int
}

// lock waits for key and returns the function that gives it back.
func (l *keyLock) lock(key string) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*keyState{}
	}
	k := l.held[key]
	if k == nil {
		k = &keyState{}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return func() {
		k.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
	}
}
