package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// unable does not take what is written of a new service user's first key, some times in a row.
type unable struct {
	rotator.Store
	what  string
	times int
}

func (u *unable) fails(what string) error {
	if what != u.what || u.times == 0 {
		return nil
	}
	u.times--
	return rotator.NewFault(what, rotator.Transient, "the disk is full")
}

// Commit implements [rotator.Journal].
func (u *unable) Commit(ctx context.Context, c rotator.Change) error {
	if err := u.fails(string(c.After.Stage)); err != nil {
		return err
	}
	return u.Store.Commit(ctx, c)
}

// Merge implements [rotator.Inventory]: of a scan, which brings keys, everything is taken.
func (u *unable) Merge(ctx context.Context, provider string, users []rotator.UserRow, keys []rotator.KeyRow) error {
	if len(keys) == 0 {
		if err := u.fails("user"); err != nil {
			return err
		}
	}
	return u.Store.Merge(ctx, provider, users, keys)
}

// HighestVersion implements [rotator.Journal].
func (u *unable) HighestVersion(ctx context.Context, c rotator.CredentialID) (int, error) {
	if err := u.fails("version"); err != nil && c.Base == "bot" {
		return 0, err
	}
	return u.Store.HighestVersion(ctx, c)
}

// TestG2AFirstKeySurvivesAJournalThatFails for as long as its secret may be held in memory; then it is revoked, and another is made.
func TestG2AFirstKeySurvivesAJournalThatFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what           string
		times, retired int
	}{{"user", 5, 0}, {"version", 1, 0}, {"planned", 5, 0}, {"minted", 5, 0}, {"user", 40, 1}, {"planned", 40, 1}, {"minted", 40, 1}} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			l := w.startWith(func(s rotator.Store) rotator.Store { return &unable{s, tt.what, tt.times} })
			defer l.stop()
			pass(3 * time.Hour)
			w.wantRobot()
			if n := w.provider.Calls("Retire"); n != tt.retired {
				t.Errorf("%s fails %d times: %d keys revoked, want %d", tt.what, tt.times, n, tt.retired)
			}
		})
	}
}

// TestG5ALostFirstKeyThatIsListedLateIsWaitedFor: no other key is made under its name meanwhile, and it is revoked.
func TestG5ALostFirstKeyThatIsListedLateIsWaitedFor(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		w.provider.SetListAfter(w.provider.Lim.Propagation * 3 / 4)
		w.provider.SetHook(faults("CreateUser", true, 1, 1, rotator.NewFault("create user", rotator.UnknownOutcome, "connection reset")))
		l := w.start(nil)
		defer l.stop()
		pass(time.Second)
		l.engine.ScanNow()
		pass(time.Second)
		l.wantProvision(rotator.ProvisionIntended, "is not listed yet")
		pass(3 * time.Hour)
		w.wantRobot()
		var names []string
		for _, k := range w.provider.Keys() {
			if k.UserID == "u1" {
				names = append(names, k.Name)
			}
		}
		if slices.Sort(names); !slices.Equal(names, []string{"bot-r0001", "bot-r0002"}) {
			t.Errorf("keys %v were made", names)
		}
		if n := w.provider.Calls("CreateUser"); n != 1 {
			t.Errorf("%d calls to create it", n)
		}
	})
}
