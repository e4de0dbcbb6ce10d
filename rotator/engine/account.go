package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// account is one provider while the engine runs: its connection, its breaker and its loops' signals. It outlives
// reloads, so that a new configuration does not forget an open breaker.
type account struct {
	name string
	conf atomic.Pointer[Account]

	mu      sync.Mutex // never held while anything is written
	state   rotator.ProviderState
	pending []*stateChange

	saving turn // one save at a time

	renewed chan struct{} // closed by the next setup that is put in force, and another in its place; guarded by mu

	scan chan struct{} // asks for a scan; holds one request
	wake chan struct{} // asks the dispatcher to look; holds one request

	scanning turn    // one scan at a time
	seen     *memory // what the last scan saw; guarded by scanning

	// planned counts the rotations that were planned since the last scan began: the blast-radius cap's meter. A scan, and
	// so a start, begins it anew.
	planned atomic.Int64

	// missingUsers counts the declared service users that the last scan did not show and that are to be made.
	missingUsers atomic.Int64

	// clockRight is true while the provider's clock and ours are known to agree, and what waited for that was told.
	clockRight atomic.Bool

	unwritten rest // of steps that the journal does not take

	flight inFlight
	tenure atomic.Pointer[tenure] // nil while this replica does not act here
	capped atomic.Bool            // the cap stopped something since it was last judged with nothing left to look at
}

func newAccount(name string, s rotator.ProviderState) *account {
	s.Provider = name
	return &account{name: name, state: s, renewed: make(chan struct{}), scan: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		saving: newTurn(), scanning: newTurn(), flight: inFlight{ids: map[string]bool{}}}
}

func (a *account) set(c Account) {
	a.conf.Store(&c)
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.renewed)
	a.renewed = make(chan struct{})
}

// nextSetup is closed once another setup is in force.
func (a *account) nextSetup() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.renewed
}

func (a *account) provider() rotator.Provider { return a.conf.Load().Provider }
func (a *account) requestScan()               { signal(a.scan) }
func (a *account) requestLook()               { signal(a.wake) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// snapshot returns the state as it is now.
func (a *account) snapshot() rotator.ProviderState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// paused reports whether steps that call the provider must wait, and until when.
func (a *account) paused(now time.Time) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state.PausedUntil, now.Before(a.state.PausedUntil)
}

// stateChange is a change of the state that waits to be stored.
type stateChange struct {
	apply func(s *rotator.ProviderState)
	done  bool // guarded by account.saving, as is err
	err   error
}

// update changes the state and stores it. The state in memory changes only if it was stored. Callers that come while a save
// is under way share the next one, so that a burst of plans does not wait in line for the disk one by one.
func (e *Engine) update(ctx context.Context, a *account, change func(s *rotator.ProviderState)) error {
	ctx, err := e.asOwner(ctx, a, "save the state of provider "+a.name)
	if err != nil {
		return err
	}
	mine := &stateChange{apply: change}
	a.mu.Lock()
	a.pending = append(a.pending, mine)
	a.mu.Unlock()
	a.saving.take()
	defer a.saving.give()
	if !mine.done {
		e.saveTogether(context.WithoutCancel(ctx), a)
	}
	return mine.err
}

// saveTogether stores all changes that wait; the caller holds a.saving.
func (e *Engine) saveTogether(ctx context.Context, a *account) {
	a.mu.Lock()
	s, together := a.state, a.pending
	a.pending = nil
	a.mu.Unlock()
	before := s
	for _, c := range together {
		c.apply(&s)
	}
	var err error
	if s != before {
		s.SavedAt = e.clock.Now()
		err = e.store.SaveProviderState(ctx, s)
	}
	if err != nil {
		e.obs.JournalFailed(err)
	} else {
		a.mu.Lock()
		a.state = s
		a.mu.Unlock()
	}
	for _, c := range together {
		c.done, c.err = true, err
	}
}

// The breaker's pauses: short enough to notice a recovery, long enough not to hammer.
const (
	minPause      = time.Minute
	maxPause      = 30 * time.Minute
	throttlePause = 30 * time.Second
)

// note keeps the breaker's books after a read with the daemon's own credential. Throttling pauses without counting as a
// failure; a refusal, a lost answer and network trouble count; an answer about one key does not.
func (e *Engine) note(ctx context.Context, a *account, err error) { e.book(ctx, a, err, false) }

// noteWrite is note after a call that changes something: where reads work and writes do not, the reads in between must
// not close the breaker.
func (e *Engine) noteWrite(ctx context.Context, a *account, err error) { e.book(ctx, a, err, true) }

func (e *Engine) book(ctx context.Context, a *account, err error, write bool) {
	if err == nil {
		e.recovered(ctx, a, write)
		return
	}
	if ctx.Err() != nil {
		return // we gave up, the provider did not fail
	}
	switch rotator.KindOf(err) {
	case rotator.Throttled:
		pause := max(rotator.RetryAfterOf(err), throttlePause)
		e.pause(ctx, a, pause, "the provider asks for patience: "+err.Error())
	case rotator.Transient, rotator.Denied, rotator.UnknownOutcome:
		e.failed(ctx, a, err, write)
	}
}

// writeMemory is for how long a failed write outweighs reads that succeed: longer than any pause and any retry, so that
// only writes that nobody wants any more are forgotten.
const writeMemory = 2 * maxPause

func (e *Engine) recovered(ctx context.Context, a *account, write bool) {
	s := a.snapshot()
	if s.Failures == 0 && !s.BreakerOpen {
		return
	}
	if !write && e.clock.Since(s.WriteFailedAt) < writeMemory {
		return
	}
	_ = e.update(ctx, a, func(s *rotator.ProviderState) {
		if s.BreakerOpen {
			e.log.Info("the provider answers again, its breaker is closed", zap.String("provider", a.name))
			s.PausedUntil, s.PausedWhy = time.Time{}, ""
		}
		s.BreakerOpen, s.Failures, s.WriteFailedAt = false, 0, time.Time{}
	})
}

func (e *Engine) pause(ctx context.Context, a *account, d time.Duration, why string) {
	until := e.clock.Now().Add(d)
	_ = e.update(ctx, a, func(s *rotator.ProviderState) {
		if until.After(s.PausedUntil) {
			s.PausedUntil, s.PausedWhy = until, why
		}
	})
	e.log.Warn("provider paused", zap.String("provider", a.name), zap.Time("until", until), zap.String("why", why))
}

func (e *Engine) failed(ctx context.Context, a *account, err error, write bool) {
	halt := e.setup.Load().HaltAfter
	_ = e.update(ctx, a, func(s *rotator.ProviderState) {
		s.Failures++
		if write {
			s.WriteFailedAt = e.clock.Now()
		}
		if halt <= 0 || s.Failures < halt || e.clock.Now().Before(s.PausedUntil) {
			return
		}
		pause := min(maxPause, minPause<<min(s.Failures-halt, 10))
		s.BreakerOpen, s.PausedUntil, s.PausedWhy = true, e.clock.Now().Add(pause), err.Error()
		e.log.Error("breaker open: nothing calls the provider until it is tried again",
			zap.String("provider", a.name), zap.Int("failures", s.Failures), zap.Time("until", s.PausedUntil), zap.Error(err))
	})
}

// after returns when the attempt'th failure (counted from 1) is tried again. draw is from [0, 1).
func (b Backoff) after(attempt int, draw float64, now time.Time) time.Time {
	d := b.Max
	if shift := attempt - 1; shift < 30 {
		d = min(b.Max, b.Base<<shift)
	}
	return now.Add(d - time.Duration(draw*float64(d/5)))
}

// retryAt is when the attempt'th failure of the rotation, or at one of its sinks, is tried again.
func (e *Engine) retryAt(r *rotator.Rotation, sink string, attempt int, now time.Time) time.Time {
	return e.setup.Load().Retry.after(attempt, drawOfRetry(r, sink, attempt), now)
}

// drawOfRetry is a hash of what failed how often: other credentials and other attempts draw something else, and the same world draws the
// same again, in whatever order things failed.
func drawOfRetry(r *rotator.Rotation, sink string, attempt int) float64 {
	var h hasher
	sum := h.text(r.Provider).text(r.UserID).text(r.Base).text(sink).number(uint64(r.Seq)).number(uint64(attempt)).sum() //nolint:gosec // only their bits count
	return float64(sum>>11) / (1 << 53)
}

// inFlight is the set of rotations and credentials that a worker has in hand.
type inFlight struct {
	mu  sync.Mutex
	ids map[string]bool
}

// take reports whether the caller now has id in hand.
func (f *inFlight) take(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ids[id] {
		return false
	}
	f.ids[id] = true
	return true
}

func (f *inFlight) release(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.ids, id)
}

func (f *inFlight) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.ids)
}
