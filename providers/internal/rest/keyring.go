package rest

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/rotatord/rotatord/rotator"
)

// keyring holds the daemon's own key between two readings of it.
type keyring struct {
	read  func() (rotator.Secret, error) // nil: there is no key
	words string                         // how errors call it

	mu      sync.Mutex
	current rotator.Secret
}

// get returns the key, reading it if that has not happened yet.
func (k *keyring) get() (rotator.Secret, error) {
	if k.read == nil {
		return rotator.Secret{}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.current.Empty() {
		return k.current, nil
	}
	_, err := k.reload()
	return k.current, err
}

// refresh reads the key anew and reports whether it differs from refused, the one that a caller last used.
func (k *keyring) refresh(refused rotator.Secret) (changed bool, err error) {
	if k.read == nil {
		return false, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !refused.Empty() && !k.current.Equal(refused) {
		return true, nil // somebody else has read it meanwhile
	}
	return k.reload()
}

func (k *keyring) reload() (changed bool, err error) {
	secret, err := k.read()
	if err != nil {
		return false, fmt.Errorf("%s cannot be read: %w", k.words, err)
	}
	value := bytes.TrimSpace(secret.Reveal())
	if !Sendable(value) {
		return false, fmt.Errorf("%s that was read is empty or holds characters that no key has; it must be the bare key on one line", k.words)
	}
	fresh := rotator.NewSecret(bytes.Clone(value))
	if fresh.Equal(k.current) {
		return false, nil
	}
	k.current = fresh
	return true, nil
}

// Sendable reports whether a value can be an API key at all: printable ASCII without blanks, as headers need.
func Sendable(value []byte) bool {
	return len(value) > 0 && bytes.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// RawSecret takes a secret from JSON without a string of it being made. It is not masked: hand it to [rotator.NewSecret], or
// clear it.
type RawSecret []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *RawSecret) UnmarshalText(text []byte) error {
	*s = bytes.Clone(text)
	return nil
}
