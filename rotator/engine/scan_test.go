package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// hiding is a provider that leaves users or keys out of its lists.
type hiding struct {
	rotator.Provider
	users atomic.Bool
	keys  atomic.Int32 // hides "svc-00" to below this number
}

func (p *hiding) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	return p.Provider.Scan(ctx, s, hidden{Visitor: v, p: p})
}

type hidden struct {
	rotator.Visitor
	p *hiding
}

func (h hidden) User(u rotator.ServiceUser) error {
	if h.p.users.Load() {
		return nil
	}
	return h.Visitor.User(u)
}

func (h hidden) Key(k rotator.Key) error {
	var n int32
	if _, err := fmt.Sscanf(k.Name, "svc-%02d", &n); err == nil && n < h.p.keys.Load() {
		return nil
	}
	return h.Visitor.Key(k)
}

func (w *world) hide() *hiding {
	h := &hiding{}
	w.outerProvider = func(p rotator.Provider) rotator.Provider { h.Provider = p; return h }
	return h
}

func (l *life) state() rotator.ProviderState {
	l.w.t.Helper()
	s, err := l.store.ProviderState(l.w.t.Context(), "cc")
	if err != nil {
		l.w.t.Fatal(err)
	}
	return s
}

// TestKeysThatWereGoneLongAgoDoNotCountAfterARestart lets most keys of a fleet go one by one, and starts again.
func TestKeysThatWereGoneLongAgoDoNotCountAfterARestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		for i := range 10 {
			w.provider.AddKey(user, fmt.Sprintf("svc-%02d", i), time.Now().Add(-day))
		}
		h := w.hide()
		l := w.start(nil)
		for i := range int32(9) {
			pass(15 * time.Minute)
			h.keys.Store(i)
		}
		pass(20 * time.Minute)
		if s := l.state(); s.ScanTrouble != "" {
			t.Fatal(s.ScanTrouble)
		}
		l.stop()
		l = w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if s := l.state(); s.ScanTrouble != "" {
			t.Errorf("after a restart: %s", s.ScanTrouble)
		}
	})
}

// TestG8AKeyThatOneScanLacksStaysInSight hides one key among others, for one scan at a time and then for good.
func TestG8AKeyThatOneScanLacksStaysInSight(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.policies[0].MaxAge = 200 * day
		hidden := rotator.CredentialID{Provider: "cc", UserID: user, Base: "svc-00"}
		w.provider.AddKey(user, hidden.Base, time.Now().Add(-day))
		w.provider.AddKey(user, "svc-01", time.Now().Add(-day))
		h := w.hide()
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		scans := func(lacks int32, want bool) {
			t.Helper()
			h.keys.Store(lacks)
			before := l.state().LastScan
			pass(15 * time.Minute)
			if s := l.state(); !s.LastScan.After(before) || s.ScanTrouble != "" {
				t.Fatalf("no scan since %s: %s", before, s.ScanTrouble)
			}
			keys, err := l.store.Series(t.Context(), hidden)
			if err != nil || len(keys) != 1 {
				t.Fatalf("keys %v, %v", keys, err)
			}
			if missing := !keys[0].MissingSince.IsZero(); missing != want {
				t.Errorf("missing: %t, want %t", missing, want)
			}
		}
		scans(1, false)
		scans(0, false)
		scans(1, false) // it was seen between the two
		scans(1, true)
		scans(0, false)
	})
}

// TestG8AnEmptyListOfUsersDoesNotDismissTheirKeys has a provider that lists every key and, all of a sudden, no service
// user: taken at its word, no key would be managed any more.
func TestG8AnEmptyListOfUsersDoesNotDismissTheirKeys(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart=%v", restart), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.policies[0].MaxAge = 100*day + time.Hour // due in an hour
				w.provider.AddUser("8", "other")
				h := w.hide()
				l := w.start(nil)
				pass(time.Minute)
				h.users.Store(true)
				if restart {
					l.stop()
					l = w.start(nil)
				}
				defer func() { l.stop() }()
				pass(20 * time.Minute)
				if s := l.state(); !strings.Contains(s.ScanTrouble, "service users") {
					t.Errorf("scan trouble %q", s.ScanTrouble)
				}
				pass(5 * time.Minute)
				h.users.Store(false)
				pass(5 * time.Hour)
				w.wantRotated()
				if s := l.state(); s.ScanTrouble != "" {
					t.Error(s.ScanTrouble)
				}
			})
		})
	}
}

// TestUsersThatAreGoneForGoodAreBelieved repeats the claim until it is taken for true.
func TestUsersThatAreGoneForGoodAreBelieved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.policies[0].MaxAge = 200 * day
		h := w.hide()
		l := w.start(nil)
		pass(time.Minute)
		h.users.Store(true)
		pass(2 * time.Hour)
		if s := l.state(); s.ScanTrouble != "" || s.Managed != 0 || s.Users != 0 {
			t.Errorf("state %+v", s)
		}
		l.stop()
		l = w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if s := l.state(); s.ScanTrouble != "" {
			t.Errorf("after a restart: %s", s.ScanTrouble)
		}
		h.users.Store(false)
		pass(20 * time.Minute)
		if s := l.state(); s.Managed != 1 {
			t.Errorf("%d keys managed once the user is listed again", s.Managed)
		}
	})
}

func TestAPauseOutlivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		slow := rotator.NewFault("GET", rotator.Throttled, "slow down")
		slow.RetryAfter = time.Hour
		var n atomic.Int32
		w.provider.SetHook(func(_ string, after bool) error {
			if !after && n.Add(1) == 1 {
				return slow
			}
			return nil
		})
		for range 5 {
			w.lives(10 * time.Minute)
		}
		if got := n.Load(); got != 1 {
			t.Errorf("%d calls while the provider asked for patience", got)
		}
		w.lives(4 * time.Hour)
		w.wantRotated()
	})
}

// TestTheJournalsTroubleIsNotTheProviders fails to store what scans see.
func TestTheJournalsTroubleIsNotTheProviders(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.setup.Scan, _ = rotator.ParseSchedule("* * * * *", "")
		full := &fullDisk{}
		full.left.Store(20)
		l := w.startWith(func(s rotator.Store) rotator.Store { full.Store = s; return full })
		defer l.stop()
		pass(15 * time.Minute)
		if s := l.state(); s.Failures != 0 || s.BreakerOpen || !strings.Contains(s.ScanTrouble, "no space left") {
			t.Errorf("state %+v", s)
		}
		pass(3 * time.Hour)
		w.wantRotated()
	})
}

// fullDisk refuses the first merges.
type fullDisk struct {
	rotator.Store
	left atomic.Int32
}

func (f *fullDisk) Merge(ctx context.Context, provider string, users []rotator.UserRow, keys []rotator.KeyRow) error {
	if f.left.Add(-1) >= 0 {
		return rotator.NewFault("merge", rotator.Transient, "no space left on device")
	}
	return f.Store.Merge(ctx, provider, users, keys)
}
