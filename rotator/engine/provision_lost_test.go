package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
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
	err := u.Store.Commit(ctx, c)
	if late := u.fails("after " + string(c.After.Stage)); late != nil && err == nil {
		return late
	}
	return err
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
	}{{"user", 5, 0}, {"version", 1, 0}, {"planned", 5, 0}, {"after planned", 1, 0}, {"minted", 5, 0}, {"user", 40, 1}, {"planned", 40, 1}, {"minted", 40, 1}} {
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

// TestG5ALostFirstKeyThatIsListedLateIsWaitedFor, also where the provider is later than it says: no other key is made under its name
// meanwhile, and it is revoked.
func TestG5ALostFirstKeyThatIsListedLateIsWaitedFor(t *testing.T) {
	t.Parallel()
	for _, late := range []float64{0.75, 2.6} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			propagation := w.provider.Lim.Propagation
			w.provider.SetListAfter(time.Duration(late * float64(propagation)))
			w.provider.SetHook(faults("CreateUser", true, 1, 1, rotator.NewFault("create user", rotator.UnknownOutcome, "connection reset")))
			l := w.start(nil)
			defer l.stop()
			pass(time.Second)
			l.engine.ScanNow()
			pass(time.Second)
			l.wantProvision(rotator.ProvisionIntended, "is not listed yet")
			for range 10 {
				pass(propagation / 2)
				l.engine.ScanNow()
			}
			pass(3 * time.Hour)
			w.wantRobot()
			if names := w.namesOf("u1"); !slices.Equal(names, []string{"bot-r0001", "bot-r0002"}) {
				t.Errorf("listed %v propagations late: keys %v were made", late, names)
			}
			if n := w.provider.Calls("CreateUser"); n != 1 {
				t.Errorf("%d calls to create it", n)
			}
		})
	}
}

// TestG2ALostUserThatShowsItselfAfterAnotherTryFailed has a provider that lists a new user much later than it says, and
// refuses a second of the same name. The key that came with the first may bear a name of the provider's choice.
func TestG2ALostUserThatShowsItselfAfterAnotherTryFailed(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{false, true} {
		bubble(t, func(t *testing.T, w *world) {
			w.declares()
			w.provider.Lim.NamesFirstKey = named
			w.capable.SetShowAfter(40 * time.Minute)
			taken := faults("CreateUser", false, 2, 1<<40, rotator.NewFault("create user", rotator.Conflict, "the name is taken"))
			lost := faults("CreateUser", true, 1, 1, rotator.NewFault("create user", rotator.UnknownOutcome, "connection reset"))
			w.provider.SetHook(func(op string, after bool) error { return errors.Join(taken(op, after), lost(op, after)) })
			l := w.start(nil)
			defer l.stop()
			pass(20 * time.Minute)
			l.wantProvision(rotator.ProvisionFailed, "the name is taken")
			pass(2 * time.Hour)
			w.wantRobot()
		})
	}
}

// namesOf are the names of all keys that a user ever had.
func (w *world) namesOf(user string) (names []string) {
	for _, k := range w.provider.Keys() {
		if k.UserID == user {
			names = append(names, k.Name)
		}
	}
	slices.Sort(names)
	return names
}

// skewedDirectory is a provider that creates users and whose clock is not ours.
type skewedDirectory struct {
	skewed
	rotator.Directory
}

// TestNoServiceUserIsMadeByAWrongClock: whether a key came with it could not be told by its time.
func TestNoServiceUserIsMadeByAWrongClock(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.declares()
		var ahead atomic.Int64
		ahead.Store(int64(14 * day))
		w.outerProvider = func(p rotator.Provider) rotator.Provider {
			directory, ok := p.(rotator.Directory)
			if !ok {
				t.Fatal("the provider creates no users")
			}
			return skewedDirectory{skewed{p, &ahead}, directory}
		}
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		l.wantProvision(rotator.ProvisionFailed, "this machine's clock is 336h0m0s behind the provider's")
		if n := w.provider.Calls("CreateUser"); n != 0 {
			t.Errorf("%d calls to create it", n)
		}
		ahead.Store(0)
		pass(2 * time.Hour)
		w.wantRobot()
	})
}
