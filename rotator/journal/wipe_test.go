package journal

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// sealedBytes stand for a sealed secret; long enough that SQLite puts them on pages of their own.
var sealedBytes = []byte(strings.Repeat("SEALED-SECRET-IN-FLIGHT/", 400))

// walk leads a new rotation up to the stage.
func walk(t *testing.T, s *Store, n int, to rotator.Stage) rotator.Rotation {
	t.Helper()
	c := planned(n)
	for {
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		r := c.After
		if r.Stage == to {
			return r
		}
		switch r.Stage {
		case rotator.StagePlanned:
			c = r.BeginMint(epoch)
		case rotator.StageMinting:
			c = r.Seal(rotator.Minted{KeyID: "new"}, sealedBytes, "fp-0", epoch)
		case rotator.StageMinted:
			c = r.BeginTest(epoch, time.Minute)
		case rotator.StageTesting:
			c = r.Proven(epoch)
		default:
			t.Fatalf("no way from %s to %s", r.Stage, to)
		}
	}
}

// filesHold reports whether any file of the journal holds a part of the sealed secret.
func filesHold(t *testing.T, s *Store) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(s.path), "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("the journal's files: %v, %v", files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, sealedBytes[:24]) {
			return true
		}
	}
	return false
}

func TestAnIdleJournalWipesErasedSecrets(t *testing.T) {
	ways := map[string]func(t *testing.T, s *Store) rotator.Change{
		"confirmed": func(t *testing.T, s *Store) rotator.Change {
			r := walk(t, s, 1, rotator.StageDelivering)
			return r.Confirm(r.Sinks, epoch)
		},
		"abandoned": func(t *testing.T, s *Store) rotator.Change {
			r := walk(t, s, 1, rotator.StageTesting)
			c := r.Reject("refused", epoch)
			if err := s.Commit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			return c.After.Abandon(epoch, time.Time{})
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openTemp(t)
				erase := way(t, s)
				if !filesHold(t, s) {
					t.Fatal("the sealed secret is nowhere before it is erased: this test sees nothing")
				}
				if err := s.Commit(t.Context(), erase); err != nil {
					t.Fatal(err)
				}
				time.Sleep(defaultWipeAfter)
				synctest.Wait()
				if filesHold(t, s) {
					t.Error("the sealed secret is still in a file of the journal")
				}
			})
		})
	}
}

func TestCloseWipesErasedSecrets(t *testing.T) {
	s := openIn(t, t.TempDir(), Options{WipeAfter: time.Hour})
	r := walk(t, s, 1, rotator.StageDelivering)
	if err := s.Commit(t.Context(), r.Confirm(r.Sinks, epoch)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if filesHold(t, s) {
		t.Error("the sealed secret is still in a file of the closed journal")
	}
}

func TestABusyJournalWipesErasedSecretsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		r := walk(t, s, 1, rotator.StageDelivering)
		if err := s.Commit(t.Context(), r.Confirm(r.Sinks, epoch)); err != nil {
			t.Fatal(err)
		}
		for n := 2; n < 2+int(wipeAtLatest/time.Second)+2; n++ {
			time.Sleep(time.Second) // less than it takes to be idle
			if err := s.Commit(t.Context(), planned(n)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if filesHold(t, s) {
			t.Error("the sealed secret is still in a file of the journal")
		}
	})
}

func TestAReaderPutsTheWipeOffAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTemp(t)
		r := walk(t, s, 1, rotator.StageDelivering)
		confirm := r.Confirm(r.Sinks, epoch)
		err := s.each(t.Context(), rotationByID, []any{r.ID}, func(*sql.Rows) error {
			if err := s.Commit(t.Context(), confirm); err != nil {
				return err
			}
			time.Sleep(defaultWipeAfter)
			synctest.Wait()
			if !filesHold(t, s) {
				t.Error("the log was truncated under a reader")
			}
			if err := s.Commit(t.Context(), planned(2)); err != nil {
				return err
			}
			return errStop
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(defaultWipeAfter)
		synctest.Wait()
		if filesHold(t, s) {
			t.Error("the sealed secret is still in a file of the journal after the reader left")
		}
	})
}

func TestTheNextProcessWipesWhatADeadOneLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openIn(t, t.TempDir(), Options{WipeAfter: time.Hour})
		r := walk(t, s, 1, rotator.StageDelivering)
		if err := s.Commit(t.Context(), r.Confirm(r.Sinks, epoch)); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for _, suffix := range []string{"", "-wal"} { // as a death now would leave them
			content, err := os.ReadFile(s.path + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(s.path)+suffix), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		next := openIn(t, dir, Options{})
		if !filesHold(t, next) {
			t.Fatal("nothing is left of the sealed secret: this test sees nothing")
		}
		time.Sleep(defaultWipeAfter)
		synctest.Wait()
		if filesHold(t, next) {
			t.Error("the sealed secret is still in a file of the journal")
		}
	})
}

func TestOnlyTheEndOfDeliveryErasesTheSealedSecret(t *testing.T) {
	s := openTemp(t)
	r := walk(t, s, 1, rotator.StageDelivering)
	r.Sealed = nil // as if the caller had lost it
	c := r.Wait("a sink is down", epoch)
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, err := s.Rotation(t.Context(), r.ID)
	if err != nil || !bytes.Equal(got.Sealed, sealedBytes) {
		t.Errorf("the sealed secret has %d bytes, want %d: %v", len(got.Sealed), len(sealedBytes), err)
	}
}

func TestAnUnsealedSecretIsNotRecordedAsMinted(t *testing.T) {
	s := openTemp(t)
	r := walk(t, s, 1, rotator.StageMinting)
	c := r.Seal(rotator.Minted{KeyID: "new"}, nil, "fp-0", epoch)
	if err := s.Commit(t.Context(), c); rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("got %v, want a fault of kind invalid", err)
	}
	if n, err := s.Name(t.Context(), r.Provider, r.UserID, r.NewKey.Name); err != nil || n.Sealed {
		t.Errorf("the name is recorded as sealed: %v, %v", n.Sealed, err)
	}
}

func TestChangesThatNoRotationMakesAreInvalid(t *testing.T) {
	s := openTemp(t)
	r := planned(1).After
	cases := map[string]rotator.Change{
		"no id":                    {After: rotator.Rotation{Seq: 1, Stage: rotator.StagePlanned}},
		"a jump in seq":            {From: rotator.StagePlanned, Seq: 1, After: rotator.Rotation{ID: r.ID, Seq: 3, Stage: rotator.StageMinting}},
		"a start in the middle":    {After: rotator.Rotation{ID: r.ID, Seq: 1, Stage: rotator.StageDelivering}},
		"a move from a final one ": {From: rotator.StageDone, Seq: 5, After: rotator.Rotation{ID: r.ID, Seq: 6, Stage: rotator.StageGrace}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := s.Commit(context.Background(), c); rotator.KindOf(err) != rotator.Invalid {
				t.Errorf("got %v, want a fault of kind invalid", err)
			}
		})
	}
}
