package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// sleeper is a world whose machine slept: the time went on, and what measures spans stood still. Its provider's clock is right, and the
// daemon knows so from the latest answer alone.
type sleeper struct {
	rotator.Provider
	w      *world
	slept  atomic.Int64
	silent atomic.Bool // no answer says what time it is
	latest atomic.Pointer[rotator.Reading]
}

// maySleep makes a sleeper of the world.
func (w *world) maySleep() *sleeper {
	s := &sleeper{w: w}
	w.clock = rotator.NewClock(func() time.Duration { return time.Duration(s.slept.Load()) })
	w.outerProvider = func(p rotator.Provider) rotator.Provider { s.Provider = p; return s }
	return s
}

// Skew implements [rotator.Timekeeper] as real providers do: since the latest answer the clock has been set, for all that is known.
func (s *sleeper) Skew() (time.Duration, bool) {
	r := s.latest.Load()
	if r == nil {
		return 0, false
	}
	return -s.w.clock.SetSince(*r), true
}

func (s *sleeper) answered(err error) error {
	if (err == nil || rotator.KindOf(err) != rotator.Transient) && !s.silent.Load() {
		now := s.w.clock.Read()
		s.latest.Store(&now)
	}
	return err
}

func (s *sleeper) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	return s.answered(s.Provider.Scan(ctx, scope, v))
}

func (s *sleeper) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	m, err := s.Provider.Mint(ctx, req)
	return m, s.answered(err)
}

func (s *sleeper) Check(ctx context.Context, userID string, secret rotator.Secret) error {
	return s.answered(s.Provider.Check(ctx, userID, secret))
}

func (s *sleeper) Retire(ctx context.Context, k rotator.Key) error {
	return s.answered(s.Provider.Retire(ctx, k))
}

const sleeps = 5 * day

// before is where a rotation stands when the machine falls asleep.
type before struct {
	name string
	// how prepares the world, and stage is then reached; none where there is no rotation yet.
	how   func(w *world)
	stage rotator.Stage
	// stays is where it still stands for as long as nothing is known of the clocks.
	stays rotator.Stage
}

var befores = []before{
	{"not due yet", func(w *world) { w.policies[0].MaxAge = 104 * day }, "", ""}, // due within four days
	{"planned", func(w *world) {
		w.provider.SetHook(faults("List", false, 1, 1<<40, rotator.NewFault("list", rotator.Transient, "no list")))
	}, rotator.StagePlanned, rotator.StagePlanned},
	{"being delivered", func(w *world) {
		w.sinks["disk"].SetHook(func(string, bool) error { return rotator.NewFault("write", rotator.Transient, "read-only") })
	}, rotator.StageDelivering, rotator.StageConfirmed},
	{"in grace", func(*world) {}, rotator.StageGrace, rotator.StageRevoking},
}

// TestAMachineThatSlept wakes up while its provider is down, or does not say what time it is: nothing is begun and nothing revoked by what was
// known of the clocks before. Once an answer tells that they agree, all goes on at once.
func TestAMachineThatSlept(t *testing.T) {
	t.Parallel()
	for _, b := range befores {
		for how, silent := range map[string]bool{"provider down": false, "provider silent": true} {
			t.Run(b.name+", "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					b.how(w)
					s := w.maySleep()
					l := w.start(nil)
					defer l.stop()
					pass(30 * time.Minute)
					if r := l.latestIfAny(); r.Stage != b.stage {
						t.Fatalf("stage %q before the machine sleeps: %s", r.Stage, r.Trouble)
					}
					s.sleep(silent)
					w.sinks["disk"].SetHook(nil)
					pass(3*time.Hour + 10*time.Minute) // what waits for the clocks is looked at once an hour
					l.wantUnmoved(b)
					s.wake()
					l.wantAwake(s)
				})
			})
		}
	}
}

// sleep has the machine sleep for days, and finds the provider down or silent afterwards.
func (s *sleeper) sleep(silent bool) {
	s.slept.Store(int64(sleeps))
	s.silent.Store(silent)
	s.w.provider.SetHook(nil)
	if !silent {
		s.w.provider.SetHook(func(string, bool) error { return rotator.NewFault("GET", rotator.Transient, "no route to host") })
	}
}

// wake has the provider answer again, and say what time it is.
func (s *sleeper) wake() {
	s.silent.Store(false)
	s.w.provider.SetHook(nil)
}

// latestIfAny is the zero rotation where there is none.
func (l *life) latestIfAny() rotator.Rotation {
	if len(l.rotations()) == 0 {
		return rotator.Rotation{}
	}
	return l.latest()
}

func (l *life) wantUnmoved(b before) {
	l.w.t.Helper()
	r := l.latestIfAny()
	if r.Stage != b.stays || !r.GraceUntil.IsZero() && b.stage != rotator.StageGrace {
		l.w.t.Errorf("stage %q, grace until %s: %s", r.Stage, r.GraceUntil, r.Trouble)
	}
	if made := l.w.provider.Mints(); made > 0 && b.stage == rotator.StagePlanned || !l.w.provider.Accepts(l.w.provider.SecretOf("1")) {
		l.w.t.Errorf("%d keys were made, and %v are active", made, l.w.provider.Active(user))
	}
	if s := l.state(); s.Skew != -sleeps {
		l.w.t.Errorf("the provider is said to be ahead by %s", s.Skew)
	}
}

// wantAwake checks that all goes on within two minutes of the first answer that tells the time, and ends well.
func (l *life) wantAwake(s *sleeper) {
	l.w.t.Helper()
	for range 40 {
		if ahead, known := s.Skew(); known && ahead == 0 {
			break
		}
		pass(time.Minute)
	}
	pass(2 * time.Minute)
	now := l.w.clock.Now()
	if s := l.state(); s.Skew != 0 || s.BreakerOpen || s.PausedUntil.After(now) || s.LastScan.Before(now.Add(-5*time.Minute)) {
		l.w.t.Errorf("the provider's state at %s is %+v", now, s)
	}
	waiting, err := l.store.WaitingKeys(l.w.t.Context(), 10)
	if err != nil || len(waiting) > 0 {
		l.w.t.Errorf("keys wait: %+v, %v", waiting, err)
	}
	if r := l.only(); r.Blocked != "" || r.Stage != rotator.StageGrace && r.Stage != rotator.StageDone {
		l.w.t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
	} else if r.Stage == rotator.StageGrace && (r.GraceUntil.Before(now.Add(50*time.Minute)) || r.GraceUntil.After(now.Add(time.Hour))) {
		l.w.t.Errorf("at %s, grace ends at %s", now, r.GraceUntil)
	}
	pass(2 * time.Hour)
	l.w.wantRotated()
	if r := l.only(); r.Stage != rotator.StageDone {
		l.w.t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
	}
}

// TestAPauseIsOverWhenTheMachineSleptThroughIt, and not only when the machine has been awake for as long.
func TestAPauseIsOverWhenTheMachineSleptThroughIt(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		s := w.maySleep()
		slow := rotator.NewFault("GET", rotator.Throttled, "slow down")
		slow.RetryAfter = sleeps - day
		w.provider.SetHook(func(string, bool) error { return slow })
		l := w.start(nil)
		defer l.stop()
		pass(time.Hour)
		if n := w.provider.Calls("Scan"); n != 1 || !l.state().PausedUntil.After(w.clock.Now().Add(sleeps-2*day)) {
			t.Fatalf("scanned %d times, paused until %s", n, l.state().PausedUntil)
		}
		s.slept.Store(int64(sleeps))
		w.provider.SetHook(nil)
		pass(2 * time.Minute)
		if r := l.only(); r.Stage != rotator.StageGrace {
			t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		pass(2 * time.Hour)
		w.wantRotated()
	})
}
