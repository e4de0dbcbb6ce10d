package rotator

import (
	"context"
	"time"
)

// Lease is a replica's right to act on an account, for as long as it renews it. Each time an account changes hands, its
// epoch rises, so that a write under an older one can be told from a write under the one in force.
type Lease struct {
	// Account is the provider's name, or the name of a chore that one replica does for all.
	Account string
	// Owner names the replica and its process; no two processes share one.
	Owner string
	Epoch int64
}

// LeaseState is what the journal knows about a lease.
type LeaseState struct {
	Lease
	// Since is when the owner got it, Until is when it ends unless it is renewed, both by the journal's clock. Until is zero
	// once the lease was given back.
	Since, Until time.Time
}

// ErrLeaseLost says that a lease is not in force any more: another replica may act on the account.
const ErrLeaseLost = sentinel("the lease is lost")

// ErrLeaseHeld says that another replica has the lease.
const ErrLeaseHeld = sentinel("another replica has the lease")

// Leases say which of several replicas acts on an account (guarantee G6). Times are the journal's own, so that the clocks of
// replicas may differ. Every write of the store whose context carries a lease ([WithLease]) is checked against it in the
// same transaction: if its epoch is not the one in force, nothing is written and the fault is of kind [Conflict] and wraps
// [ErrLeaseLost].
type Leases interface {
	// AcquireLease makes owner the owner of the account for d, in a new epoch, if nobody else is: the account was never owned,
	// was given back, its owner did not renew in time, or is known to be gone. Otherwise it is a fault of kind [Conflict] that
	// wraps [ErrLeaseHeld] and names the owner.
	AcquireLease(ctx context.Context, account, owner string, d time.Duration) (Lease, error)
	// RenewLease extends the lease to d from now. A lease that another one followed is a fault of kind [Conflict] that wraps
	// [ErrLeaseLost]. One that ran out, and that nobody wanted, is renewed.
	RenewLease(ctx context.Context, l Lease, d time.Duration) error
	// ReleaseLease gives the lease back, so that another replica takes over at once. It succeeds if it is lost already.
	ReleaseLease(ctx context.Context, l Lease) error
	// LeaseStates returns all that is known, by account.
	LeaseStates(ctx context.Context) ([]LeaseState, error)
}

type leaseKey struct{}

// WithLease returns a context under which the journal writes only while the lease is in force. It belongs to the step that
// began under it: a step that outlives its lease does not go on under the next one of the same replica.
func WithLease(ctx context.Context, l Lease) context.Context {
	return context.WithValue(ctx, leaseKey{}, l)
}

// LeaseOf returns the lease that ctx carries, and whether there is one.
func LeaseOf(ctx context.Context) (Lease, bool) {
	l, ok := ctx.Value(leaseKey{}).(Lease)
	return l, ok
}
