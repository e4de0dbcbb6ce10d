package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/rotator"
)

// panicky makes the provider's and the sinks' calls panic, a number of times each, with a secret in the words.
func (w *world) panicky(op string, times int) {
	left := times
	hook := func(called string, after bool) error {
		if called == op && after && left > 0 {
			left--
			panic("index out of range: s3cr3t")
		}
		return nil
	}
	w.provider.SetHook(hook)
	w.sinks["disk"].SetHook(hook)
}

// TestG9APanicInAnAdapterEndsNothing lets each call panic after its effect: the daemon goes on, and the rotation ends well.
func TestG9APanicInAnAdapterEndsNothing(t *testing.T) {
	t.Parallel()
	// A key that was revoked before the panic is found revoked: it is not asked for again.
	for op, times := range map[string]int{"Scan": 2, "List": 2, "Mint": 2, "Check": 2, "Retire": 1, "Deliver": 2, "Observe": 2} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				logged, logs := observer.New(zap.ErrorLevel)
				w.log = zap.New(logged)
				w.panicky(op, times)
				l := w.start(nil)
				defer l.stop()
				pass(12 * time.Hour)
				w.wantRotated()
				if n := logs.FilterMessageSnippet("a defect of rotatord").Len(); n != times {
					t.Errorf("%d panics were told of, want %d", n, times)
				}
				for _, entry := range logs.All() {
					if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "s3cr3t") {
						t.Errorf("the log repeats what the panic said: %s", text)
					}
				}
			})
		})
	}
}

// endless is a provider that does not come back from a call until it is told to, a number of times.
type endless struct {
	rotator.Provider
	op    string
	times atomic.Int64
}

func (s *endless) wait(ctx context.Context, op string) error {
	if s.op != op || s.times.Add(-1) < 0 {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *endless) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	op := "Scan"
	if scope.UserID != "" {
		op = "List"
	}
	return errors.Join(s.Provider.Scan(ctx, scope, v), s.wait(ctx, op))
}

func (s *endless) Mint(ctx context.Context, r rotator.MintRequest) (rotator.Minted, error) {
	if err := s.wait(ctx, "Mint"); err != nil {
		return rotator.Minted{}, &rotator.Fault{Op: "mint", Kind: rotator.UnknownOutcome, Err: err}
	}
	return s.Provider.Mint(ctx, r)
}

func (s *endless) Check(ctx context.Context, user string, secret rotator.Secret) error {
	if err := s.wait(ctx, "Check"); err != nil {
		return err
	}
	return s.Provider.Check(ctx, user, secret)
}

func (s *endless) Retire(ctx context.Context, k rotator.Key) error {
	if err := s.wait(ctx, "Retire"); err != nil {
		return err
	}
	return s.Provider.Retire(ctx, k)
}

// TestG9ACallThatNeverEndsIsGivenUp has each call to the provider hang, twice, as if the adapter knew no limit of its own: the engine
// gives it up, and the rotation ends well.
func TestG9ACallThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Scan", "List", "Mint", "Check", "Retire"} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				hangs := &endless{op: op}
				hangs.times.Store(2)
				w.outerProvider = func(p rotator.Provider) rotator.Provider {
					hangs.Provider = p
					return hangs
				}
				l := w.start(nil)
				defer l.stop()
				pass(12 * time.Hour)
				w.wantRotated()
				if left := hangs.times.Load(); left >= 0 {
					t.Errorf("%d calls did not hang: this test sees nothing", left)
				}
			})
		})
	}
}

// lister is a provider that lists slowly.
type lister struct {
	rotator.Provider
	pause time.Duration
}

func (l lister) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	if scope.UserID == "" {
		for range 10 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(l.pause):
			}
			if err := v.User(rotator.ServiceUser{ID: "slow", Name: "slow", Active: true}); err != nil {
				return err
			}
		}
	}
	return l.Provider.Scan(ctx, scope, v)
}

// TestASlowScanIsNotGivenUp: a scan may take hours as long as something comes.
func TestASlowScanIsNotGivenUp(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.outerProvider = func(p rotator.Provider) rotator.Provider { return lister{p, 10 * time.Minute} }
		l := w.start(nil)
		defer l.stop()
		pass(24 * time.Hour)
		w.wantRotated()
	})
}

// lines counts the history of the only rotation.
func (l *life) lines() int {
	l.w.t.Helper()
	h, err := l.store.History(l.w.t.Context(), l.only().ID)
	if err != nil {
		l.w.t.Fatal(err)
	}
	return len(h)
}

// TestWhatGoesOnLeavesFewLines: what is in the way of a rotation, in other words each time, is looked at again and again, and leaves
// next to nothing in the history once it has gone on for days.
func TestWhatGoesOnLeavesFewLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, op string
		kind     rotator.Kind
		sink     bool
	}{
		{"the old key is in use", "", "", false},
		{"no key may be made", "Mint", rotator.Denied, false},
		{"the provider is down when a key is made", "Mint", rotator.Transient, false},
		{"the new key is lost in the network", "Check", rotator.Transient, false},
		{"a sink refuses", "Deliver", rotator.Denied, true},
		{"a sink is down", "Deliver", rotator.Transient, true},
		{"the old key may not be revoked", "Retire", rotator.Denied, false},
		{"revoking does not work", "Retire", rotator.Transient, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.slow()
				w.policies[0].Idle = 24 * time.Hour
				old := w.provider.SecretOf("1")
				var times atomic.Int64
				hook := func(op string, after bool) error {
					if op != tc.op || after {
						return nil
					}
					return rotator.NewFault(op, tc.kind, "trouble number %d", times.Add(1))
				}
				if tc.sink {
					w.sinks["disk"].SetHook(hook)
				} else {
					w.provider.SetHook(hook)
				}
				l := w.start(nil)
				defer l.stop()
				some := func() {
					for range 4 * 24 {
						if tc.op == "" {
							_, _ = w.provider.Use(old) // it changes what the next look sees
						}
						pass(time.Hour)
					}
				}
				some()
				first, tried := l.lines(), times.Load()
				some()
				some()
				if later := l.lines(); later > first+8 {
					t.Errorf("%d lines after four days, %d after twelve", first, later)
				}
				if tc.op != "" && times.Load() < tried+30 {
					t.Errorf("it was tried %d times in four days and %d times in twelve: this test sees nothing", tried, times.Load())
				}
				if r := l.only(); r.Stage.Final() || r.Trouble == "" {
					t.Errorf("after %d times it says %q in %s", times.Load(), r.Trouble, r.Stage)
				}
			})
		})
	}
}

// skewed is a provider whose clock is not ours.
type skewed struct {
	rotator.Provider
	ahead *atomic.Int64
}

func (s skewed) Skew() (time.Duration, bool) { return time.Duration(s.ahead.Load()), true }

// TestAWrongClockStopsWhatGoesByDates: nothing is planned and nothing is revoked while the clocks differ; a compromised key
// is rotated all the same.
func TestAWrongClockStopsWhatGoesByDates(t *testing.T) {
	t.Parallel()
	in := func(run func(w *world, ahead *atomic.Int64)) {
		bubble(t, func(t *testing.T, w *world) {
			var ahead atomic.Int64
			ahead.Store(int64(-48 * time.Hour))
			w.outerProvider = func(p rotator.Provider) rotator.Provider { return skewed{p, &ahead} }
			run(w, &ahead)
		})
	}
	in(func(w *world, ahead *atomic.Int64) {
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		if rs := l.rotations(); len(rs) != 0 {
			w.t.Fatalf("planned although the clock is wrong: %+v", rs)
		}
		waiting, err := l.store.WaitingKeys(w.t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Waiting != rotator.BlockClockSkew || !strings.Contains(waiting[0].WaitingWhy, "48h0m0s ahead of") {
			w.t.Errorf("waiting %+v, %v", waiting, err)
		}
		ahead.Store(int64(time.Minute))
		pass(20 * time.Minute)
		ahead.Store(int64(72 * time.Hour))
		pass(6 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockClockSkew {
			w.t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		ahead.Store(0)
		pass(time.Hour)
		w.wantRotated()
	})
	in(func(w *world, _ *atomic.Int64) {
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if _, err := l.engine.Rotate(context.Background(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
			w.t.Fatal(err)
		}
		pass(time.Hour)
		w.wantRotated()
	})
}
