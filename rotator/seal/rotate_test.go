package seal

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// sealedV1 was made by the release before keys had names, with testKey(1), for record and plaintext.
const sealedV1 = "ASFFBoastjs6WnWf2ss0UtAIghyHhcVYuT91qfaJf+t23K53tu9Q/N9yCKRmGJ412YMbnhkMZAZLCwWQVnPRLW7CzUlrPHXjBf2WQP8A62fImRePnlYUNPraGApvMFN+"

func decode(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ring(t *testing.T, seeds ...byte) *Sealer {
	t.Helper()
	var keys [][]byte
	for _, seed := range seeds {
		keys = append(keys, testKey(seed))
	}
	s, err := New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func opens(t *testing.T, s *Sealer, b []byte) {
	t.Helper()
	got, err := s.Open(record, b)
	if err != nil || !got.Equal(rotator.SecretString(plaintext)) {
		t.Fatalf("it does not open: %v", err)
	}
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	old := sealed(t, newSealer(t, 1), record)
	both := ring(t, 2, 1)
	opens(t, both, old)
	fresh := sealed(t, both, record)
	opens(t, newSealer(t, 2), fresh)
	refused(t, newSealer(t, 1), record, fresh)
	if both.Current(old) || !both.Current(fresh) {
		t.Errorf("current: the old one %v, the new one %v", both.Current(old), both.Current(fresh))
	}
}

func TestWhatWasSealedBeforeKeysHadNamesStillOpens(t *testing.T) {
	b := decode(t, sealedV1)
	opens(t, newSealer(t, 1), b)
	opens(t, ring(t, 3, 2, 1), b)
	refused(t, newSealer(t, 2), record, b)
	if newSealer(t, 1).Current(b) {
		t.Error("a secret without its key's name counts as current: it would never be sealed anew")
	}
	again, err := newSealer(t, 1).Reseal(record, b)
	if err != nil {
		t.Fatal(err)
	}
	opens(t, newSealer(t, 1), again)
}

func TestResealMovesToTheFirstKey(t *testing.T) {
	both := ring(t, 2, 1)
	b, err := both.Reseal(record, sealed(t, newSealer(t, 1), record))
	if err != nil {
		t.Fatal(err)
	}
	opens(t, newSealer(t, 2), b)
	if same, err := both.Reseal(record, b); err != nil || string(same) != string(b) {
		t.Errorf("what is current was sealed anew (%v)", err)
	}
	if _, err := newSealer(t, 3).Reseal(record, b); rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("what does not open was sealed anew: %v", err)
	}
}

func TestTheNameOfTheKeyCannotBeChanged(t *testing.T) {
	one := newSealer(t, 1)
	b := sealed(t, one, record)
	other := sealed(t, newSealer(t, 2), record)
	copy(b[1:1+idSize], other[1:1+idSize])
	refused(t, ring(t, 1, 2), record, b)
}

func TestAnUnknownKeyIsNamed(t *testing.T) {
	_, err := newSealer(t, 2).Open(record, sealed(t, newSealer(t, 1), record))
	if err == nil || !strings.Contains(err.Error(), newSealer(t, 1).Names()[0]) {
		t.Errorf("the error does not say which key is wanted: %v", err)
	}
}

func TestFingerprintsStayTheSameWhenTheKeyIsExchanged(t *testing.T) {
	old := newSealer(t, 1)
	want := old.Fingerprint(rotator.SecretString(plaintext))
	wrapped, err := old.WrapFingerprintKey()
	if err != nil {
		t.Fatal(err)
	}
	both := ring(t, 2, 1)
	if err := both.UseFingerprintKey(wrapped); err != nil {
		t.Fatal(err)
	}
	again, err := both.WrapFingerprintKey()
	if err != nil {
		t.Fatal(err)
	}
	last := newSealer(t, 2)
	if err := last.UseFingerprintKey(again); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Sealer{"with both keys": both, "with the new key alone": last} {
		if got := s.Fingerprint(rotator.SecretString(plaintext)); got != want {
			t.Errorf("%s the fingerprint is %s, and was %s", name, got, want)
		}
	}
	if err := newSealer(t, 3).UseFingerprintKey(again); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v, want ErrOtherKey", err)
	}
}

func TestFingerprintsOfAJournalThatDoesNotKeepTheirKey(t *testing.T) {
	old, both := newSealer(t, 1), ring(t, 2, 1)
	if err := both.UseFingerprintKeyOf(old.Check()); err != nil {
		t.Fatal(err)
	}
	if secret := rotator.SecretString(plaintext); both.Fingerprint(secret) != old.Fingerprint(secret) {
		t.Error("the fingerprint changed with the key")
	}
	if err := newSealer(t, 3).UseFingerprintKeyOf(old.Check()); !errors.Is(err, ErrOtherKey) {
		t.Errorf("another key: %v, want ErrOtherKey", err)
	}
}

func TestAdopt(t *testing.T) {
	s := newSealer(t, 1)
	before := sealed(t, s, record)
	fingerprint := s.Fingerprint(rotator.SecretString(plaintext))
	s.Adopt(newSealer(t, 2))
	opens(t, s, before)
	opens(t, newSealer(t, 2), sealed(t, s, record))
	if s.Fingerprint(rotator.SecretString(plaintext)) != fingerprint {
		t.Error("with another key, fingerprints are others")
	}
	if s.Check() != newSealer(t, 2).Check() {
		t.Error("the new key is not the first")
	}
}

func TestASealerWithoutKeysWaits(t *testing.T) {
	s := new(Sealer)
	b := sealed(t, newSealer(t, 1), record)
	if _, err := s.Seal(record, rotator.SecretString(plaintext)); rotator.KindOf(err) != rotator.Transient {
		t.Errorf("Seal: %v, want a transient fault", err)
	}
	if _, err := s.Open(record, b); rotator.KindOf(err) != rotator.Transient {
		t.Errorf("Open: %v, want a transient fault", err)
	}
	one, again := s.Fingerprint(rotator.SecretString("a")), s.Fingerprint(rotator.SecretString("a"))
	if s.Ready() || one == again {
		t.Error("without a key two fingerprints are the same: a comparison would take anything for a match")
	}
	s.Adopt(newSealer(t, 1))
	opens(t, s, b)
	if !s.Ready() || s.Fingerprint(rotator.SecretString("a")) != newSealer(t, 1).Fingerprint(rotator.SecretString("a")) {
		t.Error("it has a key and does not use it")
	}
}

func TestTheMarkOfALossDoesNotOpen(t *testing.T) {
	refused(t, newSealer(t, 1), record, LostMark())
	if !Lost(LostMark()) || Lost(nil) || Lost(sealed(t, newSealer(t, 1), record)) || !newSealer(t, 1).Current(LostMark()) {
		t.Error("a loss is not told from a sealed secret")
	}
}

func TestKeyFileWithSeveralKeys(t *testing.T) {
	a, b := base64.StdEncoding.EncodeToString(testKey(1)), base64.StdEncoding.EncodeToString(testKey(2))
	s, err := ReadKeyFile(writeKeyFile(t, b+"\n\n"+a+"\n", 0o400))
	if err != nil {
		t.Fatal(err)
	}
	if s.Check() != newSealer(t, 2).Check() || len(s.Names()) != 2 {
		t.Errorf("it holds %v, want the key of the first line first", s.Names())
	}
}

func TestTheKeyFileIsExchangedStepByStep(t *testing.T) {
	path := writeKeyFile(t, base64.StdEncoding.EncodeToString(testKey(1)), 0o440)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	made, err := PutKeyFirst(link)
	if err != nil {
		t.Fatal(err)
	}
	both, err := ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if names := both.Names(); len(names) != 2 || names[0] != made.Names()[0] || names[1] != newSealer(t, 1).Names()[0] {
		t.Fatalf("the file holds %v, want a new key and %s behind it", names, newSealer(t, 1).Names()[0])
	}
	if _, err := KeepFirstKey(link); err != nil {
		t.Fatal(err)
	}
	last, err := ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if names := last.Names(); len(names) != 1 || names[0] != made.Names()[0] {
		t.Errorf("the file holds %v, want %s alone", names, made.Names()[0])
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o440 {
		t.Errorf("the mode is %v, want that of before (%v)", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files were left behind: %v, %v", left, err)
	}
}

func TestAKeyFileThatCannotBeReplacedStaysAsItWas(t *testing.T) {
	path := writeKeyFile(t, strings.Repeat("nonsense", 3), 0o400)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := PutKeyFirst(path); err == nil {
		t.Error("a file that holds no key was taken for one")
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed (%v)", err)
	}
	if _, err := PutKeyFirst(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was replaced")
	}
}

func TestAFileTakesNoKeysWithoutEnd(t *testing.T) {
	path := writeKeyFile(t, NewKey(), 0o400)
	var err error
	for range maxKeyFile / 44 {
		if _, err = PutKeyFirst(path); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "--finish") {
		t.Errorf("a full file: %v, want an error that says how to drop old keys", err)
	}
	if _, err := ReadKeyFile(path); err != nil {
		t.Errorf("the file cannot be read any more: %v", err)
	}
}
