package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/rotatord/rotatord/rotator"
)

// Labels keep the subkeys apart that come from one seal key. They are part of the stored format.
const (
	labelSeal        = "rotatord/seal/v1/record"
	labelFingerprint = "rotatord/seal/v1/fingerprint"
	labelCheck       = "rotatord/seal/v1/check"
	labelID          = "rotatord/seal/v2/id"
)

const (
	checkChars = 32
	// idSize is how many bytes name a seal key in what it sealed: enough to tell a handful of keys apart.
	idSize = 8
)

// key is one seal key, with what is derived from it.
type key struct {
	root  rotator.Secret
	id    [idSize]byte
	check string
}

func newKey(content []byte) (*key, error) {
	if len(content) != KeySize {
		return nil, fmt.Errorf("a seal key has %d bytes, this one has %d; make one with: rotatord seal init", KeySize, len(content))
	}
	k := &key{root: rotator.NewSecret(append([]byte(nil), content...))}
	check, err := hkdf.Key(sha256.New, content, nil, labelCheck, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the check value: %w", err)
	}
	id, err := hkdf.Key(sha256.New, content, nil, labelID, idSize)
	if err != nil {
		return nil, fmt.Errorf("deriving the key's name: %w", err)
	}
	k.check, k.id = hex.EncodeToString(check)[:checkChars], [idSize]byte(id)
	return k, nil
}

// name is what people and the journal call the key. It says nothing about it.
func (k *key) name() string { return nameOf(k.id[:]) }

func nameOf(id []byte) string { return "seal-" + hex.EncodeToString(id) }

// fingerprintKey is the key of fingerprints that belongs to this seal key. A journal stays with the one it began with.
func (k *key) fingerprintKey() ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, k.root.Reveal(), nil, labelFingerprint, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the fingerprint key: %w", err)
	}
	return derived, nil
}

// cipher derives the cipher of one record, so that no two records share a key and nonces need not be counted.
func (k *key) cipher(salt []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, k.root.Reveal(), salt, labelSeal, KeySize)
	if err != nil {
		return nil, fmt.Errorf("deriving the record's key: %w", err)
	}
	defer clear(derived)
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("making the cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal is format 2: format byte, name of the key, salt, then what the cipher makes.
func (k *key) seal(r Record, plain []byte) (out []byte, err error) {
	head := make([]byte, 0, headV2+12+len(plain)+16)
	head = append(append(head, formatV2), k.id[:]...)
	head = append(head, randomBytes(saltSize)...)
	aead, err := k.cipher(head[1+idSize:])
	if err != nil {
		return nil, err
	}
	within(func() { out = aead.Seal(head, nil, plain, r.bind(head[:1+idSize])) }) //nolint:gosec // the cipher draws its nonce itself and takes none
	return out, nil
}

// open opens both formats.
func (k *key) open(r Record, sealed []byte) (plain []byte, err error) {
	named, salt := sealed[:1], sealed[1:]
	if sealed[0] == formatV2 {
		named, salt = sealed[:1+idSize], sealed[1+idSize:]
	}
	aead, err := k.cipher(salt[:saltSize])
	if err != nil {
		return nil, err
	}
	within(func() { plain, err = aead.Open(nil, nil, salt[saltSize:], r.bind(named)) })
	return plain, err
}
