package rotator

import (
	"crypto/subtle"
	"fmt"
	"io"
)

// mask is what every formatter prints in place of a secret. It has a fixed length, so it does not tell the secret's.
const mask = "[secret]"

// Secret is the value of a key: shown once by the provider, seen by its sinks, and by nobody else.
//
// Every formatter (fmt with any verb, JSON, text, zap's reflection) prints a mask. The value sits behind a function,
// so that reflection over a struct that holds a Secret in an unexported field, where methods are not called, prints
// an address. [Secret.Reveal] is the one way to the value: to find every place that sees a secret, search for it.
//
// The zero Secret is empty. Copies share one buffer: [Secret.Wipe] empties them all.
type Secret struct {
	open func() []byte
}

// NewSecret takes ownership of value: the caller must not keep or change it.
func NewSecret(value []byte) Secret {
	return Secret{open: func() []byte { return value }}
}

// SecretString copies value into a Secret.
func SecretString(value string) Secret { return NewSecret([]byte(value)) }

// Reveal returns the secret itself. The caller must not change the slice and must not print it.
func (s Secret) Reveal() []byte {
	if s.open == nil {
		return nil
	}
	return s.open()
}

// Empty reports whether there is nothing in it. A wiped secret is not empty: it has a length, of zeros.
func (s Secret) Empty() bool { return len(s.Reveal()) == 0 }

// Equal compares in constant time.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare(s.Reveal(), other.Reveal()) == 1
}

// Wipe overwrites the value, for this copy and all others. Copies that encoders and network stacks made are beyond it.
func (s Secret) Wipe() { clear(s.Reveal()) }

// String returns the mask.
func (s Secret) String() string { return mask }

// GoString returns the mask.
func (s Secret) GoString() string { return mask }

// Format prints the mask whatever the verb, %x and %q included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// MarshalText returns the mask, so JSON, YAML and XML encoders print it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }
