package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/seal"
)

// store opens the journal of a daemon that does not run.
func (w *world) store() *journal.Store {
	w.t.Helper()
	s, err := journal.Open(w.t.Context(), w.path("state/rotatord.db"), journal.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() }) // closed before where that matters
	return s
}

// undeliverable puts a folder where the service user's file belongs: its rotation stays in delivering until free takes it away.
func (w *world) undeliverable(name string) (free func()) {
	w.t.Helper()
	at := w.path("keys/" + name)
	if err := os.MkdirAll(filepath.Join(at, "occupied"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(at); err != nil {
			w.t.Error(err)
		}
	}
}

// inStage waits until the only rotation is in the stage, and returns it.
func (r *running) inStage(stage rotator.Stage) (found rotator.Rotation) {
	r.t.Helper()
	await(r.t, "a rotation in "+string(stage), func() error {
		open, err := r.store.Rotations(r.t.Context(), false, 10)
		if err != nil {
			return err
		}
		if len(open) != 1 || open[0].Stage != stage {
			return fmt.Errorf("there is %v", open)
		}
		found = open[0]
		return nil
	})
	return found
}

func (r *running) allEnd() {
	r.t.Helper()
	await(r.t, "the rotations to end", func() error {
		open, err := r.store.Rotations(r.t.Context(), false, 10)
		if err == nil && len(open) > 0 {
			o := open[0]
			err = fmt.Errorf("%d are open, the first in %s: %s %s", len(open), o.Stage, o.Blocked, o.Trouble)
		}
		return err
	})
}

// TestTheSealKeyIsExchangedWhileASecretIsInFlight goes the whole way: a new key in front, a reload, the old key dropped, a
// restart with the new one alone. The secret arrives, and its fingerprint, made before, still compares.
func TestTheSealKeyIsExchangedWhileASecretIsInFlight(t *testing.T) {
	w := newWorld(t)
	free := w.undeliverable("ci-build")
	w.user("ci-build", "deploy", 40*24*time.Hour)
	r := w.run()
	before := r.inStage(rotator.StageDelivering)
	keys, err := seal.PutKeyFirst(w.path("seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := r.client.Seal(t.Context())
	if err != nil || st.Sealed != 1 || st.Behind != 0 || st.Keys[0] != keys.Names()[0] {
		t.Errorf("after the exchange: %+v, %v", st, err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.KeepFirstKey(w.path("seal.key")); err != nil {
		t.Fatal(err)
	}
	r = w.run()
	after := r.inStage(rotator.StageDelivering)
	if after.Fingerprint != before.Fingerprint || bytes.Equal(after.Sealed, before.Sealed) {
		t.Errorf("fingerprint %s, was %s; the sealed secret is the same: %v", after.Fingerprint, before.Fingerprint, bytes.Equal(after.Sealed, before.Sealed))
	}
	free()
	r.allEnd()
}

func TestAReloadKeepsTheSealWhereTheKeyFileIsBad(t *testing.T) {
	w := newWorld(t)
	free := w.undeliverable("ci-build")
	w.user("ci-build", "deploy", 40*24*time.Hour)
	r := w.run()
	r.inStage(rotator.StageDelivering)
	w.write("seal.key", "nonsense")
	if err := r.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "seal key file") {
		t.Errorf("a reload with a bad key file: %v", err)
	}
	free()
	r.allEnd()
}

// TestAWholeNewKeyFileIsTakenAtAReload: the daemon still has the old key in memory, so nothing is lost.
func TestAWholeNewKeyFileIsTakenAtAReload(t *testing.T) {
	w := newWorld(t)
	free := w.undeliverable("ci-build")
	w.user("ci-build", "deploy", 40*24*time.Hour)
	r := w.run()
	r.inStage(rotator.StageDelivering)
	w.write("seal.key", seal.NewKey())
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = w.run()
	free()
	r.allEnd()
}

// TestAnExchangeThatTheJournalRefusesChangesNothing: nothing may be sealed under a key that a start would not have.
func TestAnExchangeThatTheJournalRefusesChangesNothing(t *testing.T) {
	w := newWorld(t)
	if err := w.run().stop(); err != nil {
		t.Fatal(err)
	}
	store := w.store()
	s := &sealing{sealer: new(seal.Sealer), store: store, log: zap.NewNop()}
	keys, err := seal.ReadKeyFile(w.path("seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.use(t.Context(), keys, ""); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := seal.ParseKey([]byte(seal.NewKey()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.use(t.Context(), other, ""); err == nil {
		t.Fatal("a closed journal took an exchange")
	}
	if s.sealer.Check() != keys.Check() {
		t.Error("the new key seals, and the journal knows nothing of it")
	}
}

// TestWhatWasSealedBeforeAnExchangeIsCommittedUnderTheNewKey: a step may have sealed a secret that is not in the journal yet
// when the key is exchanged.
func TestWhatWasSealedBeforeAnExchangeIsCommittedUnderTheNewKey(t *testing.T) {
	w := newWorld(t)
	if err := w.run().stop(); err != nil {
		t.Fatal(err)
	}
	store := w.store()
	s := &sealing{sealer: new(seal.Sealer), store: store, log: zap.NewNop()}
	old, err := seal.ReadKeyFile(w.path("seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.use(t.Context(), old, ""); err != nil {
		t.Fatal(err)
	}
	through := sealedStore{store, s}
	c := rotator.Plan("r1", rotator.Rotation{CredentialID: rotator.CredentialID{Provider: "p", UserID: "u", Base: "ci"}, Version: 1,
		NewKey: rotator.KeyRef{Name: "ci-r0001"}, Sinks: []rotator.SinkProgress{{Sink: "disk", Location: "/x"}}}, time.Now(), "planned")
	commit := func(c rotator.Change) rotator.Rotation {
		t.Helper()
		if err := through.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return c.After
	}
	r := commit(c)
	r = commit(r.BeginMint(time.Now()))
	secret := rotator.SecretString("minted right before the exchange")
	sealed, err := s.sealer.Seal(seal.RecordOf(&r), secret)
	if err != nil {
		t.Fatal(err)
	}
	next, err := seal.ParseKey([]byte(seal.NewKey()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.use(t.Context(), next, ""); err != nil {
		t.Fatal(err)
	}
	r = commit(r.Seal(rotator.Minted{KeyID: "k"}, sealed, s.sealer.Fingerprint(secret), time.Now()))
	got, err := store.Rotation(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := next.Open(seal.RecordOf(&got), got.Sealed); err != nil || !opened.Equal(secret) {
		t.Errorf("with the new key alone it does not open: %v", err)
	}
}

// TestAJournalFromBeforeKeysHadNames opens what the first release wrote, under the key that it wrote it with and behind another.
func TestAJournalFromBeforeKeysHadNames(t *testing.T) {
	const secret = "the-secret-that-was-sealed-before-keys-had-names"
	key := make([]byte, seal.KeySize)
	for i := range key {
		key[i] = byte(11 + i*7)
	}
	text := base64.StdEncoding.EncodeToString(key) + "\n"
	for name, file := range map[string]string{"its key": text, "its key behind a new one": seal.NewKey() + "\n" + text} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("seal.key", file)
			fixture, err := os.ReadFile("testdata/seal-v1.db")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(w.path("state"), 0o700); err != nil {
				t.Fatal(err)
			}
			w.write("state/rotatord.db", string(fixture))
			a, err := New(t.Context(), w.options())
			if err != nil {
				t.Fatal(err)
			}
			a.close()
			keys, err := seal.ReadKeyFile(w.path("seal.key"))
			if err != nil {
				t.Fatal(err)
			}
			store := w.store()
			st, err := store.SealState(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := useFingerprintKey(keys, st); err != nil {
				t.Fatal(err)
			}
			got, err := store.Rotation(t.Context(), "01FIXTURE")
			if err != nil {
				t.Fatal(err)
			}
			opened, err := keys.Open(seal.RecordOf(&got), got.Sealed)
			if err != nil || string(opened.Reveal()) != secret || !keys.Current(got.Sealed) {
				t.Errorf("it opens: %v; under the first key: %v", err, keys.Current(got.Sealed))
			}
			if f := keys.Fingerprint(rotator.SecretString(secret)); f != got.Fingerprint {
				t.Errorf("the fingerprint is %s, and the journal has %s", f, got.Fingerprint)
			}
		})
	}
}

func TestAStartWithAnotherSealKeyIsRefused(t *testing.T) {
	w := newWorld(t)
	if err := w.run().stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := AbandonSeal(t.Context(), w.path("rotatord.yaml"), true); err == nil || !strings.Contains(err.Error(), "nothing is lost") {
		t.Errorf("giving up a key that is there: %v", err)
	}
	w.write("seal.key", seal.NewKey())
	_, err := New(t.Context(), w.options())
	if rotator.KindOf(err) != rotator.Conflict || !strings.Contains(err.Error(), "rotatord seal abandon") || !strings.Contains(err.Error(), "put the old key file") {
		t.Errorf("a start with another key: %v", err)
	}
}

// twoSinks has one sink that takes deliveries and one that may not.
var twoSinks = strings.NewReplacer(
	"policies:", "  - {name: second, type: file, path: \"DIR/second/{{.ServiceUser}}\"}\npolicies:",
	"sinks: [disk]}", "sinks: [disk, second]}",
).Replace(usual)

// TestG1ALostSealKeyCostsNoConsumerItsKey loses the seal key in each stage that needs it. From the first delivery on, whatever a
// sink holds is accepted by the provider, and the key that consumers began with is until every sink holds another.
func TestG1ALostSealKeyCostsNoConsumerItsKey(t *testing.T) {
	hang := emulator.Fault{Match: emulator.Match{Method: http.MethodGet, Path: "/user/me"},
		Effect: emulator.Effect{Kind: emulator.EffectDelay, Delay: emulator.Duration(time.Hour)}}
	for _, tc := range []struct {
		stage rotator.Stage
		// disturb keeps the rotation in the stage; mend lets it go on.
		disturb, mend func(*world)
		// ends is how the rotation ends after the loss.
		ends rotator.Stage
	}{
		{rotator.StageTesting, func(w *world) { must(w.t, w.emulator.Faults.Add(hang)) }, func(w *world) { w.emulator.Faults.Remove("") }, rotator.StageAbandoned},
		{rotator.StageDelivering, func(w *world) { must(w.t, os.MkdirAll(w.path("second/ci-build/occupied"), 0o700)) },
			func(w *world) { must(w.t, os.RemoveAll(w.path("second/ci-build"))) }, rotator.StageDone},
		{rotator.StageGrace, func(*world) {}, func(*world) {}, rotator.StageDone},
	} {
		t.Run(string(tc.stage), func(t *testing.T) {
			w := newWorld(t)
			w.drain = 100 * time.Millisecond
			w.configure(strings.Replace(twoSinks, "grace: 0s", "grace: 2s", 1))
			user := w.emulator.AddUser(emulator.CertCentralUser{Username: "ci-build"})
			first, _, err := w.emulator.AddKey(emulator.CertCentralKey{UserID: user, Name: "deploy", Created: time.Now().Add(-40 * 24 * time.Hour)})
			must(t, err)
			tc.disturb(w)
			r := w.run()
			lost := r.inStage(tc.stage)
			must(t, r.stop())
			w.write("seal.key", seal.NewKey())
			w.abandon(lost.ID)
			tc.mend(w)
			ctx, stop := context.WithCancel(t.Context())
			watched := make(chan error, 1)
			go func() { watched <- w.watch(ctx, first) }()
			r = w.run()
			r.allEnd()
			stop()
			must(t, <-watched)
			ended, err := r.store.Rotation(t.Context(), lost.ID)
			must(t, err)
			if ended.Stage != tc.ends {
				t.Errorf("the rotation ended in %s (%s), want %s", ended.Stage, ended.Why, tc.ends)
			}
			w.inTheEnd(user, first, lost.NewKey, tc.ends)
		})
	}
}

// inTheEnd: the key whose secret was lost is revoked; the one from before is too, if and only if another is in its place.
func (w *world) inTheEnd(user, first int64, lost rotator.KeyRef, ends rotator.Stage) {
	w.t.Helper()
	for _, k := range w.emulator.Keys(user) {
		active := k.Status == "active"
		switch {
		case fmt.Sprint(k.ID) == lost.ID && active:
			w.t.Errorf("key %s, whose secret is lost, was not revoked", k.Name)
		case k.ID == first && active != (ends == rotator.StageAbandoned):
			w.t.Errorf("the rotation ended as %s, and the key from before it is %s", ends, k.Status)
		}
	}
}

// abandon gives the seal key up, after a look that changes nothing.
func (w *world) abandon(rotation string) {
	w.t.Helper()
	for _, do := range []bool{false, true} {
		losses, err := AbandonSeal(w.t.Context(), w.path("rotatord.yaml"), do)
		must(w.t, err)
		if len(losses) != 1 || losses[0].Rotation != rotation || losses[0].Then == "" {
			w.t.Fatalf("what is lost: %+v", losses)
		}
	}
	if _, err := AbandonSeal(w.t.Context(), w.path("rotatord.yaml"), true); !errors.Is(err, ErrNothingLost) {
		w.t.Errorf("a second time: %v", err)
	}
}

// watch looks at guarantee G1 until ctx ends, and returns the first breach.
func (w *world) watch(ctx context.Context, first int64) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		k, _ := w.emulator.Key(first)
		for _, sink := range []string{"keys", "second"} {
			id, active := w.holds(sink)
			if id != 0 && !active {
				if again, _ := w.holds(sink); again == id { // else it was replaced between the read and the look
					return fmt.Errorf("sink %s holds key %d, which the provider does not accept", sink, id)
				}
			}
			if id == 0 && k.Status != "active" {
				return fmt.Errorf("the old key is %s, and sink %s holds no key", k.Status, sink)
			}
		}
		<-tick.C
	}
	return nil
}

// holds is the key that the sink has for ci-build; 0 for none.
func (w *world) holds(sink string) (id int64, active bool) {
	content, err := os.ReadFile(w.path(sink + "/ci-build"))
	if err != nil {
		return 0, false
	}
	k, _ := w.emulator.KeyOfSecret(string(content))
	return k.ID, k.Status == "active"
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
