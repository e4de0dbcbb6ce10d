package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

func TestG3AKeyThatDoesNotWorkIsNotProvenByASecondSink(t *testing.T) {
	t.Parallel()
	for _, kind := range []rotator.Kind{rotator.Denied, rotator.Conflict, rotator.Invalid} {
		t.Run(string(kind), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.provider.SetHook(faults("Check", false, 2, 1<<40, rotator.NewFault("check", kind, "no")))
				l := w.start(nil)
				defer l.stop()
				pass(6 * time.Hour)
				if r := l.only(); r.Blocked != rotator.BlockNewKeyRefused {
					t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
				}
				w.wantActive("deploy", "deploy-r0001")
			})
		})
	}
}

// TestG1APlaceThatMovedKeepsItsKey renames the service user between two rotations, so that the second is delivered
// elsewhere. Who still reads the old place, however rarely, must not lose the key there.
func TestG1APlaceThatMovedKeepsItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.slow()
		l := w.start(nil)
		defer l.stop()
		pass(day)
		w.wantActive("deploy-r0001")
		for _, sink := range w.sinks {
			sink.Where = func(c rotator.Coordinates) string { return "moved/" + c.Credential }
		}
		pass(62 * day)
		w.wantActive("deploy-r0001", "deploy-r0002")
		open, err := l.store.Rotations(t.Context(), false, 10)
		if err != nil || len(open) != 1 || open[0].Blocked != rotator.BlockSinkMismatch {
			t.Fatalf("open rotations %+v, %v", open, err)
		}
		for _, sink := range w.sinks {
			sink.Remove("cc/ci-build/deploy")
		}
		pass(2 * time.Hour)
		w.wantActive("deploy-r0002")
	})
}

// atTheCap brings the credential to its cap of two keys: one of ours that was superseded, revoked and brought back by
// hand, and the current one, which is about to become due.
func atTheCap(t *testing.T, w *world, l *life) {
	t.Helper()
	pass(62 * day)
	w.wantActive("deploy-r0002")
	if err := (rotatortest.Disabling{Provider: w.provider}).Enable(t.Context(), rotator.Key{ID: "2"}); err != nil {
		t.Fatal(err)
	}
	w.wantActive("deploy-r0001", "deploy-r0002")
	pass(57 * day)
	if n := len(l.rotations()); n > 3 { // one more where a scan and the end of a rotation met
		t.Fatalf("%d rotations before the third is due", n)
	}
}

func TestG4NoRoomIsMadeWithAKeyInUse(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.slow()
		w.policies[0].Idle, w.policies[0].Grace, w.policies[0].Soak = 0, 0, 0
		l := w.start(nil)
		defer l.stop()
		atTheCap(t, w, l)
		for range 5 * 24 {
			if _, err := w.provider.Use(w.provider.SecretOf("2")); err != nil {
				t.Fatal("the key that is in use was revoked to make room")
			}
			pass(time.Hour)
		}
		pass(2 * day)
		w.wantThird()
	})
}

// wantThird checks that the third key is the only one. A rotation that was planned where a scan and the end of the second
// met may have spent a version before it.
func (w *world) wantThird() {
	w.t.Helper()
	w.wantRotated()
	if got := w.provider.Active(user); !slices.Equal(got, []string{"deploy-r0003"}) && !slices.Equal(got, []string{"deploy-r0004"}) {
		w.t.Errorf("active keys %v, want the third alone", got)
	}
}

func TestG4RoomIsMadeWithAnIdleKeyOfOurs(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.slow()
		lag := &lagging{lag: 2 * time.Minute}
		w.outerProvider = func(p rotator.Provider) rotator.Provider { lag.Provider = p; return lag }
		l := w.start(nil)
		defer l.stop()
		atTheCap(t, w, l)
		lag.on.Store(true)
		pass(5 * day)
		w.wantThird()
		if n := lag.retired.Load(); n > 20 {
			t.Errorf("%d calls to retire while the provider's list lags two minutes behind", n)
		}
	})
}

// lagging is a provider whose lists show a revoked key as active for a while after it was revoked.
type lagging struct {
	rotator.Provider
	lag     time.Duration
	on      atomic.Bool
	retired atomic.Int32
	mu      sync.Mutex
	since   map[string]time.Time
}

func (p *lagging) Retire(ctx context.Context, k rotator.Key) error {
	p.retired.Add(1)
	p.mu.Lock()
	if _, ok := p.since[k.ID]; !ok && p.on.Load() {
		if p.since == nil {
			p.since = map[string]time.Time{}
		}
		p.since[k.ID] = time.Now()
	}
	p.mu.Unlock()
	return p.Provider.Retire(ctx, k)
}

func (p *lagging) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	if p.on.Load() && p.retired.Load() > 100 {
		return rotator.NewFault("list", rotator.Denied, "too many calls")
	}
	return p.Provider.Scan(ctx, s, stale{Visitor: v, p: p})
}

type stale struct {
	rotator.Visitor
	p *lagging
}

func (s stale) Key(k rotator.Key) error {
	s.p.mu.Lock()
	since, ok := s.p.since[k.ID]
	s.p.mu.Unlock()
	if ok && time.Since(since) < s.p.lag {
		k.State = rotator.KeyActive
	}
	return s.Visitor.Key(k)
}

// forgetful leaves the old key out of the lists of a user, some times in a row.
type forgetful struct {
	rotator.Provider
	id    string
	times atomic.Int32
}

func (f *forgetful) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	if scope.UserID == "" || f.times.Add(-1) < 0 {
		return f.Provider.Scan(ctx, scope, v)
	}
	return f.Provider.Scan(ctx, scope, without{v, f.id})
}

type without struct {
	rotator.Visitor
	id string
}

func (w without) Key(k rotator.Key) error {
	if k.ID == w.id {
		return nil
	}
	return w.Visitor.Key(k)
}

func TestAKeyThatIsNotListedForAMomentIsNotGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		f := &forgetful{id: "1"}
		w.outerProvider = func(p rotator.Provider) rotator.Provider { f.Provider = p; return f }
		l := w.start(nil)
		defer l.stop()
		pass(30 * time.Minute)
		f.times.Store(1) // at the revocation
		pass(2 * time.Hour)
		w.wantActive("deploy-r0001")
		if r := l.only(); r.Stage != rotator.StageDone {
			t.Errorf("stage %s: %s", r.Stage, r.Trouble)
		}
	})
}

func TestAKeyThatStaysUnlistedIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		f := &forgetful{id: "1"}
		w.outerProvider = func(p rotator.Provider) rotator.Provider { f.Provider = p; return f }
		l := w.start(nil)
		defer l.stop()
		pass(30 * time.Minute)
		f.times.Store(1000)
		pass(2 * time.Hour)
		if r := l.only(); r.Stage != rotator.StageDone || !strings.Contains(r.Why, "already gone") {
			t.Errorf("stage %s: %s %s", r.Stage, r.Why, r.Trouble)
		}
	})
}

// deaf says that it revoked and does not, some times in a row.
type deaf struct {
	rotator.Provider
	times, calls atomic.Int32
}

func (d *deaf) Retire(ctx context.Context, k rotator.Key) error {
	d.calls.Add(1)
	if d.times.Add(-1) >= 0 {
		return nil
	}
	return d.Provider.Retire(ctx, k)
}

func TestARevocationIsBelievedWhenTheKeyIsGone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		d := &deaf{}
		d.times.Store(40)
		w.outerProvider = func(p rotator.Provider) rotator.Provider { d.Provider = p; return d }
		l := w.start(nil)
		defer l.stop()
		pass(65 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageRevoking || r.Blocked != rotator.BlockOldKeyUnclear {
			t.Errorf("stage %s, blocked %q while the provider only says that it revokes", r.Stage, r.Blocked)
		}
		pass(2 * time.Hour)
		w.wantActive("deploy-r0001")
		if r := l.only(); r.Stage != rotator.StageDone || d.calls.Load() != 41 {
			t.Errorf("stage %s after %d calls", r.Stage, d.calls.Load())
		}
	})
}
