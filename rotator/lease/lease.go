// Package lease keeps a replica at work on what it has the lease of, and away from everything else (guarantee G6).
//
// A lease is renewed six times before it ends. Work under it that was begun is cut off when the lease is lost, and no call to a
// provider begins in the second half of it: a call that takes no longer than that ends while the lease is in force. What a
// frozen process does when it wakes up is refused by the journal, because it carries the epoch in which it was begun.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// DefaultTime is how long a lease lasts without being renewed: long enough for two calls to a provider.
const DefaultTime = time.Minute

// Keeper acquires, renews and gives back leases for one replica.
type Keeper struct {
	// Leases is where they are.
	Leases rotator.Leases
	// Owner names this replica and this process; no other process may have the same name.
	Owner string
	// Time is how long a lease lasts without being renewed; positive.
	Time time.Duration
	Log  *zap.Logger
	// Failed, if set, is told of errors of the journal.
	Failed func(error)
}

// Tenure is one time of owning an account, from one epoch to the next.
type Tenure struct {
	lease rotator.Lease
	time  time.Duration
	ended chan struct{} // closed when the lease is lost
	once  sync.Once
	until atomic.Pointer[time.Time]
}

// errEnded is the cause of contexts that end with their lease.
var errEnded = fmt.Errorf("another replica may act now: %w", rotator.ErrLeaseLost)

// Run does work while this replica has the account's lease, again and again until ctx ends. It waits for work to return,
// and gives the lease back when work has returned because ctx ended. ctx for work ends with the lease and with ctx.
func (k *Keeper) Run(ctx context.Context, account string, work func(ctx context.Context, t *Tenure)) {
	for ctx.Err() == nil {
		t, err := k.acquire(ctx, account)
		if err != nil {
			k.tell(ctx, account, err)
			pause(ctx, min(k.Time/renewals, askAgain))
			continue
		}
		k.serve(ctx, t, work)
	}
}

// askAgain is how often a replica asks for a lease that another one has: it may take over as soon as that one has ended.
const askAgain = time.Second

// renewals is how often a lease is renewed within its time.
const renewals = 6

func (k *Keeper) acquire(ctx context.Context, account string) (*Tenure, error) {
	asked := time.Now()
	l, err := k.Leases.AcquireLease(ctx, account, k.Owner, k.Time)
	if err != nil {
		return nil, err
	}
	t := &Tenure{lease: l, time: k.Time, ended: make(chan struct{})}
	t.renewed(asked)
	return t, nil
}

// tell says what went wrong; that another replica has the lease is as it should be.
func (k *Keeper) tell(ctx context.Context, account string, err error) {
	if errors.Is(err, rotator.ErrLeaseHeld) || ctx.Err() != nil {
		return
	}
	k.Log.Error("the journal does not say who owns the account; this replica does nothing there until it does",
		zap.String("account", account), zap.Error(err))
	if k.Failed != nil {
		k.Failed(err)
	}
}

func (k *Keeper) serve(ctx context.Context, t *Tenure, work func(ctx context.Context, t *Tenure)) {
	k.Log.Info("this replica owns the account", zap.String("account", t.lease.Account), zap.String("replica", k.Owner), zap.Int64("epoch", t.lease.Epoch))
	renewing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewer sync.WaitGroup
	renewer.Go(func() { k.renew(renewing, t) })
	held, release := t.Bind(ctx)
	work(held, t)
	release()
	stop()
	renewer.Wait()
	if t.Lost() {
		k.Log.Warn("this replica lost the account; whatever it had begun there was cut off, and its late writes are refused",
			zap.String("account", t.lease.Account), zap.Int64("epoch", t.lease.Epoch))
		return
	}
	giveBack, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.Time/renewals)
	defer cancel()
	if err := k.Leases.ReleaseLease(giveBack, t.lease); err != nil {
		k.Log.Warn("the lease was not given back; another replica takes over when it ends", zap.String("account", t.lease.Account), zap.Error(err))
	}
}

// renew extends the lease until ctx ends or it is lost.
func (k *Keeper) renew(ctx context.Context, t *Tenure) {
	for {
		pause(ctx, min(k.Time/renewals, t.left()))
		if ctx.Err() != nil {
			return
		}
		asked := time.Now()
		attempt, cancel := context.WithTimeout(ctx, max(t.left(), 0))
		err := k.Leases.RenewLease(attempt, t.lease, k.Time)
		cancel()
		switch {
		case err == nil:
			t.renewed(asked)
		case errors.Is(err, rotator.ErrLeaseLost) || t.left() <= 0:
			t.lose()
			return
		default:
			k.tell(ctx, t.lease.Account, err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// renewed notes that the lease was asked for at that moment: it lasts at least from then on.
func (t *Tenure) renewed(asked time.Time) {
	until := asked.Add(t.time)
	t.until.Store(&until)
}

func (t *Tenure) left() time.Duration { return time.Until(*t.until.Load()) }

func (t *Tenure) lose() { t.once.Do(func() { close(t.ended) }) }

// Lost reports whether the lease is lost.
func (t *Tenure) Lost() bool {
	select {
	case <-t.ended:
		return true
	default:
		return false
	}
}

// Lease returns the lease itself.
func (t *Tenure) Lease() rotator.Lease { return t.lease }

// Bind returns parent with the lease in it, ended when the lease is lost. Call release when it is not needed any more.
func (t *Tenure) Bind(parent context.Context) (bound context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(rotator.WithLease(parent, t.lease))
	done := make(chan struct{})
	go func() {
		select {
		case <-t.ended:
			cancel(errEnded)
		case <-ctx.Done():
		case <-done:
		}
	}()
	return ctx, sync.OnceFunc(func() { close(done); cancel(nil) })
}

// MayCall returns an error unless enough of the lease is left for a call to a provider: half of it.
func (t *Tenure) MayCall() error {
	if left := t.left(); left < t.time/2 {
		return rotator.NewFault("call the provider", rotator.Conflict, "%w or will be soon: it was not renewed for a while and has %s left, "+
			"which is less than a call may take; look whether the journal answers", rotator.ErrLeaseLost, max(0, left.Round(time.Millisecond)))
	}
	return nil
}
