package hooks

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Options are what a runner needs for its whole life.
type Options struct {
	Hooks rotator.Hooks
	Log   *zap.Logger
	// Counted, if set, is told of every attempt and of how many runs it was about.
	Counted func(hook string, r Result, runs int)
	// Told, if set, is told of the runs whose consumers were told, once that is recorded.
	Told func(ctx context.Context, runs []rotator.HookRun)
	// Drain is how long a stop waits for calls in flight.
	Drain time.Duration
	// Clock is what the runner goes by; the zero value is the machine's.
	Clock rotator.Clock
}

// Runner makes the calls that are due. Make one with [New].
type Runner struct {
	o     Options
	hooks atomic.Pointer[[]Hook]
	wake  chan struct{}

	mu      sync.Mutex
	runs    map[string]bool // those in flight, by ID
	targets map[string]bool // of calls in flight, by hook and target
	calls   map[string]int  // how many are in flight, by hook
	crew    sync.WaitGroup
}

const (
	// look is how often the journal is looked at. It is also how late a clock that was set, or a machine that was asleep, is
	// noticed.
	look = 5 * time.Second
	// batch is how many runs of a hook are read at a time.
	batch = 500
	// sweep is how often runs are looked for whose hook is not in the configuration any more, and leftover how old they have to
	// be: while several replicas take over a new configuration one after the other, a hook may be unknown to one of them.
	sweep    = time.Minute
	leftover = time.Hour
	// recordPause is the time between two attempts to record an outcome.
	recordPause = time.Second
)

// New makes a runner that makes no call until it has hooks.
func New(o Options) *Runner {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Counted == nil {
		o.Counted = func(string, Result, int) {}
	}
	if o.Told == nil {
		o.Told = func(context.Context, []rotator.HookRun) {}
	}
	return &Runner{o: o, wake: make(chan struct{}, 1), runs: map[string]bool{}, targets: map[string]bool{}, calls: map[string]int{}}
}

// Use puts hooks in force.
func (r *Runner) Use(hooks []Hook) {
	r.hooks.Store(&hooks)
	r.Wake()
}

// Wake has the journal looked at now.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run makes calls until ctx ends, then lets those in flight come to an end, at most for the drain time. What was cut off is
// made again at the next start.
func (r *Runner) Run(ctx context.Context) {
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(r.o.Drain, cut) })()
	defer r.crew.Wait() // before the line above is undone: what it says may come after ctx is seen to have ended
	var swept time.Time
	for ctx.Err() == nil {
		hooks := r.hooks.Load()
		next := r.o.Clock.Now().Add(look)
		if hooks != nil {
			next = r.pass(ctx, hard, *hooks, next)
			if now := r.o.Clock.Now(); now.Sub(swept).Abs() >= sweep {
				swept = now
				r.dropLeftovers(ctx, *hooks, now)
			}
		}
		timer := time.NewTimer(min(r.o.Clock.Until(next), look)) // the clock may have been set meanwhile
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.wake:
		}
		timer.Stop()
	}
}

// pass starts the calls that are due now and returns when to look again, at the latest by.
func (r *Runner) pass(ctx, hard context.Context, hooks []Hook, by time.Time) time.Time {
	for i := range hooks {
		next, err := r.start(ctx, hard, &hooks[i])
		if err != nil {
			if ctx.Err() == nil {
				r.o.Log.Error("the runs of a hook cannot be read; its consumers are told once they can", zap.String("hook", hooks[i].Name), zap.Error(err))
			}
			continue
		}
		if !next.IsZero() && next.Before(by) {
			by = next
		}
	}
	return by
}

// start starts the hook's calls that are due and for which there is room. It returns when the next will be due; zero if it
// does not know of one.
func (r *Runner) start(ctx, hard context.Context, h *Hook) (next time.Time, err error) {
	busy, room := r.inFlight(h) // before the runs are read: what ends meanwhile would look as if it had to be begun
	if !room {
		return next, nil // a call that ends wakes the loop
	}
	now := r.o.Clock.Now()
	runs, err := r.o.Hooks.HookRunsToTry(ctx, h.Name, now, batch)
	if err != nil {
		return next, err
	}
	for _, g := range assemble(h, slices.DeleteFunc(runs, func(x rotator.HookRun) bool { return busy[x.ID] }), now) {
		if g.readyAt.After(now) {
			if next.IsZero() || g.readyAt.Before(next) {
				next = g.readyAt
			}
			continue
		}
		if !r.take(h, &g) {
			continue
		}
		r.crew.Go(func() {
			defer r.Wake()
			defer r.release(h, &g)
			r.make(hard, h, &g)
		})
	}
	return next, nil
}

// inFlight returns the runs in flight, and whether there is room for another call of the hook.
func (r *Runner) inFlight(h *Hook) (busy map[string]bool, room bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.runs), r.calls[h.Name] < max(1, h.Concurrent)
}

// take reports whether the call may be made now, and has it in flight then.
func (r *Runner) take(h *Hook, g *group) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	target := h.Name + "\x00" + g.target
	if r.calls[h.Name] >= max(1, h.Concurrent) || r.targets[target] {
		return false
	}
	r.calls[h.Name]++
	r.targets[target] = true
	for _, run := range g.Runs {
		r.runs[run.ID] = true
	}
	return true
}

func (r *Runner) release(h *Hook, g *group) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[h.Name]--
	delete(r.targets, h.Name+"\x00"+g.target)
	for _, run := range g.Runs {
		delete(r.runs, run.ID)
	}
}

// make makes one call and records what became of it. One that is cut off stays begun, and is made again.
func (r *Runner) make(ctx context.Context, h *Hook, g *group) {
	fields := []zap.Field{zap.String("hook", h.Name), zap.String("call", g.ID), zap.Strings("runs", idsOf(g.Runs))}
	if g.Runs[0].Call != "" {
		r.o.Log.Warn("a call was begun before and nobody knows what became of it; it is made again under the same name", fields...)
	}
	if err := r.o.Hooks.BeginHookRuns(ctx, g.ID, idsOf(g.Runs)); err != nil {
		if ctx.Err() == nil {
			r.o.Log.Error("a call cannot be recorded, so it is not made until it can", append(fields, zap.Error(err))...)
			pause(ctx, recordPause)
		}
		return
	}
	detail, err := "", g.trouble
	if err == nil {
		detail, err = call(ctx, h, g.Call)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return
	case err != nil:
		r.failed(ctx, g, err, fields)
	default:
		r.o.Counted(h.Name, Done, len(g.Runs))
		r.o.Log.Info("a consumer was told of new keys", append(fields, zap.String("detail", detail))...)
		r.record(ctx, fields, func() error {
			return r.o.Hooks.EndHookRuns(ctx, idsOf(g.Runs), rotator.HookDone, detail, r.o.Clock.Now())
		})
		r.o.Told(ctx, g.Runs)
	}
}

// call makes the call within its time. A panic in what makes it is a failure of this one call.
func call(ctx context.Context, h *Hook, c Call) (detail string, err error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	defer func() {
		if cause := recover(); cause != nil {
			err = rotator.NewFault("run hook "+h.Name, rotator.Invalid, "a defect of rotatord stopped it (%T): please report it", cause)
		}
	}()
	return h.Do(ctx, c)
}

func (r *Runner) failed(ctx context.Context, g *group, err error, fields []zap.Field) {
	next := retryAt(g.Runs, r.o.Clock.Now())
	r.o.Counted(g.Hook, Failed, len(g.Runs))
	r.o.Log.Warn("a consumer could not be told of new keys and is told again", append(fields, zap.Time("next_at", next), zap.Error(err))...)
	unknown := g.trouble == nil && rotator.KindOf(err) == rotator.UnknownOutcome
	r.record(ctx, fields, func() error { return r.o.Hooks.FailHookRuns(ctx, idsOf(g.Runs), err.Error(), unknown, next) })
}

// record writes an outcome, until it is written: a call whose outcome is known is not made again because the disk was full.
func (r *Runner) record(ctx context.Context, fields []zap.Field, write func() error) {
	for said := false; ; {
		err := write()
		if err == nil || ctx.Err() != nil {
			return
		}
		if !said {
			said = true
			r.o.Log.Error("what became of a call cannot be recorded; trying until it can", append(fields, zap.Error(err))...)
		}
		pause(ctx, recordPause)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// dropLeftovers ends the runs whose hook is not in the configuration any more.
func (r *Runner) dropLeftovers(ctx context.Context, hooks []Hook, now time.Time) {
	if err := r.drop(ctx, hooks, now); err != nil && ctx.Err() == nil {
		r.o.Log.Error("runs of hooks that are not configured any more cannot be ended", zap.Error(err))
	}
}

func (r *Runner) drop(ctx context.Context, hooks []Hook, now time.Time) error {
	known := map[string]bool{}
	for i := range hooks {
		known[hooks[i].Name] = true
	}
	counts, err := r.o.Hooks.PendingHooks(ctx)
	if err != nil {
		return err
	}
	for _, c := range counts {
		if known[c.Hook] || now.Sub(c.Oldest) < leftover {
			continue
		}
		runs, err := r.o.Hooks.HookRunsToTry(ctx, c.Hook, now, batch) // the rest at the next look
		if err != nil {
			return err
		}
		var old []string
		for _, run := range runs {
			if now.Sub(run.At) >= leftover {
				old = append(old, run.ID)
			}
		}
		if err := r.o.Hooks.EndHookRuns(ctx, old, rotator.HookDropped, "the hook is not in the configuration any more", now); err != nil {
			return err
		}
		r.o.Counted(c.Hook, Dropped, len(old))
		r.o.Log.Warn("consumers are not told of new keys: their hook is not in the configuration any more",
			zap.String("hook", c.Hook), zap.Strings("runs", old), zap.Time("since", c.Oldest))
	}
	return nil
}

func idsOf(runs []rotator.HookRun) []string {
	ids := make([]string, 0, len(runs))
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}
