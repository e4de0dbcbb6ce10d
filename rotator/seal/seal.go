package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// KeySize is the length of a seal key in bytes.
	KeySize = 32

	saltSize = 32
	// formatV1 is the first byte of what Seal returns, and part of the associated data: format byte, salt, then nonce,
	// ciphertext and tag as [cipher.NewGCMWithRandomNonce] lays them out.
	formatV1 = 1
	// fingerprintChars gives 80 bits: no two secrets of one installation will share a fingerprint by chance, and it still
	// fits into a line for people.
	fingerprintChars = 20
	checkChars       = 32
)

// Labels keep the subkeys apart that come from one seal key. They are part of the stored format.
const (
	labelSeal        = "rotatord/seal/v1/record"
	labelFingerprint = "rotatord/seal/v1/fingerprint"
	labelCheck       = "rotatord/seal/v1/check"
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

// bind encodes the record so that no two records share an encoding: every text has its length in front.
func (r Record) bind() []byte {
	b := []byte{formatV1}
	for _, s := range []string{r.Provider, r.UserID, r.Base, r.Rotation, r.Purpose} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
	}
	return binary.BigEndian.AppendUint64(b, uint64(int64(r.Version))) //nolint:gosec // the sign is kept: two's complement maps each int to one value
}

func (r Record) String() string {
	return fmt.Sprintf("%s/%s/%s version %d (rotation %s)", r.Provider, r.UserID, r.Base, r.Version, r.Rotation)
}

// Sealer seals, opens and fingerprints under one seal key. It is safe for concurrent use, and no formatter prints
// its keys.
type Sealer struct {
	root        rotator.Secret
	fingerprint rotator.Secret
	check       string
}

// New returns a Sealer for a key of [KeySize] bytes, which it copies.
func New(key []byte) (*Sealer, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a seal key has %d bytes, this one has %d; make one with: rotatord seal init", KeySize, len(key))
	}
	fingerprint, err := hkdf.Key(sha256.New, key, nil, labelFingerprint, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the fingerprint key: %w", err)
	}
	check, err := hkdf.Key(sha256.New, key, nil, labelCheck, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the check value: %w", err)
	}
	return &Sealer{
		root:        rotator.NewSecret(append([]byte(nil), key...)),
		fingerprint: rotator.NewSecret(fingerprint),
		check:       hex.EncodeToString(check)[:checkChars],
	}, nil
}

// Seal encrypts the secret for the record. An empty secret is refused: it is never a key, and to seal it would hide that
// one was lost.
func (s *Sealer) Seal(r Record, secret rotator.Secret) ([]byte, error) {
	if secret.Empty() {
		return nil, rotator.NewFault("seal", rotator.Invalid, "the secret of %s is empty; nothing was sealed", r)
	}
	out := make([]byte, 1+saltSize, 1+saltSize+12+len(secret.Reveal())+16)
	out[0] = formatV1
	rand.Read(out[1:])
	aead, err := s.recordCipher(out[1:])
	if err != nil {
		return nil, rotator.NewFault("seal", rotator.Invalid, "the secret of %s: %w", r, err)
	}
	return aead.Seal(out, nil, secret.Reveal(), r.bind()), nil //nolint:gosec // the cipher draws its nonce itself and takes none
}

// Open decrypts what [Sealer.Seal] made for the same record. What it cannot open is a fault of kind [rotator.Invalid]:
// trying again is pointless.
func (s *Sealer) Open(r Record, sealed []byte) (rotator.Secret, error) {
	if len(sealed) == 0 {
		return rotator.Secret{}, unreadable(r, errors.New("there is none in the journal"))
	}
	if sealed[0] != formatV1 {
		return rotator.Secret{}, unreadable(r, fmt.Errorf("its format %d is not known to this rotatord, which knows format %d; it was written by a newer one",
			sealed[0], formatV1))
	}
	if len(sealed) < 1+saltSize {
		return rotator.Secret{}, unreadable(r, errors.New("it is cut short"))
	}
	aead, err := s.recordCipher(sealed[1 : 1+saltSize])
	if err != nil {
		return rotator.Secret{}, unreadable(r, err)
	}
	plain, err := aead.Open(nil, nil, sealed[1+saltSize:], r.bind())
	if err != nil {
		return rotator.Secret{}, unreadable(r, errors.New("it does not open with this seal key, or it was changed or moved here from another record"))
	}
	return rotator.NewSecret(plain), nil
}

func unreadable(r Record, why error) error {
	return rotator.NewFault("unseal", rotator.Invalid, "the sealed secret of %s cannot be read: %w; "+
		"put back the seal key file that was in force when it was sealed, or revoke the new key and rotate again", r, why)
}

// recordCipher derives the cipher of one record, so that no two records share a key and nonces need not be counted.
func (s *Sealer) recordCipher(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.root.Reveal(), salt, labelSeal, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the record's key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Fingerprint is a keyed hash of the secret: the same secret has the same fingerprint under the same seal key, and
// without that key nobody can test a guess against it. Safe to store, to log and to compare.
func (s *Sealer) Fingerprint(secret rotator.Secret) string {
	mac := hmac.New(sha256.New, s.fingerprint.Reveal())
	mac.Write(secret.Reveal())
	return "fp-" + hex.EncodeToString(mac.Sum(nil))[:fingerprintChars]
}

// Check is a value that tells this seal key from others and says nothing about it. The journal keeps it, so that a wrong
// key is noticed at start and not when a secret has to be opened.
func (s *Sealer) Check() string { return s.check }
