package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
)

// leaseTime is how long a lease of a simulated replica lasts: long, because each renewal is an event, and years have many.
const leaseTime = 3 * time.Hour

// term is what the world knows of the lease of an account.
type term struct {
	owner string
	since time.Time
	until time.Time     // it is over then, by the clock of the bubble
	freed chan struct{} // closed when its owner gives it back
}

// replicated reports whether several daemons share the journal.
func (w *World) replicated() bool { return w.s.Replicas > 1 }

// openShared opens the journal that the replicas of an era share. It is a server's: what one of them dies of does not touch it.
func (w *World) openShared() (err error) {
	if w.replicated() {
		w.terms = map[string]*term{}
		w.shared, err = journal.Open(context.Background(), w.path, journal.Options{Clock: w.clock(), OnLateWrite: func(l rotator.Lease) {
			w.happened("late_write_refused")
			w.tell("journal", "refuses a late write of replica %s at %s", l.Owner, l.Account)
		}})
	}
	return err
}

func (w *World) closeShared() error {
	if w.shared == nil {
		return nil
	}
	defer func() { w.shared = nil }()
	return w.shared.Close()
}

// leases is one life's way to the leases in the journal, and tells the oracle what they acknowledged.
type leases struct {
	rotator.Leases
	l *life
}

// AcquireLease implements [rotator.Leases]. While another one's lease is in force it keeps the caller waiting for most of an hour, as a slow
// database would: the daemon asks once a second, and a year has 31 million.
func (s *leases) AcquireLease(ctx context.Context, account, owner string, d time.Duration) (rotator.Lease, error) {
	if err := s.l.w.awaitTerm(ctx, account, owner); err != nil {
		return rotator.Lease{}, err
	}
	var l rotator.Lease
	err := s.reach("acquire the lease", func() (err error) {
		asked := time.Now()
		if l, err = s.Leases.AcquireLease(ctx, account, owner, d); err == nil {
			s.l.w.took(account, owner, asked.Add(d))
		}
		return err
	})
	if errors.Is(err, rotator.ErrLeaseHeld) {
		_ = wait(ctx, slowest) // by one that died, and whose lease lies in the future because the clock was set back
	}
	return l, err
}

// RenewLease implements [rotator.Leases].
func (s *leases) RenewLease(ctx context.Context, l rotator.Lease, d time.Duration) error {
	return s.reach("renew the lease", func() error {
		asked := time.Now()
		err := s.Leases.RenewLease(ctx, l, d)
		if err == nil {
			s.l.w.kept(l, asked.Add(d))
		}
		return err
	})
}

// ReleaseLease implements [rotator.Leases].
func (s *leases) ReleaseLease(ctx context.Context, l rotator.Lease) error {
	return s.reach("release the lease", func() error {
		err := s.Leases.ReleaseLease(ctx, l)
		if err == nil {
			s.l.w.gave(l)
		}
		return err
	})
}

func (s *leases) reach(what string, do func() error) error {
	stood, err := s.l.pass(what)
	if err != nil {
		return err
	}
	if stood {
		time.Sleep(dazed)
	}
	if err := s.l.cutOff(what); err != nil {
		return err
	}
	return do()
}

const (
	// dazed is how long a daemon that stood still takes to notice what has become of its lease: what it was about to do comes first.
	dazed = 100 * time.Millisecond
	// slowest is for how long the journal keeps a daemon waiting that asks for another one's lease.
	slowest = 50 * time.Minute
)

// justWoke reports whether the daemon stood still until a moment ago, and may not have noticed yet what it lost.
func (l *life) justWoke() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.stalledUntil.IsZero() && time.Since(l.stalledUntil) < 2*dazed
}

// awaitTerm waits for the end of another one's lease of the account, but not for ever: then the journal itself is asked.
func (w *World) awaitTerm(ctx context.Context, account, owner string) error {
	w.mu.Lock()
	t := w.terms[account]
	w.mu.Unlock()
	if t == nil || t.owner == owner {
		return ctx.Err()
	}
	timer := time.NewTimer(min(time.Until(t.until), slowest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.freed:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (w *World) took(account, owner string, until time.Time) {
	w.mu.Lock()
	before := w.terms[account]
	w.terms[account] = &term{owner: owner, since: time.Now(), until: until, freed: make(chan struct{})}
	w.mu.Unlock()
	w.tell("daemon", "replica %s acts on %s from now on", owner, account)
	if before != nil && before.owner != owner {
		w.happened("takeover")
	}
	w.oracle.Took(account, owner, until, time.Now())
}

func (w *World) kept(l rotator.Lease, until time.Time) {
	w.mu.Lock()
	if t := w.terms[l.Account]; t != nil && t.owner == l.Owner {
		next := *t
		next.until = until
		w.terms[l.Account] = &next
	}
	w.mu.Unlock()
	w.oracle.Kept(l.Account, l.Owner, until)
}

func (w *World) gave(l rotator.Lease) {
	w.oracle.Gave(l.Account, l.Owner)
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.terms[l.Account]; t != nil && t.owner == l.Owner {
		close(t.freed)
		delete(w.terms, l.Account)
	}
}

// anybody returns a daemon that answers, or nil.
func (w *World) anybody() *life {
	for _, l := range w.lives {
		if l != nil && l.answers() {
			return l
		}
	}
	return nil
}

// at returns the daemon that acts on the account, or nil while none does that answers.
func (w *World) at(account string) *life {
	if !w.replicated() {
		return w.anybody()
	}
	w.mu.Lock()
	t := w.terms[account]
	w.mu.Unlock()
	for _, l := range w.lives {
		if t != nil && l != nil && l.name == t.owner && l.answers() {
			return l
		}
	}
	return nil
}

// clockWrongAt reports whether the clock of the daemon that acts on the account is wrong, so that it must not decide by it.
func (w *World) clockWrongAt(account string) bool {
	l := w.at(account)
	return l != nil && wrong(w.skew()-w.clockApart(l.slot))
}

// awakeAt is since when a daemon that answers has acted on the account without a break; false for none.
func (w *World) awakeAt(account string) (since time.Time, ok bool) {
	l := w.at(account)
	if l == nil {
		return time.Time{}, false
	}
	l.mu.Lock()
	since = later(l.began, later(l.stalledUntil, l.cutUntil))
	l.mu.Unlock()
	if w.replicated() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if t := w.terms[account]; t != nil {
			since = later(since, t.since)
		}
	}
	return since, !since.After(time.Now())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// named is the name of a replica's process: another one after each start.
func (w *World) replicaName(slot int) string {
	w.born++
	return fmt.Sprintf("%s%d", letter(slot), w.born)
}

// letter is what the names of the replicas in a slot begin with.
func letter(slot int) string { return string("abcdefgh"[slot]) }

// answers reports whether people get an answer from the daemon: not while it is dead or stands still.
func (l *life) answers() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.dead && !time.Now().Before(l.stalledUntil)
}

// stallAt orders a standstill of length d at the nth point from now.
func (l *life) stallAt(nth int, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.dead && l.stalls == 0 {
		l.stalls, l.stallFor = max(1, nth), d
	}
}

// cut keeps the daemon from its journal until then.
func (l *life) cut(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cutUntil = later(l.cutUntil, until)
}

// unreachable is how long the daemon tries before it knows that there is no way to its journal.
const unreachable = 2 * time.Minute

// cutOff says, after a while, that the daemon does not reach its journal; nil if it does.
func (l *life) cutOff(what string) error {
	l.mu.Lock()
	cut := time.Now().Before(l.cutUntil)
	l.mu.Unlock()
	if !cut {
		return nil
	}
	timer := time.NewTimer(unreachable)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.killed:
	}
	return rotator.NewFault("journal "+what, rotator.Transient, "no route to the journal")
}

// standStill keeps the caller while the daemon stands still, and reports whether it did.
func (l *life) standStill() (stood bool) {
	for {
		l.mu.Lock()
		left, dead := time.Until(l.stalledUntil), l.dead
		l.mu.Unlock()
		if left <= 0 || dead {
			return stood
		}
		stood = true
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-l.killed:
		}
		timer.Stop()
	}
}
