package world

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/lease"
)

// Hook tells consumers that a new key is in its places. The runner is the daemon's own, what it calls is in memory.
type Hook struct {
	Name string
	// Debounce is how long a new key waits for others, to be told together with them.
	Debounce time.Duration
}

const (
	// hookTimeout is how long a call may take.
	hookTimeout = 2 * time.Minute
	// hookRest is how long the journal keeps a runner waiting for which there is nothing to do: it looks every few seconds, and a year
	// has many.
	hookRest = time.Hour
	// hookSoon is what the runner is not kept waiting for.
	hookSoon = 5 * time.Second
)

// hooksChore is what replicas call the hooks by: one of them calls them all, while it has the lease for that.
const hooksChore = "*hooks"

// runner makes what runs the hooks of a life; nil where there is no hook.
func (w *World) runner(l *life, journal *store) func(context.Context) {
	if w.s.Hook == nil {
		return nil
	}
	r := hooks.New(hooks.Options{Hooks: &hookRuns{journal}, Drain: drain, Clock: w.clockOf(l.slot), Told: func(ctx context.Context, runs []rotator.HookRun) {
		for i := range runs {
			_ = l.engine.HookDone(ctx, &runs[i]) // else the rotation is looked at within minutes
		}
	}})
	r.Use([]hooks.Hook{{Name: w.s.Hook.Name, Caller: &listener{l}, Debounce: w.s.Hook.Debounce, Timeout: hookTimeout, Concurrent: 1}})
	if !w.replicated() {
		return r.Run
	}
	chores := lease.Keeper{Leases: &leases{journal.Store, l}, Owner: l.name, Time: leaseTime, Log: zap.NewNop()}
	return func(ctx context.Context) {
		chores.Run(ctx, hooksChore, func(ctx context.Context, _ *lease.Tenure) { r.Run(ctx) })
	}
}

// tellSoon has the hooks looked at after a change that confirms the last sink.
func (w *World) tellSoon(c rotator.Change) {
	if len(c.Hooks) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, confirmed := range w.confirmed {
		select {
		case confirmed <- struct{}{}:
		default:
		}
	}
}

// hookRuns is one life's way to the runs of hooks.
type hookRuns struct{ *store }

// HookRunsToTry implements [rotator.Hooks]. Where nothing is due soon it keeps the caller waiting, as a slow database would, until there is.
func (s *hookRuns) HookRunsToTry(ctx context.Context, hook string, now time.Time, limit int) ([]rotator.HookRun, error) {
	for {
		if err := s.read("runs of hook", hook); err != nil {
			return nil, err
		}
		runs, err := s.Store.HookRunsToTry(ctx, hook, now, limit)
		if err != nil {
			return nil, err
		}
		next := now.Add(hookRest)
		for i := range runs {
			if runs[i].NextAt.Before(next) {
				next = runs[i].NextAt
			}
		}
		if next.Sub(now) <= hookSoon {
			return runs, nil
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-timer.C:
		case <-s.l.confirmed:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
		now = s.l.w.clockOf(s.l.slot).Now()
	}
}

// BeginHookRuns implements [rotator.Hooks].
func (s *hookRuns) BeginHookRuns(ctx context.Context, call string, ids []string) error {
	return s.write("begin of hook", s.l.w.s.Hook.Name, func() error { return s.Store.BeginHookRuns(ctx, call, ids) })
}

// EndHookRuns implements [rotator.Hooks].
func (s *hookRuns) EndHookRuns(ctx context.Context, ids []string, result rotator.HookResult, detail string, at time.Time) error {
	return s.write("end of hook", s.l.w.s.Hook.Name, func() error { return s.Store.EndHookRuns(ctx, ids, result, detail, at) })
}

// FailHookRuns implements [rotator.Hooks].
func (s *hookRuns) FailHookRuns(ctx context.Context, ids []string, trouble string, unknown bool, nextAt time.Time) error {
	return s.write("failure of hook", s.l.w.s.Hook.Name, func() error { return s.Store.FailHookRuns(ctx, ids, trouble, unknown, nextAt) })
}

// listener is who is told.
type listener struct{ l *life }

// Target implements [hooks.Caller]: one listener hears of all keys.
func (*listener) Target(*rotator.HookRun) (string, error) { return "listener", nil }

// Do implements [hooks.Caller].
func (n *listener) Do(ctx context.Context, c hooks.Call) (string, error) {
	const op = "call a hook"
	w := n.l.w
	if err := n.l.point("before hook"); err != nil {
		return "", err
	}
	if text, err := json.Marshal(c.Runs); err == nil {
		w.oracle.Printed("the call of a hook", text, w.daemonNow())
	}
	if err := wait(ctx, w.chance.latency(op)); err != nil {
		return "", err
	}
	if w.replicated() && !n.l.justWoke() { // whoever is told must be able to hear it twice
		w.oracle.Called(hooksChore, n.l.name, "a hook", time.Now())
	}
	if w.deaf() {
		return "", rotator.NewFault(op, rotator.Transient, "nobody listens")
	}
	fault, draw := w.chance.strikes(op, HookFails, HookSlow, HookFailsLate, HookDies)
	if fault != "" {
		w.tell("fault", "%s: %s", fault, c.ID)
	}
	switch fault {
	case HookFails:
		return "", rotator.NewFault(op, rotator.Transient, "it failed")
	case HookSlow:
		if err := wait(ctx, slowly(draw)); err != nil {
			return "", rotator.NewFault(op, rotator.UnknownOutcome, "it took too long: %w", err)
		}
	default:
	}
	for i := range c.Runs {
		n.hears(&c.Runs[i])
	}
	if fault == HookDies {
		n.l.dieAt(1)
	}
	if err := n.l.point("after hook"); err != nil {
		return "", err
	}
	if fault == HookFailsLate {
		return "", rotator.NewFault(op, rotator.UnknownOutcome, "the answer was lost")
	}
	return fmt.Sprintf("told of %d keys", len(c.Runs)), nil
}

// slowly is up to twice what a call may take.
func slowly(draw *rand.Rand) time.Duration { return time.Duration(draw.Int64N(int64(2 * hookTimeout))) }

func (n *listener) hears(r *rotator.HookRun) {
	a := n.l.w.byName[r.Provider]
	key := a.keyID(r.UserID, r.NewKey.Name)
	n.l.w.happened("hook_told")
	n.l.w.tell("consumer", "hook %s tells of key %s", r.Hook, key)
	n.l.w.oracle.Told(r.Hook, key)
}

// deaf reports whether the listener of the hook is down.
func (w *World) deaf() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now().Before(w.deafUntil)
}
