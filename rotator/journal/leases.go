package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	readLease = `SELECT owner, epoch, lease_until FROM leases WHERE account = $1`

	// newLease does nothing where two replicas saw the account for the first time and the other was quicker.
	newLease = `INSERT INTO leases (account, owner, epoch, since, lease_until) VALUES ($1, $2, 1, $3, $4) ON CONFLICT (account) DO NOTHING`

	takeLease = `UPDATE leases SET owner = $1, epoch = epoch + 1, since = $2, lease_until = $3 WHERE account = $4 AND epoch = $5`

	renewLease = `UPDATE leases SET lease_until = $1 WHERE account = $2 AND owner = $3 AND epoch = $4 AND lease_until IS NOT NULL`

	releaseLease = `UPDATE leases SET lease_until = NULL WHERE account = $1 AND owner = $2 AND epoch = $3`

	leaseStates = `SELECT account, owner, epoch, since, lease_until FROM leases ORDER BY account`

	// leaseInForce is asked inside each transaction that writes under a lease.
	leaseInForce = `SELECT 1 FROM leases WHERE account = $1 AND owner = $2 AND epoch = $3 AND lease_until IS NOT NULL`
)

// fence refuses what is written under a lease that is not in force. Where others write too, it keeps the row from changing
// until the transaction ends, so that nobody takes over between the look and the commit.
func (w *writer) fence(op string, l rotator.Lease) error {
	var one int
	held, err := w.one(leaseInForce+w.db.shareLock, []any{l.Account, l.Owner, l.Epoch}, &one)
	if err != nil || held {
		return err
	}
	w.onLate(l)
	return lost(op, l)
}

func lost(op string, l rotator.Lease) error {
	return rotator.NewFault(op, rotator.Conflict, "%w: this replica (%s) does not own %s any more, its epoch %d is over; nothing was written, "+
		"and the replica that owns it goes on", rotator.ErrLeaseLost, l.Owner, l.Account, l.Epoch)
}

// AcquireLease implements [rotator.Leases].
func (s *Store) AcquireLease(ctx context.Context, account, owner string, d time.Duration) (rotator.Lease, error) {
	op := "acquire the lease of " + account
	var l rotator.Lease
	err := s.write(ctx, op, func(w *writer) (err error) {
		l, err = w.acquire(op, account, owner, d)
		return err
	})
	if err != nil {
		return rotator.Lease{}, err // the write may still be under way, if it is the caller who gave up
	}
	return l, nil
}

func (w *writer) acquire(op, account, owner string, d time.Duration) (rotator.Lease, error) {
	var was rotator.LeaseState
	found, err := w.one(readLease+w.db.rowLock, []any{account}, &was.Owner, &was.Epoch, stamp{&was.Until})
	if err != nil {
		return rotator.Lease{}, err
	}
	now, err := w.now()
	if err != nil {
		return rotator.Lease{}, err
	}
	until := upMillis(now.Add(d))
	if !found {
		n, err := w.exec(newLease, account, owner, now.UnixMilli(), until)
		if err == nil && n == 0 {
			err = rotator.NewFault(op, rotator.Conflict, "%w: it was quicker", rotator.ErrLeaseHeld)
		}
		return rotator.Lease{Account: account, Owner: owner, Epoch: 1}, err
	}
	if err := w.mayTake(op, account, owner, &was, now); err != nil {
		return rotator.Lease{}, err
	}
	_, err = w.exec(takeLease, owner, now.UnixMilli(), until, account, was.Epoch)
	return rotator.Lease{Account: account, Owner: owner, Epoch: was.Epoch + 1}, err
}

// mayTake says who has the lease, if anybody has.
func (w *writer) mayTake(op, account, owner string, was *rotator.LeaseState, now time.Time) error {
	if was.Owner == owner || !was.Until.After(now) {
		return nil
	}
	gone, err := w.isGone(was.Owner)
	if err != nil || gone {
		return err
	}
	return rotator.NewFault(op, rotator.Conflict, "%w: replica %s owns %s until %s", rotator.ErrLeaseHeld, was.Owner, account,
		was.Until.Format(time.RFC3339))
}

// RenewLease implements [rotator.Leases].
func (s *Store) RenewLease(ctx context.Context, l rotator.Lease, d time.Duration) error {
	op := "renew the lease of " + l.Account
	return s.write(ctx, op, func(w *writer) error {
		now, err := w.now()
		if err != nil {
			return err
		}
		n, err := w.exec(renewLease, upMillis(now.Add(d)), l.Account, l.Owner, l.Epoch)
		if err == nil && n == 0 {
			return lost(op, l)
		}
		return err
	})
}

// ReleaseLease implements [rotator.Leases].
func (s *Store) ReleaseLease(ctx context.Context, l rotator.Lease) error {
	return s.write(ctx, "release the lease of "+l.Account, func(w *writer) error {
		_, err := w.exec(releaseLease, l.Account, l.Owner, l.Epoch)
		return err
	})
}

// LeaseStates implements [rotator.Leases].
func (s *Store) LeaseStates(ctx context.Context) ([]rotator.LeaseState, error) {
	var states []rotator.LeaseState
	err := s.each(ctx, leaseStates, nil, func(rows *sql.Rows) error {
		var l rotator.LeaseState
		err := rows.Scan(&l.Account, &l.Owner, &l.Epoch, stamp{&l.Since}, stamp{&l.Until})
		states = append(states, l)
		return err
	})
	return states, s.faults.of("list the leases", err)
}
