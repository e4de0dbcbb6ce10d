package journal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

func TestTheStateOfTheSealIsReplacedAsAWhole(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir, Options{})
	none, one := SealState{}, SealState{Check: "one", FingerprintKey: "f1"}
	two := SealState{Check: "two", FingerprintKey: "f2", WrappedKey: "w2"}
	sealState(t, s, none)
	if err := s.ExchangeSeal(t.Context(), none, one, nil); err != nil {
		t.Fatal(err)
	}
	says(t, s.ExchangeSeal(t.Context(), none, two, nil), rotator.Conflict, "somebody else")
	if err := s.ExchangeSeal(t.Context(), one, two, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openIn(t, dir, Options{})
	sealState(t, again, two)
	if err := again.ExchangeSeal(t.Context(), two, one, nil); err != nil {
		t.Fatal(err)
	}
	sealState(t, again, one)
}

func sealState(t *testing.T, s *Store, want SealState) {
	t.Helper()
	if got, err := s.SealState(t.Context()); err != nil || got != want {
		t.Errorf("the state of the seal is %+v, %v, want %+v", got, err, want)
	}
}

func TestExchangeSealReplacesOnlyWhatItSaw(t *testing.T) {
	s := openTemp(t)
	r := walk(t, s, 1, rotator.StageDelivering)
	st := SealState{Check: "one"}
	stale := []Resealed{{r.ID, []byte("other"), []byte("anew")}, {r.ID, sealedBytes[:10], []byte("anew")}, {r.ID, nil, []byte("anew")}, {"nobody", sealedBytes, []byte("anew")}}
	if err := s.ExchangeSeal(t.Context(), SealState{}, st, stale); err != nil {
		t.Fatal(err)
	}
	sealedAs(t, s, &r, sealedBytes)
	good := []Resealed{{r.ID, sealedBytes, []byte("anew")}}
	says(t, s.ExchangeSeal(t.Context(), SealState{}, st, good), rotator.Conflict)
	sealedAs(t, s, &r, sealedBytes)
	says(t, s.ExchangeSeal(t.Context(), st, st, []Resealed{{r.ID, sealedBytes, nil}}), rotator.Invalid, r.ID)
	if err := s.ExchangeSeal(t.Context(), st, st, good); err != nil {
		t.Fatal(err)
	}
	sealedAs(t, s, &r, []byte("anew"))
	c := r.Wait("for the sink", epoch)
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatalf("a step that began before conflicts with it: %v", err)
	}
	sealedAs(t, s, &c.After, []byte("anew"))
}

// sealedAs fails the test if the journal does not hold the rotation as it is in r, with those bytes as its sealed secret.
func sealedAs(t *testing.T, s *Store, r *rotator.Rotation, want []byte) {
	t.Helper()
	got, err := s.Rotation(t.Context(), r.ID)
	if err != nil || !bytes.Equal(got.Sealed, want) || got.Seq != r.Seq || got.Stage != r.Stage {
		t.Errorf("there is %.20q at %s (seq %d), %v, want %.20q", got.Sealed, got.Stage, got.Seq, err, want)
	}
}

func TestAResealedSecretIsWiped(t *testing.T) {
	s := openTemp(t)
	r := walk(t, s, 1, rotator.StageDelivering)
	if !filesHold(t, s) {
		t.Fatal("the sealed secret is nowhere before it is replaced: this test sees nothing")
	}
	if err := s.ExchangeSeal(t.Context(), SealState{}, SealState{Check: "new"}, []Resealed{{r.ID, sealedBytes, []byte("anew")}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if filesHold(t, s) {
		t.Error("what was sealed under the old key is still in a file of the journal")
	}
}

func TestSealedRotationsWalksAll(t *testing.T) {
	s := openTemp(t)
	const many = 205
	for i := range many {
		walk(t, s, i, rotator.StageMinted)
	}
	walk(t, s, many, rotator.StagePlanned)
	seen := map[string]bool{}
	err := s.SealedRotations(t.Context(), func(r *rotator.Rotation) error {
		seen[r.ID] = true
		if !bytes.Equal(r.Sealed, sealedBytes) {
			return errors.New("another secret")
		}
		return nil
	})
	if err != nil || len(seen) != many {
		t.Errorf("%d rotations, %v, want %d", len(seen), err, many)
	}
	stop := errors.New("enough")
	if err := s.SealedRotations(t.Context(), func(*rotator.Rotation) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the walk does not end with the caller's error: %v", err)
	}
}

func TestAbandonSealMarksWhatHasASecretOrAFingerprint(t *testing.T) {
	s := openTemp(t)
	marked := map[rotator.Stage]bool{rotator.StageMinted: true, rotator.StageTesting: true, rotator.StageDelivering: true}
	for i, stage := range []rotator.Stage{rotator.StagePlanned, rotator.StageMinting, rotator.StageMinted, rotator.StageTesting, rotator.StageDelivering} {
		walk(t, s, i, stage)
	}
	to := SealState{Check: "new"}
	_, err := s.AbandonSeal(t.Context(), SealState{Check: "another"}, to, []byte{0})
	says(t, err, rotator.Conflict)
	if got, err := s.Rotation(t.Context(), "rotation-2"); err != nil || !bytes.Equal(got.Sealed, sealedBytes) {
		t.Fatalf("a refused loss changed a secret: %v", err)
	}
	n, err := s.AbandonSeal(t.Context(), SealState{}, to, []byte{0})
	if err != nil || n != int64(len(marked)) {
		t.Fatalf("%d marked, %v", n, err)
	}
	sealState(t, s, to)
	open, err := s.Rotations(t.Context(), false, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range open {
		if got := bytes.Equal(r.Sealed, []byte{0}); got != marked[r.Stage] {
			t.Errorf("in %s it is marked: %v", r.Stage, got)
		}
	}
}
