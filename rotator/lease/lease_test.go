package lease_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/lease"
)

// desk gives leases to whoever asks while it is open, and counts.
type desk struct {
	rotator.Leases
	closed                      atomic.Bool
	acquired, renewed, released atomic.Int64
}

var errClosed = errors.New("nobody answers")

func (d *desk) AcquireLease(_ context.Context, account, owner string, _ time.Duration) (rotator.Lease, error) {
	if d.closed.Load() {
		return rotator.Lease{}, errClosed
	}
	return rotator.Lease{Account: account, Owner: owner, Epoch: d.acquired.Add(1)}, nil
}

func (d *desk) RenewLease(context.Context, rotator.Lease, time.Duration) error {
	if d.closed.Load() {
		return errClosed
	}
	d.renewed.Add(1)
	return nil
}

func (d *desk) ReleaseLease(context.Context, rotator.Lease) error {
	d.released.Add(1)
	return nil
}

// TestALeaseThatIsNotRenewed is about G6 on this side: no call begins in the second half of a lease, and what was begun is cut
// off at its end, before anybody else can have it.
func TestALeaseThatIsNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		k := &lease.Keeper{Leases: d, Owner: "a", Time: time.Minute, Log: zap.NewNop()}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		began, ended := make(chan *lease.Tenure), make(chan error)
		go k.Run(ctx, "cc", func(ctx context.Context, held *lease.Tenure) {
			began <- held
			<-ctx.Done()
			ended <- context.Cause(ctx)
		})
		held := <-began
		<-time.After(time.Hour)
		if err := held.MayCall(); err != nil || d.renewed.Load() < 300 {
			t.Fatalf("after an hour and %d renewals: %v", d.renewed.Load(), err)
		}
		d.closed.Store(true)
		<-time.After(41 * time.Second) // at most 10 of the 60 seconds were over
		if err := held.MayCall(); !errors.Is(err, rotator.ErrLeaseLost) {
			t.Errorf("in the second half: %v", err)
		}
		if held.Lost() {
			t.Error("it was given up before its time")
		}
		if err := <-ended; !errors.Is(err, rotator.ErrLeaseLost) || !held.Lost() {
			t.Errorf("the work ended with %v", err)
		}
		if d.released.Load() != 0 {
			t.Error("what was lost was given back")
		}
	})
}

// TestALeaseIsGivenBackWhenTheWorkIsDone: not while calls in flight are awaited.
func TestALeaseIsGivenBackWhenTheWorkIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		k := &lease.Keeper{Leases: d, Owner: "a", Time: time.Minute, Log: zap.NewNop()}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.Run(ctx, "cc", func(ctx context.Context, held *lease.Tenure) {
				<-ctx.Done()
				<-time.After(2 * time.Minute) // a call in flight
				if held.Lost() || d.released.Load() != 0 {
					t.Error("the lease went before the work was done")
				}
			})
		}()
		<-time.After(time.Second)
		stop()
		<-done
		if d.released.Load() != 1 {
			t.Errorf("given back %d times", d.released.Load())
		}
	})
}
