package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

var record = Record{Provider: "certcentral", UserID: "42", Base: "ci", Version: 7, Rotation: "01J", Purpose: "delivery"}

const plaintext = "the-secret-of-the-ci-key-0123456789"

func testKey(seed byte) []byte {
	key := make([]byte, KeySize)
	for i := range key {
		key[i] = seed + byte(i*7)
	}
	return key
}

func newSealer(t testing.TB, seed byte) *Sealer {
	t.Helper()
	s, err := New(testKey(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t testing.TB, s *Sealer, r Record) []byte {
	t.Helper()
	b, err := s.Seal(r, rotator.SecretString(plaintext))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenReturnsWhatWasSealed(t *testing.T) {
	s := newSealer(t, 1)
	b := sealed(t, s, record)
	if bytes.Contains(b, []byte(plaintext)) {
		t.Fatal("the sealed bytes hold the plaintext")
	}
	got, err := s.Open(record, b)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Equal(rotator.SecretString(plaintext)) {
		t.Fatal("another secret came back")
	}
}

func TestSealNeverRepeatsItself(t *testing.T) {
	s := newSealer(t, 1)
	if bytes.Equal(sealed(t, s, record), sealed(t, s, record)) {
		t.Fatal("two seals of one secret are the same")
	}
}

func TestSealRefusesAnEmptySecret(t *testing.T) {
	_, err := newSealer(t, 1).Seal(record, rotator.Secret{})
	if rotator.KindOf(err) != rotator.Invalid {
		t.Fatalf("got %v, want a fault of kind invalid", err)
	}
}

func TestOpenRefusesAnotherRecord(t *testing.T) {
	s := newSealer(t, 1)
	b := sealed(t, s, record)
	others := map[string]func(*Record){
		"provider":           func(r *Record) { r.Provider = "dataspot" },
		"user":               func(r *Record) { r.UserID = "43" },
		"base":               func(r *Record) { r.Base = "cd" },
		"version":            func(r *Record) { r.Version = 8 },
		"negative version":   func(r *Record) { r.Version = -7 },
		"rotation":           func(r *Record) { r.Rotation = "01K" },
		"purpose":            func(r *Record) { r.Purpose = "undo" },
		"a shifted boundary": func(r *Record) { r.Provider, r.UserID = "certcentral4", "2" },
	}
	for name, change := range others {
		t.Run(name, func(t *testing.T) {
			r := record
			change(&r)
			refused(t, s, r, b)
		})
	}
}

func TestOpenRefusesAnotherSealKey(t *testing.T) {
	refused(t, newSealer(t, 2), record, sealed(t, newSealer(t, 1), record))
}

func TestOpenRefusesEveryChangedByte(t *testing.T) {
	s := newSealer(t, 1)
	b := sealed(t, s, record)
	for i := range b {
		changed := bytes.Clone(b)
		changed[i] ^= 0x10
		refused(t, s, record, changed)
	}
}

func TestOpenRefusesEveryTruncation(t *testing.T) {
	s := newSealer(t, 1)
	b := sealed(t, s, record)
	for n := range b {
		refused(t, s, record, b[:n])
	}
	refused(t, s, record, append(bytes.Clone(b), 0))
}

func refused(t *testing.T, s *Sealer, r Record, b []byte) {
	t.Helper()
	got, err := s.Open(r, b)
	if rotator.KindOf(err) != rotator.Invalid || !got.Empty() {
		t.Fatalf("got an empty secret: %v, error %v; want none and a fault of kind invalid", got.Empty(), err)
	}
	var fault *rotator.Fault
	if !errors.As(err, &fault) || !strings.Contains(err.Error(), r.Rotation) || !strings.Contains(err.Error(), "seal key") {
		t.Fatalf("the error does not say which rotation and what to do: %v", err)
	}
	if strings.Contains(err.Error(), plaintext) {
		t.Fatal("the error holds the secret")
	}
}

func TestNewRefusesWrongLengths(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 64} {
		if _, err := New(make([]byte, n)); err == nil || !strings.Contains(err.Error(), "rotatord seal init") {
			t.Errorf("%d bytes: got %v, want an error that says how to make a key", n, err)
		}
	}
}

func TestNewCopiesTheKey(t *testing.T) {
	key := testKey(1)
	s, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	b := sealed(t, s, record)
	clear(key)
	if _, err := s.Open(record, b); err != nil {
		t.Fatalf("the caller's wiping of its key broke the sealer: %v", err)
	}
}

func TestFingerprint(t *testing.T) {
	s, other := newSealer(t, 1), newSealer(t, 2)
	a := s.Fingerprint(rotator.SecretString(plaintext))
	if len(a) != 3+fingerprintChars || !strings.HasPrefix(a, "fp-") {
		t.Errorf("fingerprint %q has another form", a)
	}
	if a != s.Fingerprint(rotator.SecretString(plaintext)) {
		t.Error("the same secret has two fingerprints")
	}
	if a == s.Fingerprint(rotator.SecretString(plaintext+"x")) {
		t.Error("two secrets share a fingerprint")
	}
	if a == other.Fingerprint(rotator.SecretString(plaintext)) {
		t.Error("the fingerprint does not depend on the seal key")
	}
}

func TestCheckTellsKeysApart(t *testing.T) {
	one, again := newSealer(t, 1), newSealer(t, 1)
	if one.Check() != again.Check() {
		t.Error("one key has two check values")
	}
	if newSealer(t, 1).Check() == newSealer(t, 2).Check() {
		t.Error("two keys share a check value")
	}
}

func TestNoFormatterPrintsTheKeys(t *testing.T) {
	s := newSealer(t, 1)
	keys := [][]byte{testKey(1), s.fingerprint.Reveal()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		printed := fmt.Sprintf(verb, s)
		for _, key := range keys {
			for _, form := range []string{string(key), fmt.Sprintf("%x", key), fmt.Sprintf("%d", key), fmt.Sprintf("%#v", key)} {
				if strings.Contains(printed, strings.Trim(form, "[]")) {
					t.Errorf("%s prints a key: %s", verb, printed)
				}
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := newSealer(f, 1)
	f.Add(sealed(f, s, record))
	f.Add([]byte{})
	f.Add([]byte{formatV1})
	f.Add([]byte{formatV2})
	f.Add(LostMark())
	f.Add(append([]byte{formatV1}, make([]byte, saltSize)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := s.Open(record, b)
		if err == nil && !got.Equal(rotator.SecretString(plaintext)) {
			t.Fatal("something opened that was never sealed")
		}
		if err != nil && rotator.KindOf(err) != rotator.Invalid {
			t.Fatalf("another kind than invalid: %v", err)
		}
	})
}

func BenchmarkSealOpen(b *testing.B) {
	s := newSealer(b, 1)
	for b.Loop() {
		if _, err := s.Open(record, sealed(b, s, record)); err != nil {
			b.Fatal(err)
		}
	}
}
