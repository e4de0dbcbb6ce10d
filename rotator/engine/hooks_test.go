package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// consumer is told of new keys, and remembers which.
type consumer struct {
	mu   sync.Mutex
	down bool
	told []string // the calls
	seen map[string]int
}

func (*consumer) Target(*rotator.HookRun) (string, error) { return "app", nil }

func (c *consumer) Do(_ context.Context, k hooks.Call) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return "", errors.New("it is down")
	}
	c.told = append(c.told, k.ID)
	for _, r := range k.Runs {
		c.seen[r.ID]++
	}
	return "it was told", nil
}

// tells has the policy's consumers told, and returns what runs hooks beside an engine; crash may be nil.
func (w *world) tells(c *consumer, required bool) func(store rotator.Store, crash *rotatortest.Crash) (stop func()) {
	c.seen = map[string]int{}
	if required {
		w.policies[0].RequiredHooks = []string{"reload"}
	} else {
		w.policies[0].Hooks = []string{"reload"}
	}
	return func(store rotator.Store, crash *rotatortest.Crash) func() {
		var kept rotator.Hooks = store
		var caller hooks.Caller = c
		if crash != nil {
			kept, caller = crash.Store(store), crashCaller{c, crash}
		}
		ctx, cancel := context.WithCancel(w.t.Context())
		r := hooks.New(hooks.Options{Hooks: kept, Drain: time.Second})
		r.Use([]hooks.Hook{{Name: "reload", Caller: caller, Debounce: 10 * time.Second, Timeout: time.Minute}})
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()
		return func() { cancel(); <-done }
	}
}

// crashCaller makes each call two points of a crash.
type crashCaller struct {
	hooks.Caller
	crash *rotatortest.Crash
}

func (c crashCaller) Do(ctx context.Context, k hooks.Call) (detail string, err error) {
	err = c.crash.Effect("hook", func() (err error) {
		detail, err = c.Caller.Do(ctx, k)
		return err
	})
	return detail, err
}

func (l *life) hookRuns() []rotator.HookRun {
	l.w.t.Helper()
	runs, err := l.store.HookRuns(context.Background(), l.only().ID)
	if err != nil {
		l.w.t.Fatal(err)
	}
	return runs
}

// TestConsumersAreToldOfANewKey once it is in all its places, without the secret, and what came of it is kept.
func TestConsumersAreToldOfANewKey(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		c := &consumer{}
		begin := w.tells(c, false)
		l := w.start(nil)
		defer l.stop()
		defer begin(l.store, nil)()
		pass(5 * time.Minute)
		r := l.only()
		runs := l.hookRuns()
		if len(runs) != 1 || len(c.told) != 1 || runs[0].Result != rotator.HookDone || runs[0].NewKey != r.NewKey || runs[0].Fingerprint != r.Fingerprint {
			t.Fatalf("told %q, runs %+v", c.told, runs)
		}
		for _, p := range r.Sinks {
			if runs[0].At.Before(p.ConfirmedAt) {
				t.Errorf("told at %s, and %s was confirmed at %s", runs[0].At, p.Sink, p.ConfirmedAt)
			}
		}
		for _, sink := range w.sinks {
			for _, item := range sink.Items() {
				if item.Secret == "" || strings.Contains(fmt.Sprintf("%+v", runs), item.Secret) {
					t.Errorf("a run holds the secret: %+v", runs)
				}
			}
		}
	})
}

// TestAHookThatIsNotRequiredStopsNothing.
func TestAHookThatIsNotRequiredStopsNothing(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		c := &consumer{down: true}
		begin := w.tells(c, false)
		l := w.start(nil)
		defer l.stop()
		defer begin(l.store, nil)()
		pass(4 * time.Hour)
		w.wantRotated()
		if runs := l.hookRuns(); len(runs) != 1 || runs[0].Ended() || runs[0].Trouble != "it is down" {
			t.Errorf("%+v", runs)
		}
	})
}

// TestG3ARequiredHookKeepsTheOldKey until its consumer was told.
func TestG3ARequiredHookKeepsTheOldKey(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		c := &consumer{down: true}
		begin := w.tells(c, true)
		l := w.start(nil)
		defer l.stop()
		defer begin(l.store, nil)()
		pass(4 * time.Hour)
		r := l.only()
		if r.Blocked != rotator.BlockHookFailing || !strings.Contains(r.Trouble, "hook reload could not tell its consumers of the new key: it is down") {
			t.Fatalf("in %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		if _, err := w.provider.Use(w.provider.SecretOf("1")); err != nil {
			t.Fatal("the old key was revoked")
		}
		c.mu.Lock()
		c.down = false
		c.mu.Unlock()
		pass(4 * time.Hour)
		w.wantRotated()
	})
}

// TestARotationGoesOnAsSoonAsItsHookHasSucceeded, and not when it would have looked by itself.
func TestARotationGoesOnAsSoonAsItsHookHasSucceeded(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		begin := w.tells(&consumer{down: true}, true)
		l := w.start(nil)
		defer l.stop()
		stop := begin(l.store, nil)
		pass(90 * time.Minute)
		stop()
		run := l.hookRuns()[0]
		if err := l.engine.HookDone(t.Context(), &run); err != nil { // too early: evidence is asked for again, and is not there
			t.Fatal(err)
		}
		pass(time.Second)
		if r := l.only(); r.Blocked != rotator.BlockHookFailing {
			t.Fatalf("in %s, blocked %q", r.Stage, r.Blocked)
		}
		if err := l.store.EndHookRuns(t.Context(), []string{run.ID}, rotator.HookDone, "by hand", time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := l.engine.HookDone(t.Context(), &run); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		w.wantRotated()
	})
}

// TestACompromisedKeyWaitsForNoConsumer.
func TestACompromisedKeyWaitsForNoConsumer(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		c := &consumer{down: true}
		begin := w.tells(c, true)
		l := w.start(nil)
		defer l.stop()
		defer begin(l.store, nil)()
		pass(90 * time.Minute)
		if r := l.only(); r.Blocked != rotator.BlockHookFailing {
			t.Fatalf("in %s, blocked %q", r.Stage, r.Blocked)
		}
		if _, err := l.engine.Rotate(t.Context(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Minute)
		w.wantRotated()
	})
}

// TestCrashLosesNoHook stops engine and hooks at every point of a rotation: each consumer is told, twice at most and then under
// the same name, and the journal says so.
func TestCrashLosesNoHook(t *testing.T) {
	t.Parallel()
	total := hookWithCrash(t, 0)
	for at := 1; at <= total; at += stride {
		t.Run(fmt.Sprint("point ", at), func(t *testing.T) { hookWithCrash(t, at) })
	}
}

func hookWithCrash(t *testing.T, at int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		c := &consumer{}
		begin := w.tells(c, true)
		w.look = 5 * time.Minute
		first := w.start(crash)
		stop := begin(first.store, crash)
		pass(3 * time.Hour)
		stop()
		first.stop()
		second := w.start(nil)
		defer second.stop()
		defer begin(second.store, nil)()
		pass(4 * time.Hour)
		w.wantRotated()
		runs := second.hookRuns()
		if len(runs) != 1 || runs[0].Result != rotator.HookDone {
			t.Fatalf("crashed %s: %+v", crash.Where(), runs)
		}
		calls := map[string]bool{}
		for _, id := range c.told {
			calls[id] = true
		}
		if n := c.seen[runs[0].ID]; n < 1 || n > 2 || len(calls) != 1 || n == 2 && runs[0].Attempt != 2 {
			t.Errorf("crashed %s: told %d times, calls %v, %d attempts", crash.Where(), n, c.told, runs[0].Attempt)
		}
	})
	return crash.Points()
}
