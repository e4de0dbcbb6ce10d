package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
)

// consumer is a caller that remembers, and fails as told. Its targets are the users of the keys.
type consumer struct {
	mu sync.Mutex
	// do, if set, says how a call ends.
	do   func(ctx context.Context, c hooks.Call) error
	told []string
	at   []time.Time
	now  int
	peak int
}

func (c *consumer) Target(r *rotator.HookRun) (string, error) {
	if r.UserID == "bad" {
		return "", errors.New("its name begins with a dash")
	}
	return r.UserID, nil
}

func (c *consumer) Do(ctx context.Context, k hooks.Call) (string, error) {
	var ids []string
	for _, r := range k.Runs {
		ids = append(ids, r.ID)
	}
	c.mu.Lock()
	c.told = append(c.told, k.ID+": "+strings.Join(ids, " "))
	c.at = append(c.at, time.Now())
	c.now++
	c.peak = max(c.peak, c.now)
	do := c.do
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now--
	}()
	if do != nil {
		if err := do(ctx, k); err != nil {
			return "", err
		}
	}
	return "it was told", nil
}

// recovers lets all calls from now on succeed.
func (c *consumer) recovers() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.do = nil
}

func (c *consumer) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told)
}

// bench is a journal, and what works on it.
type bench struct {
	*testing.T
	path   string
	store  *journal.Store
	clock  rotator.Clock
	counts map[string]int
	mu     sync.Mutex
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, path: filepath.Join(t.TempDir(), "rotatord.db"), counts: map[string]int{}}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *bench) open() {
	b.Helper()
	var err error
	if b.store, err = journal.Open(context.Background(), b.path, journal.Options{}); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) close() {
	if err := b.store.Close(); err != nil {
		b.Error(err)
	}
}

// confirm puts a run into the journal, as the engine does.
func (b *bench) confirm(id, hook, user string, reason rotator.Reason) {
	b.Helper()
	now := b.clock.Now()
	r := rotator.Rotation{CredentialID: rotator.CredentialID{Provider: "cc", UserID: user, Base: id}, Version: 2, Reason: reason}
	steps := []func(*rotator.Rotation) rotator.Change{
		func(r *rotator.Rotation) rotator.Change { return rotator.Plan(id, *r, now, "planned") },
		func(r *rotator.Rotation) rotator.Change { return r.BeginMint(now) },
		func(r *rotator.Rotation) rotator.Change {
			return r.Seal(rotator.Minted{KeyID: "k"}, []byte("sealed"), "fp", now)
		},
		func(r *rotator.Rotation) rotator.Change { return r.BeginTest(now, 0) },
		func(r *rotator.Rotation) rotator.Change { return r.Proven(now) },
		func(r *rotator.Rotation) rotator.Change {
			c := r.Confirm(nil, now)
			c.Hooks = rotator.HookRunsOf(&c, &rotator.Policy{Hooks: []string{hook}})
			return c
		},
	}
	for _, step := range steps {
		c := step(&r)
		if err := b.store.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		r = c.After
	}
}

// life runs a runner until it is stopped.
func (b *bench) life(store rotator.Hooks, configured ...hooks.Hook) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	done := b.runs(ctx, store, configured...)
	return func() { cancel(); <-done }
}

// runs runs a runner until ctx ends, and closes done when it has returned.
func (b *bench) runs(ctx context.Context, store rotator.Hooks, configured ...hooks.Hook) (done chan struct{}) {
	done = make(chan struct{})
	r := hooks.New(hooks.Options{Hooks: store, Drain: 10 * time.Second, Clock: b.clock, Counted: func(hook string, result hooks.Result, n int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.counts[hook+" "+string(result)] += n
	}})
	r.Use(configured)
	go func() { r.Run(ctx); close(done) }()
	return done
}

func (b *bench) works(d time.Duration, configured ...hooks.Hook) {
	b.Helper()
	stop := b.life(b.store, configured...)
	time.Sleep(d) // of the bubble's clock
	stop()
}

func (b *bench) want(c *consumer, calls ...string) {
	b.Helper()
	if got := c.log(); !slices.Equal(got, calls) {
		b.Errorf("told\n%q, want\n%q", got, calls)
	}
}

// run returns one run as the journal has it.
func (b *bench) run(rotation string) rotator.HookRun {
	b.Helper()
	runs, err := b.store.HookRuns(context.Background(), rotation)
	if err != nil || len(runs) != 1 {
		b.Fatalf("%d runs of %s: %v", len(runs), rotation, err)
	}
	return runs[0]
}

func hook(name string, c hooks.Caller) hooks.Hook {
	return hooks.Hook{Name: name, Caller: c, Debounce: 10 * time.Second, Timeout: time.Minute, Concurrent: 1}
}

func bubble(t *testing.T, f func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newBench(t)) })
}

// TestKeysForOneConsumerAreToldOnce within the time that the hook waits for them, and to another consumer apart.
func TestKeysForOneConsumerAreToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{}
		stop := b.life(b.store, hook("reload", c))
		begun := time.Now()
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
		time.Sleep(4 * time.Second)
		b.confirm("b", "reload", "app", rotator.ReasonExpiring)
		b.confirm("c", "reload", "other", rotator.ReasonExpiring)
		time.Sleep(time.Minute)
		stop()
		b.want(c, "a/2/reload: a/2/reload b/2/reload", "c/2/reload: c/2/reload")
		if wait := c.at[0].Sub(begun); wait < 10*time.Second || wait > 16*time.Second {
			t.Errorf("told after %s", wait)
		}
		if r := b.run("b"); r.Result != rotator.HookDone || r.Detail != "it was told" || r.Attempt != 1 || b.counts["reload done"] != 3 {
			t.Errorf("%+v, counted %v", r, b.counts)
		}
	})
}

// TestACompromisedKeyIsToldAtOnce.
func TestACompromisedKeyIsToldAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{}
		h := hook("reload", c)
		h.Debounce = time.Hour
		b.confirm("a", "reload", "app", rotator.ReasonCompromised)
		b.works(time.Second, h)
		b.want(c, "a/2/reload: a/2/reload")
	})
}

// TestAFailingHookIsTriedAgainAndStopsNoOther: what failed for certain is made anew together with what came since.
func TestAFailingHookIsTriedAgainAndStopsNoOther(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		bad, good := &consumer{do: func(context.Context, hooks.Call) error { return errors.New("it said no") }}, &consumer{}
		stop := b.life(b.store, hook("bad", bad), hook("good", good))
		b.confirm("a", "bad", "app", rotator.ReasonExpiring)
		b.confirm("b", "good", "app", rotator.ReasonExpiring)
		time.Sleep(80 * time.Second)
		if n := len(bad.log()); n != 2 {
			t.Fatalf("tried %d times in 80 seconds: %q", n, bad.log())
		}
		if r := b.run("a"); r.Trouble != "it said no" || r.Attempt != 2 || r.Call != "" || r.Ended() {
			t.Errorf("%+v", r)
		}
		b.want(good, "b/2/good: b/2/good")
		b.confirm("c", "bad", "app", rotator.ReasonExpiring)
		time.Sleep(11 * time.Second)
		bad.recovers()
		time.Sleep(20 * time.Minute)
		stop()
		if got := bad.log(); got[2] != "a/2/bad/3: a/2/bad c/2/bad" || len(got) != 4 {
			t.Errorf("told %q", got)
		}
		if a, c := b.run("a"), b.run("c"); a.Result != rotator.HookDone || c.Result != rotator.HookDone || a.Trouble != "" || b.counts["bad failed"] != 4 {
			t.Errorf("%+v\n%+v\n%v", a, c, b.counts)
		}
	})
}

// TestAnUnknownOutcomeKeepsItsName and its runs, whatever came since.
func TestAnUnknownOutcomeKeepsItsName(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{do: func(context.Context, hooks.Call) error {
			return rotator.NewFault("tell", rotator.UnknownOutcome, "no answer")
		}}
		stop := b.life(b.store, hook("reload", c))
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
		time.Sleep(15 * time.Second)
		b.confirm("b", "reload", "app", rotator.ReasonExpiring)
		time.Sleep(15 * time.Second)
		c.recovers()
		time.Sleep(20 * time.Minute)
		stop()
		got := c.log()
		slices.Sort(got)
		if !slices.Equal(got, []string{"a/2/reload: a/2/reload", "a/2/reload: a/2/reload", "b/2/reload: b/2/reload", "b/2/reload: b/2/reload"}) {
			t.Errorf("told %q", got)
		}
	})
}

// TestWhatWasCutOffIsMadeAgainUnderItsName: a stop that could not wait any longer.
func TestWhatWasCutOffIsMadeAgainUnderItsName(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{do: func(ctx context.Context, _ hooks.Call) error { <-ctx.Done(); return ctx.Err() }}
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
		b.confirm("b", "reload", "app", rotator.ReasonExpiring)
		b.works(20*time.Second, hook("reload", c))
		if r := b.run("a"); r.Call != "a/2/reload" || r.Attempt != 1 || r.Ended() {
			t.Fatalf("after the stop: %+v", r)
		}
		c.recovers()
		b.close()
		b.open()
		b.works(time.Minute, hook("reload", c))
		again := "a/2/reload: a/2/reload b/2/reload"
		b.want(c, again, again)
		if r := b.run("b"); r.Attempt != 2 || r.Result != rotator.HookDone {
			t.Errorf("%+v", r)
		}
	})
}

// TestACapOnCalls: as many at a time as the hook allows, and one for each target.
func TestACapOnCalls(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{do: func(context.Context, hooks.Call) error { time.Sleep(time.Second); return nil }}
		h := hook("reload", c)
		h.Concurrent = 3
		for i := range 12 {
			b.confirm(fmt.Sprintf("r%02d", i), "reload", fmt.Sprint("app", i), rotator.ReasonExpiring)
		}
		b.works(time.Minute, h)
		if c.peak != 3 || len(c.told) != 12 {
			t.Errorf("%d calls, %d at a time", len(c.told), c.peak)
		}
	})
}

// TestASlowHookHoldsNoOtherUp.
func TestASlowHookHoldsNoOtherUp(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		slow, good := &consumer{do: func(ctx context.Context, _ hooks.Call) error { <-ctx.Done(); return ctx.Err() }}, &consumer{}
		b.confirm("a", "slow", "app", rotator.ReasonExpiring)
		b.confirm("b", "good", "app", rotator.ReasonExpiring)
		b.works(30*time.Second, hook("slow", slow), hook("good", good))
		b.want(good, "b/2/good: b/2/good")
	})
}

// TestWhatCannotBeCalledIsSaid and is not tried all the time.
func TestWhatCannotBeCalledIsSaid(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{}
		b.confirm("a", "reload", "bad", rotator.ReasonExpiring)
		b.works(5*time.Minute, hook("reload", c))
		if r := b.run("a"); r.Trouble != "its name begins with a dash" || r.Attempt < 2 || r.Attempt > 5 || len(c.log()) > 0 {
			t.Errorf("%+v, told %q", r, c.log())
		}
	})
}

// TestAPanicIsAFailureOfOneCall.
func TestAPanicIsAFailureOfOneCall(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{do: func(context.Context, hooks.Call) error { panic("S3CRET") }}
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
		b.works(20*time.Second, hook("reload", c))
		if r := b.run("a"); !strings.Contains(r.Trouble, "defect") || strings.Contains(r.Trouble, "S3CRET") {
			t.Errorf("%+v", r)
		}
	})
}

// TestAHookThatIsGoneIsDropped, but not at once: replicas do not get a new configuration at the same time.
func TestAHookThatIsGoneIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		b.confirm("a", "old", "app", rotator.ReasonExpiring)
		stop := b.life(b.store, hook("reload", &consumer{}))
		time.Sleep(55 * time.Minute)
		if r := b.run("a"); r.Ended() {
			t.Errorf("dropped at once: %+v", r)
		}
		time.Sleep(10 * time.Minute)
		stop()
		if r := b.run("a"); r.Result != rotator.HookDropped || b.counts["old dropped"] != 1 {
			t.Errorf("%+v, %v", r, b.counts)
		}
	})
}

// fullDisk is a journal that does not take the end of runs for a while.
type fullDisk struct {
	rotator.Hooks
	until time.Time
}

func (f fullDisk) EndHookRuns(ctx context.Context, ids []string, r rotator.HookResult, detail string, at time.Time) error {
	if time.Now().Before(f.until) {
		return errors.New("no space left on device")
	}
	return f.Hooks.EndHookRuns(ctx, ids, r, detail, at)
}

// TestAnOutcomeThatCannotBeRecordedIsNotRepeated while the process lives.
func TestAnOutcomeThatCannotBeRecordedIsNotRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{}
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
		stop := b.life(fullDisk{b.store, time.Now().Add(time.Hour)}, hook("reload", c))
		time.Sleep(2 * time.Hour)
		stop()
		b.want(c, "a/2/reload: a/2/reload")
		if r := b.run("a"); r.Result != rotator.HookDone {
			t.Errorf("%+v", r)
		}
	})
}
