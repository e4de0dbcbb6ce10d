// Package engine turns decisions into rotations: it scans providers, plans what is due, and takes each rotation from
// stage to stage, one step per file.
//
// It is level-triggered. Nothing depends on having been awake at the right moment: every look asks the journal what is
// due now, so a restart, a suspended machine, a jump of the clock and a lost tick all heal by themselves. Effects happen
// in the step files alone; a stage whose name ends in "-ing" is committed before its effect and the next one after it.
package engine

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/lease"
	"github.com/rotatord/rotatord/rotator/seal"
)

// Account is a provider with what the configuration says of it.
type Account struct {
	Name     string
	Provider rotator.Provider
	// MaxKeys caps the active keys of one credential; 0 is no cap.
	MaxKeys int
	// Declared are the service users that must exist there.
	Declared []rotator.DeclaredUser
}

// Setup is everything that a reload may exchange. It is never changed once handed over.
type Setup struct {
	Accounts []Account
	Sinks    map[string]rotator.Sink
	Policies []*rotator.Policy
	Freezes  []rotator.Freeze
	// Scan says when providers are scanned, beside at start and after a reload.
	Scan rotator.Schedule
	// Verify says when every credential is verified; the zero value is never.
	Verify rotator.Schedule
	// Drills say which credentials are drilled, and when.
	Drills []rotator.DrillSchedule
	Cap    rotator.CapLimits
	// Concurrent is how many rotations of one provider move at the same time.
	Concurrent int
	// HaltAfter is how many failed calls in a row open a provider's breaker.
	HaltAfter int
	// Retry is how failed steps are spaced.
	Retry Backoff
	// Notify says what the contacts of credentials are told.
	Notify Notify
}

// Backoff spaces retries: Base after the first failure, doubled after each, at most Max, and drawn between four
// fifths of that and all of it. The draw is a hash of what failed and how often, and is stored with the due time.
type Backoff struct {
	Base, Max time.Duration
}

// Options are what an engine needs for its whole life.
type Options struct {
	Store    rotator.Store
	Sealer   *seal.Sealer
	Log      *zap.Logger
	Observer Observer
	// Drain is how long a stop waits for calls in flight before it cuts them off.
	Drain time.Duration
	// Look is the longest that a loop waits without looking at the clock; 0 is ten seconds. Timers stand still while a
	// machine is suspended and do not notice when the clock is set, so it bounds how late either is noticed.
	Look time.Duration
	// Clock is what the daemon goes by; the zero value is the machine's.
	Clock rotator.Clock
	// Leases, if set, say which of several replicas acts on an account; nil where no other process works on the store.
	Leases rotator.Leases
	// Owner names this replica and this process; needed with Leases.
	Owner string
	// LeaseTime is how long a lease lasts without being renewed; 0 is [lease.DefaultTime]. It has to be at least twice as long
	// as a call to a provider may take.
	LeaseTime time.Duration
}

// Engine runs the loop. Make one with [New].
type Engine struct {
	store  rotator.Store
	sealer *seal.Sealer
	log    *zap.Logger
	obs    Observer
	drain  time.Duration
	look   time.Duration
	clock  rotator.Clock
	leases rotator.Leases
	keeper *lease.Keeper // nil where no other process works on the store

	setup    atomic.Pointer[Setup]
	applying turn // one setup at a time is put in force

	verifying sync.Mutex // one verification at a time

	unheard unheard

	mu       sync.Mutex
	accounts map[string]*account
	running  map[string]context.CancelFunc // the loop of each account
	wg       sync.WaitGroup
	ctx      context.Context // of Run; nil before
	hard     context.Context // outlives ctx by drain: what calls in flight run under
}

// New makes an engine. It makes no call before [Engine.Run].
func New(o Options, s *Setup) *Engine {
	e := &Engine{
		store: o.Store, sealer: o.Sealer, log: o.Log, obs: o.Observer, drain: o.Drain, clock: o.Clock, applying: newTurn(), look: cmp.Or(o.Look, 10*time.Second),
		accounts: map[string]*account{}, running: map[string]context.CancelFunc{},
	}
	if e.log == nil {
		e.log = zap.NewNop()
	}
	if e.obs == nil {
		e.obs = Unobserved{}
	}
	if o.Leases != nil {
		e.leases = o.Leases
		e.keeper = &lease.Keeper{Leases: o.Leases, Owner: o.Owner, Time: cmp.Or(o.LeaseTime, lease.DefaultTime), Log: e.log,
			Failed: e.obs.JournalFailed}
	}
	e.setup.Store(s)
	return e
}

// Run works until ctx ends, then waits for what is in flight, at most for the drain time. What did not finish by then
// resumes at the next start from its stage.
func (e *Engine) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	hard, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	e.mu.Lock()
	e.ctx, e.hard = ctx, hard
	e.mu.Unlock()
	err := e.applyFirst(ctx)
	if ctx.Err() != nil {
		err = nil // asked to stop while starting
	}
	if err != nil {
		stop()
	}
	<-ctx.Done()
	return errors.Join(err, e.awaitFlight(cut))
}

// applyFirst puts in force what was set up last: a reload may have come before the start.
func (e *Engine) applyFirst(ctx context.Context) error {
	e.applying.take()
	defer e.applying.give()
	return e.apply(ctx, e.setup.Load())
}

// cutPatience is how long a stop waits for calls that were cut off. A call that hangs in the operating system (on a network
// file system whose server is gone, say) cannot be cut off.
const cutPatience = 5 * time.Second

// errLeftBehind says that the stop did not wait any longer.
var errLeftBehind = errors.New("calls are still in flight that could not be cut off; their rotations resume at the next start")

// awaitFlight returns when nothing is in flight any more, cuts off what is when the drain time is over, and does not wait
// for what cannot be cut off.
func (e *Engine) awaitFlight(cut context.CancelFunc) error {
	stopped := make(chan struct{})
	go func() { e.wg.Wait(); close(stopped) }()
	drain := time.NewTimer(e.drain)
	defer drain.Stop()
	select {
	case <-stopped:
		return nil
	case <-drain.C:
	}
	e.log.Warn("calls are still in flight after the drain time; cutting them off, their rotations resume at the next start",
		zap.Duration("drain", e.drain))
	cut()
	last := time.NewTimer(cutPatience)
	defer last.Stop()
	select {
	case <-stopped:
		return nil
	case <-last.C:
		return errLeftBehind
	}
}

// Apply puts a setup in force: accounts that are gone stop, new ones start, and every account is scanned anew, because
// a changed policy changes what is due.
func (e *Engine) Apply(ctx context.Context, s *Setup) error {
	e.applying.take()
	defer e.applying.give()
	return e.apply(ctx, s)
}

// apply is Apply; the caller holds e.applying.
func (e *Engine) apply(ctx context.Context, s *Setup) error {
	states := make(map[string]rotator.ProviderState, len(s.Accounts))
	for _, a := range s.Accounts {
		state, err := e.store.ProviderState(ctx, a.Name)
		if err != nil {
			return err
		}
		states[a.Name] = state
	}
	e.start(s, states)
	return e.resumeOwned(ctx, s)
}

// start puts the setup in force and starts and stops loops accordingly.
func (e *Engine) start(s *Setup, states map[string]rotator.ProviderState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.setup.Store(s)
	wanted := make(map[string]bool, len(s.Accounts))
	for _, a := range s.Accounts {
		wanted[a.Name] = true
		acc, known := e.accounts[a.Name]
		if !known {
			acc = newAccount(a.Name, states[a.Name])
			e.accounts[a.Name] = acc
		}
		acc.set(a)
		acc.requestScan()
		if _, runs := e.running[a.Name]; !runs && e.ctx != nil && e.ctx.Err() == nil {
			loop, stop := context.WithCancel(e.ctx)
			e.running[a.Name] = stop
			e.wg.Go(func() { e.lead(loop, acc) })
		}
	}
	for name, stop := range e.running {
		if !wanted[name] {
			stop()
			delete(e.running, name)
		}
	}
}

// account returns a configured account, or false.
func (e *Engine) account(name string) (*account, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	a, ok := e.accounts[name]
	if _, runs := e.running[name]; !runs && e.ctx != nil {
		return nil, false
	}
	return a, ok
}

// policy returns a policy of the setup in force, or nil.
func (e *Engine) policy(name string) *rotator.Policy {
	for _, p := range e.setup.Load().Policies {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// record names the rotation's secret to the seal: what is sealed for one rotation and version opens for no other.
func record(r *rotator.Rotation) seal.Record {
	return seal.Record{Provider: r.Provider, UserID: r.UserID, Base: r.Base, Version: r.Version, Rotation: r.ID, Purpose: "delivery"}
}
