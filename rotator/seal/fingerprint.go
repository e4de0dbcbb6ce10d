package seal

import (
	"errors"
	"fmt"

	"github.com/rotatord/rotatord/rotator"
)

// fingerprintRecord is what the fingerprint key is sealed for. No rotation has such a purpose.
var fingerprintRecord = Record{Purpose: "fingerprint key"}

// ErrOtherKey says that what the journal holds was sealed under a key that is not there.
var ErrOtherKey = errors.New("it was sealed under another seal key")

// WrapFingerprintKey seals the key that fingerprints are made with under the key that seals now, to be kept in the journal.
func (s *Sealer) WrapFingerprintKey() ([]byte, error) {
	s.mu.RLock()
	fingerprint := s.fingerprint
	s.mu.RUnlock()
	return s.Seal(fingerprintRecord, fingerprint)
}

// UseFingerprintKey makes fingerprints with the wrapped key from now on. Its error is [ErrOtherKey] where none of the keys
// opens it.
func (s *Sealer) UseFingerprintKey(wrapped []byte) error {
	k, err := s.Open(fingerprintRecord, wrapped)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOtherKey, err)
	}
	s.useFingerprintKey(k)
	return nil
}

// UseFingerprintKeyOf makes fingerprints with the key that belongs to the seal key with that check value: what journals
// were begun with before they kept the fingerprint key themselves. Its error is [ErrOtherKey] where there is no such key.
func (s *Sealer) UseFingerprintKeyOf(check string) error {
	s.mu.RLock()
	keys := s.keys
	s.mu.RUnlock()
	for _, k := range keys {
		if k.check != check {
			continue
		}
		derived, err := k.fingerprintKey()
		if err != nil {
			return err
		}
		s.useFingerprintKey(rotator.NewSecret(derived))
		return nil
	}
	return ErrOtherKey
}

func (s *Sealer) useFingerprintKey(k rotator.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fingerprint = k
	s.swappable = errors.Join(s.swappable, lock(k.Reveal()))
}
