package certcentral

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/rotatord/rotatord/rotator"
)

// keyring holds the manager key between two readings of it.
type keyring struct {
	read func() (rotator.Secret, error)

	mu      sync.Mutex
	current rotator.Secret
}

// get returns the manager key, reading it if that has not happened yet.
func (k *keyring) get() (rotator.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.current.Empty() {
		return k.current, nil
	}
	_, err := k.reload()
	return k.current, err
}

// refresh reads the manager key anew and reports whether it differs from refused, the one that a caller last used.
func (k *keyring) refresh(refused rotator.Secret) (changed bool, err error) {
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
		return false, fmt.Errorf("the manager key cannot be read: %w", err)
	}
	value := bytes.TrimSpace(secret.Reveal())
	if !sendable(value) {
		return false, errors.New("the manager key that was read is empty or holds characters that no key has; it must be the bare key on one line")
	}
	fresh := rotator.NewSecret(bytes.Clone(value))
	if fresh.Equal(k.current) {
		return false, nil
	}
	k.current = fresh
	return true, nil
}

// sendable reports whether a value can be an API key at all: printable ASCII without blanks, as headers need. More is not
// documented.
func sendable(value []byte) bool {
	return len(value) > 0 && bytes.IndexFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
