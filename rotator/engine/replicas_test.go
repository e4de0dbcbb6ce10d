package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

const leaseTime = time.Minute

// replicas are several engines on one store.
type replicas struct {
	w     *world
	store *journal.Store
	late  sync.Map // the owners whose late writes were refused
}

// replica is one of them.
type replica struct {
	engine *engine.Engine
	cancel context.CancelFunc
	done   chan error
	held   *tenures
}

// tenures follows what one replica thinks that it owns.
type tenures struct {
	engine.Unobserved
	mu   sync.Mutex
	held bool
}

func (h *tenures) Leased(_ string, held bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held = held
}

func (h *tenures) is() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

func (w *world) replicas() *replicas {
	w.t.Helper()
	rs := &replicas{w: w}
	store, err := journal.Open(w.t.Context(), w.path, journal.Options{OnLateWrite: func(l rotator.Lease) { rs.late.Store(l.Owner, true) }})
	if err != nil {
		w.t.Fatal(err)
	}
	rs.store = store
	return rs
}

// start adds an engine. store and provider are what it gets in place of those of the world; nil for these.
func (rs *replicas) start(owner string, store rotator.Store, provider rotator.Provider) *replica {
	s := rs.w.setup
	s.Policies, s.Sinks = rs.w.policies, map[string]rotator.Sink{}
	for name, sink := range rs.w.sinks {
		s.Sinks[name] = sink
	}
	if provider == nil {
		provider = rs.w.provider
	}
	if store == nil {
		store = rs.store
	}
	s.Accounts = []engine.Account{{Name: "cc", Provider: provider, MaxKeys: 3}}
	ctx, cancel := context.WithCancel(rs.w.t.Context())
	r := &replica{cancel: cancel, done: make(chan error, 1), held: &tenures{}}
	r.engine = engine.New(engine.Options{Store: store, Sealer: rs.w.sealer, Drain: time.Second, Leases: store, Owner: owner,
		LeaseTime: leaseTime, Observer: r.held}, &s)
	go func() { r.done <- r.engine.Run(ctx) }()
	return r
}

func (rs *replicas) stop(all ...*replica) {
	rs.w.t.Helper()
	for _, r := range all {
		r.cancel()
		if err := <-r.done; err != nil {
			rs.w.t.Error(err)
		}
	}
}

func (rs *replicas) close() {
	rs.w.t.Helper()
	if err := rs.store.Close(); err != nil {
		rs.w.t.Error(err)
	}
}

func TestG6OneReplicaActsAndTheOtherTakesOverAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		rs := w.replicas()
		defer rs.close()
		a := rs.start("a", nil, nil)
		pass(time.Second)
		b := rs.start("b", nil, nil)
		pass(20 * time.Minute)
		if !a.held.is() || b.held.is() {
			t.Fatalf("a owns the account: %v, b does: %v", a.held.is(), b.held.is())
		}
		if _, err := b.engine.Approve(t.Context(), "cc", "ann", time.Hour); !errors.Is(err, rotator.ErrLeaseHeld) || !strings.Contains(err.Error(), "replica a") {
			t.Errorf("approving at the other replica: %v", err)
		}
		rs.stop(a)
		pass(leaseTime / 4)
		if !b.held.is() {
			t.Error("b did not take over at once")
		}
		pass(4 * time.Hour)
		rs.stop(b)
		w.wantActive("deploy-r0001")
		w.wantRotated()
	})
}

// cutOff is a store that one replica does not reach.
type cutOff struct {
	rotator.Store
	mu  sync.Mutex
	off bool
}

var errCut = errors.New("no route to the database")

func (c *cutOff) set(off bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
}

func (c *cutOff) trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return errCut
	}
	return nil
}

// Commit goes through even where the context has ended: a process that wakes up writes before its timers have told it anything.
func (c *cutOff) Commit(ctx context.Context, change rotator.Change) error {
	if err := c.trouble(); err != nil {
		return err
	}
	return c.Store.Commit(context.WithoutCancel(ctx), change)
}

func (c *cutOff) RenewLease(ctx context.Context, l rotator.Lease, d time.Duration) error {
	if err := c.trouble(); err != nil {
		return err
	}
	return c.Store.RenewLease(ctx, l, d)
}

func (c *cutOff) AcquireLease(ctx context.Context, account, owner string, d time.Duration) (rotator.Lease, error) {
	if err := c.trouble(); err != nil {
		return rotator.Lease{}, err
	}
	return c.Store.AcquireLease(ctx, account, owner, d)
}

func TestG6AReplicaWithoutTheDatabaseStopsBeforeAnotherBegins(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		rs := w.replicas()
		defer rs.close()
		cut := &cutOff{Store: rs.store}
		a := rs.start("a", cut, nil)
		pass(time.Second)
		b := rs.start("b", nil, nil)
		pass(2 * time.Minute)
		cut.set(true)
		for range 120 {
			pass(time.Second)
			if a.held.is() && b.held.is() {
				t.Fatal("both replicas act on the account")
			}
		}
		if !b.held.is() {
			t.Fatal("b did not take over")
		}
		cut.set(false)
		pass(4 * time.Hour)
		if a.held.is() {
			t.Error("a took the account back")
		}
		rs.stop(a, b)
		w.wantActive("deploy-r0001")
		w.wantRotated()
	})
}

// asleep is a provider whose create call takes effect and answers only when it is let go, whatever becomes of its context: the
// process that made it was frozen.
type asleep struct {
	rotator.Provider
	began, release chan struct{}
}

func (s *asleep) Mint(ctx context.Context, r rotator.MintRequest) (rotator.Minted, error) {
	m, err := s.Provider.Mint(context.WithoutCancel(ctx), r)
	close(s.began)
	<-s.release
	return m, err
}

func TestG6LateWritesOfAFrozenOwnerAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		rs := w.replicas()
		defer rs.close()
		cut := &cutOff{Store: rs.store}
		frozen := &asleep{Provider: w.provider, began: make(chan struct{}), release: make(chan struct{})}
		a := rs.start("a", cut, frozen)
		<-frozen.began
		cut.set(true) // it renews nothing while it is frozen
		b := rs.start("b", nil, nil)
		pass(10 * time.Minute)
		if !b.held.is() {
			t.Fatal("b did not displace the frozen owner")
		}
		cut.set(false)
		close(frozen.release)
		pass(time.Minute)
		if _, refused := rs.late.Load("a"); !refused {
			t.Error("no late write was refused")
		}
		pass(4 * time.Hour)
		rs.stop(a, b)
		w.wantActive("deploy-r0002") // what a made was an orphan: b found it by its name, revoked it, and made another
		w.wantRotated()
	})
}
