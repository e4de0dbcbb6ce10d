package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/lease"
)

// tenure is one time of working at an account: until the engine stops, or until its lease is lost.
type tenure struct {
	// held is the lease; nil where no other process can act.
	held *lease.Tenure
	// hard is what calls in flight run under. It outlives a stop by the drain time, but never the lease.
	hard context.Context
	// crew are the workers that were sent out.
	crew sync.WaitGroup
}

type tenureKey struct{}

func tenureOf(ctx context.Context) *tenure {
	t, _ := ctx.Value(tenureKey{}).(*tenure)
	return t
}

// lead works at the account whenever this replica owns it, until ctx ends.
func (e *Engine) lead(ctx context.Context, a *account) {
	if e.keeper == nil {
		e.workAt(ctx, a, &tenure{hard: e.hard})
		return
	}
	e.keeper.Run(ctx, a.name, func(ctx context.Context, held *lease.Tenure) {
		if err := e.takeOver(ctx, a); err != nil {
			e.journalTrouble(ctx, a, err)
			return
		}
		hard, release := held.Bind(e.hard)
		defer release()
		e.workAt(ctx, a, &tenure{held: held, hard: hard})
	})
}

// workAt returns when nothing of the account is in flight any more.
func (e *Engine) workAt(ctx context.Context, a *account, t *tenure) {
	ctx = context.WithValue(ctx, tenureKey{}, t)
	t.hard = context.WithValue(t.hard, tenureKey{}, t)
	a.tenure.Store(t)
	e.obs.Leased(a.name, true)
	defer func() {
		if a.tenure.CompareAndSwap(t, nil) { // else a reload has brought the account back meanwhile
			e.obs.Leased(a.name, false)
		}
	}()
	var loops sync.WaitGroup
	loops.Go(func() { e.runScans(ctx, a) })
	loops.Go(func() { e.dispatch(ctx, a) })
	loops.Go(func() { e.practise(ctx, a) })
	loops.Go(func() { e.verifyBySchedule(ctx, a) })
	loops.Wait()
	t.crew.Wait()
}

// takeOver forgets what this replica knew of the account: another one has acted there since.
func (e *Engine) takeOver(ctx context.Context, a *account) error {
	s, err := e.store.ProviderState(ctx, a.name)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.state = s
	a.mu.Unlock()
	a.clockRight.Store(false)
	a.unwritten.taken()
	a.scanning.take()
	a.seen = nil
	a.scanning.give()
	a.requestScan()
	return e.resumeConfigured(ctx, a.name)
}

// mayCall returns an error where too little of the lease is left to begin a call to a provider.
func mayCall(ctx context.Context) error {
	if t := tenureOf(ctx); t != nil && t.held != nil {
		return asJournal(t.held.MayCall())
	}
	return nil
}

// asOwner returns ctx with the account's lease in it, so that what is written under it is written by the owner or not at
// all. On a replica that does not own the account it is a fault of kind [rotator.Conflict] that says which one does.
func (e *Engine) asOwner(ctx context.Context, a *account, op string) (context.Context, error) {
	if _, leased := rotator.LeaseOf(ctx); leased || e.keeper == nil {
		return ctx, nil
	}
	if t := a.tenure.Load(); t != nil && t.held != nil && !t.held.Lost() {
		return rotator.WithLease(ctx, t.held.Lease()), nil
	}
	return ctx, e.notOwner(ctx, a.name, op)
}

func (e *Engine) notOwner(ctx context.Context, account, op string) error {
	states, err := e.leases.LeaseStates(ctx)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.Account == account && s.Until.After(time.Now()) {
			return rotator.NewFault(op, rotator.Conflict, "%w: replica %s owns %s; ask that one", rotator.ErrLeaseHeld, s.Owner, account)
		}
	}
	return rotator.NewFault(op, rotator.Conflict, "no replica owns %s at this moment; try again in a few seconds", account)
}

// owns reports whether this replica acts on the account.
func (e *Engine) owns(a *account) bool {
	return e.keeper == nil || a.tenure.Load() != nil
}

// mayBeSealed reports whether the journal may hold a secret whose seal it refused, or did not answer for. A refusal is no proof
// that the key is lost: the answer of an earlier attempt may have been, and another replica may have delivered the key since.
// What is not sealed is found by its name, by whoever owns the account then.
func (e *Engine) mayBeSealed(ctx context.Context, r *rotator.Rotation, refused error) bool {
	t := tenureOf(ctx)
	if errors.Is(refused, rotator.ErrLeaseLost) || t != nil && t.held != nil && t.held.Lost() {
		return true
	}
	name, err := e.store.Name(context.WithoutCancel(ctx), r.Provider, r.UserID, r.NewKey.Name)
	if err == nil && name.Sealed {
		e.log.Warn("the journal has the new key's secret although it refused it; the key is kept", append(rotationFields(r), zap.Error(refused))...)
		return true
	}
	return err != nil && e.keeper != nil && rotator.KindOf(err) != rotator.Gone
}
