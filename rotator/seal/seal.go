package seal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// KeySize is the length of a seal key in bytes.
	KeySize = 32

	saltSize = 32
	// The first byte of what is stored, which is part of the associated data. formatLost stands in place of a sealed secret
	// whose key was given up. Format 1, which was written before keys had names, is: format byte, salt, then nonce,
	// ciphertext and tag as [cipher.NewGCMWithRandomNonce] lays them out. Format 2 has the key's name behind the format
	// byte, and in the associated data.
	formatLost = 0
	formatV1   = 1
	formatV2   = 2

	headV1 = 1 + saltSize
	headV2 = 1 + idSize + saltSize
	// fingerprintChars gives 80 bits: no two secrets of one installation will share a fingerprint by chance, and it still
	// fits into a line for people.
	fingerprintChars = 20
)

// Record says what a sealed secret is the secret of. It must be the same at [Sealer.Open] as it was at [Sealer.Seal].
type Record struct {
	Provider string
	UserID   string
	Base     string
	Version  int
	// Rotation is the id of the rotation that the secret travels with.
	Rotation string
	// Purpose keeps apart ciphertexts that serve different ends in the same row.
	Purpose string
}

// RecordOf names the secret of a rotation: what is sealed for one rotation and version opens for no other.
func RecordOf(r *rotator.Rotation) Record {
	return Record{Provider: r.Provider, UserID: r.UserID, Base: r.Base, Version: r.Version, Rotation: r.ID, Purpose: "delivery"}
}

// bind encodes the record so that no two records share an encoding: every text has its length in front. head is the
// format byte and, if the format has one, the key's name.
func (r Record) bind(head []byte) []byte {
	b := slices.Clone(head)
	for _, s := range []string{r.Provider, r.UserID, r.Base, r.Rotation, r.Purpose} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return binary.BigEndian.AppendUint64(b, uint64(int64(r.Version))) //nolint:gosec // the sign is kept: two's complement maps each int to one value
}

func (r Record) String() string {
	return fmt.Sprintf("%s/%s/%s version %d (rotation %s)", r.Provider, r.UserID, r.Base, r.Version, r.Rotation)
}

// Sealer seals, opens and fingerprints. It holds seal keys, newest first: the first seals, each opens what it sealed. It
// is safe for concurrent use, and no formatter prints its keys. The zero Sealer has none yet: what needs one is a fault
// of kind [rotator.Transient] until [Sealer.Adopt].
type Sealer struct {
	mu          sync.RWMutex
	keys        []*key
	fingerprint rotator.Secret
	swappable   error
}

// New returns a Sealer for keys of [KeySize] bytes, newest first, which it copies. Fingerprints are made with the key that
// belongs to the first, until [Sealer.UseFingerprintKey].
func New(keys ...[]byte) (*Sealer, error) {
	s := &Sealer{}
	for _, content := range keys {
		k, err := newKey(content)
		if err != nil {
			return nil, err
		}
		if s.named(k.id[:]) != nil {
			return nil, fmt.Errorf("the seal key %s is there twice; keep one of them", k.name())
		}
		s.keys, s.swappable = append(s.keys, k), errors.Join(s.swappable, lock(k.root.Reveal()))
	}
	if len(s.keys) == 0 {
		return nil, errors.New("there is no seal key; make one with: rotatord seal init")
	}
	derived, err := s.keys[0].fingerprintKey()
	if err != nil {
		return nil, err
	}
	s.fingerprint = rotator.NewSecret(derived)
	return s, nil
}

// named returns the key of that name, or nil. The caller holds s.mu, or has s alone.
func (s *Sealer) named(id []byte) *key {
	for _, k := range s.keys {
		if string(k.id[:]) == string(id) {
			return k
		}
	}
	return nil
}

// Adopt takes over next's keys: next's first seals from now on. Keys that next does not have still open, until the process
// ends, because something sealed under them may be on its way into the journal. The fingerprint key stays as it is where
// there is one.
func (s *Sealer) Adopt(next *Sealer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := slices.Clone(next.keys)
	for _, k := range s.keys {
		if next.named(k.id[:]) == nil {
			keys = append(keys, k)
		}
	}
	s.keys, s.swappable = keys, next.swappable
	if s.fingerprint.Empty() {
		s.fingerprint = next.fingerprint
	}
}

// Ready reports whether there is a key.
func (s *Sealer) Ready() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.keys) > 0
}

// first returns the key that seals, or a fault.
func (s *Sealer) first(op string) (*key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.keys) == 0 {
		return nil, rotator.NewFault(op, rotator.Transient, "the seal key is not there yet; /-/ready says what it waits for")
	}
	return s.keys[0], nil
}

// Seal encrypts the secret for the record under the first key. An empty secret is refused: it is never a key, and to seal
// it would hide that one was lost.
func (s *Sealer) Seal(r Record, secret rotator.Secret) ([]byte, error) {
	if secret.Empty() {
		return nil, rotator.NewFault("seal", rotator.Invalid, "the secret of %s is empty; nothing was sealed", r)
	}
	k, err := s.first("seal")
	if err != nil {
		return nil, err
	}
	out, err := k.seal(r, secret.Reveal())
	if err != nil {
		return nil, rotator.NewFault("seal", rotator.Invalid, "the secret of %s: %w", r, err)
	}
	return out, nil
}

// Open decrypts what [Sealer.Seal] made for the same record under any of the keys. What it cannot open is a fault of kind
// [rotator.Invalid]: trying again is pointless.
func (s *Sealer) Open(r Record, sealed []byte) (rotator.Secret, error) {
	if err := checkForm(sealed); err != nil {
		return rotator.Secret{}, unreadable(r, err)
	}
	if _, err := s.first("unseal"); err != nil {
		return rotator.Secret{}, err
	}
	candidates, err := s.candidates(sealed)
	if err != nil {
		return rotator.Secret{}, unreadable(r, err)
	}
	for _, k := range candidates {
		if plain, err := k.open(r, sealed); err == nil {
			return rotator.NewSecret(plain), nil
		}
	}
	return rotator.Secret{}, unreadable(r, errors.New("it does not open with this seal key, or it was changed or moved here from another record"))
}

func checkForm(sealed []byte) error {
	switch {
	case len(sealed) == 0:
		return errors.New("there is none in the journal")
	case Lost(sealed):
		return errors.New("the seal key that it was sealed under was given up as lost")
	case sealed[0] != formatV1 && sealed[0] != formatV2:
		return fmt.Errorf("its format %d is not known to this rotatord, which knows formats up to %d; it was written by a newer one", sealed[0], formatV2)
	case sealed[0] == formatV1 && len(sealed) < headV1, sealed[0] == formatV2 && len(sealed) < headV2:
		return errors.New("it is cut short")
	}
	return nil
}

// candidates are the keys that may open it: the one it names or, where it names none, all.
func (s *Sealer) candidates(sealed []byte) ([]*key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if sealed[0] == formatV1 {
		return s.keys, nil
	}
	id := sealed[1 : 1+idSize]
	if k := s.named(id); k != nil {
		return []*key{k}, nil
	}
	return nil, fmt.Errorf("it names %s, which is not among the seal keys that are there", nameOf(id))
}

func unreadable(r Record, why error) error {
	return rotator.NewFault("unseal", rotator.Invalid, "the sealed secret of %s cannot be read: %w; "+
		"put back the seal key file that was in force when it was sealed, or revoke the new key and rotate again", r, why)
}

// Current reports whether something is sealed under the key that seals now, or holds nothing that could be.
func (s *Sealer) Current(sealed []byte) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(sealed) == 0 || Lost(sealed) {
		return true
	}
	return len(s.keys) > 0 && len(sealed) >= headV2 && sealed[0] == formatV2 && string(sealed[1:1+idSize]) == string(s.keys[0].id[:])
}

// Reseal seals anew, under the first key, what an older key sealed. What is current already it returns as it is.
func (s *Sealer) Reseal(r Record, sealed []byte) ([]byte, error) {
	if s.Current(sealed) {
		return sealed, nil
	}
	secret, err := s.Open(r, sealed)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	return s.Seal(r, secret)
}

// Fingerprint is a keyed hash of the secret: the same secret has the same fingerprint, whatever the seal key is exchanged
// for, and without the fingerprint key nobody can test a guess against it. Safe to store, to log and to compare. A Sealer
// without keys returns a text that no other fingerprint equals.
func (s *Sealer) Fingerprint(secret rotator.Secret) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fingerprint.Empty() {
		return "fp-unknown-" + rand.Text()
	}
	mac := hmac.New(sha256.New, s.fingerprint.Reveal())
	within(func() { mac.Write(secret.Reveal()) })
	return "fp-" + hex.EncodeToString(mac.Sum(nil))[:fingerprintChars]
}

// Check is a value that tells the key that seals from others and says nothing about it. The journal keeps it, so that a
// wrong key is noticed at start and not when a secret has to be opened. It is empty where there is no key.
func (s *Sealer) Check() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.keys) == 0 {
		return ""
	}
	return s.keys[0].check
}

// Names are what people call the keys, the one that seals first. They say nothing about the keys.
func (s *Sealer) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for _, k := range s.keys {
		names = append(names, k.name())
	}
	return names
}

// Swappable says why the keys may be swapped out to disk; nil if they may not.
func (s *Sealer) Swappable() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.swappable
}

// LostMark is what the journal keeps in place of a sealed secret, or beside a fingerprint, whose seal key was given up.
func LostMark() []byte { return []byte{formatLost} }

// Lost reports whether sealed is that mark.
func Lost(sealed []byte) bool { return len(sealed) > 0 && sealed[0] == formatLost }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
