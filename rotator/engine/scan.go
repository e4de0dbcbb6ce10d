package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// mergeSize is how many changed rows a scan gathers before it writes them in one transaction.
const mergeSize = 2000

// droppedShare is the part of a provider's keys that may be missing from one complete scan before the scan is taken for
// a lie rather than for deletions. After disbelieved scans in a row that say the same, it is believed.
const (
	droppedShare = 0.5
	disbelieved  = 3
)

// runScans scans one account at start, after each request, and when the schedule says so, until ctx ends. A scan serves
// every request made before it began: the start makes one too, and an account of any size is not to be scanned twice.
func (e *Engine) runScans(ctx context.Context, a *account) {
	for read := e.clock.Read(); ctx.Err() == nil; {
		e.awaitPause(ctx, a, &read)
		select {
		case <-a.scan:
		default:
		}
		began := e.clock.Read()
		e.scanAndTell(ctx, a, began.Wall)
		e.awaitScan(ctx, a, began)
	}
}

// awaitPause returns when the provider is not paused: a restart or a reload is no reason to be impatient with it. A clock that was
// set back since read ends a pause, too.
func (e *Engine) awaitPause(ctx context.Context, a *account, read *rotator.Reading) {
	for {
		e.noticeSetBack(ctx, a, read)
		now := e.clock.Now()
		until, paused := a.paused(now)
		if !paused {
			return
		}
		t := time.NewTimer(min(until.Sub(now), e.look))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// awaitScan returns when the next scan is due. The schedule is asked from the last scan on, so a time that passed while
// the machine slept is due at once. So is a scan once somebody has set the clock: the provider's answers say whether it is right now.
func (e *Engine) awaitScan(ctx context.Context, a *account, began rotator.Reading) {
	last := began.Wall
	for {
		due := e.setup.Load().Scan.Next(last)
		now := e.clock.Read().Wall
		if !due.After(now) || now.Before(last.Add(-e.look)) { // the latter: the clock was set back
			return
		}
		if by := e.clock.SetSince(began); rotator.ClockWrong(by) {
			e.log.Warn("the clock was set, or the machine slept; the provider is scanned to see whether it is right", zap.String("provider", a.name), zap.Duration("by", by))
			return
		}
		t := time.NewTimer(min(due.Sub(now), e.look))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-a.scan:
			t.Stop()
			return
		case <-t.C:
		}
	}
}

func (e *Engine) scanAndTell(ctx context.Context, a *account, began time.Time) {
	start := time.Now()
	res, err := e.scanSafely(ctx, a, began)
	took := time.Since(start)
	if ctx.Err() != nil {
		return
	}
	if res.Changed+res.Missing > 0 {
		err = errors.Join(err, asJournal(e.lookAtWaiting(ctx, a)))
	}
	if isJournal(err) {
		e.obs.JournalFailed(err)
	} else {
		e.note(ctx, a, err)
	}
	e.obs.Scanned(a.name, res, took, err)
	if err != nil {
		_ = e.update(ctx, a, func(s *rotator.ProviderState) { s.ScanTrouble = err.Error() })
		e.log.Error("scan failed; the keys seen before stay in force and the next scan tries again",
			zap.String("provider", a.name), zap.Error(err))
		return
	}
	e.log.Info("scan complete", zap.String("provider", a.name), zap.Int("users", res.Users), zap.Int("keys", res.Keys),
		zap.Int("managed", res.Managed), zap.Int("changed", res.Changed), zap.Int("missing", res.Missing), zap.Duration("took", took))
	a.requestLook()
}

// scanSafely is scan; a panic in an adapter is a scan that failed.
func (e *Engine) scanSafely(ctx context.Context, a *account, now time.Time) (res ScanResult, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = e.defect("scan", cause, zap.String("provider", a.name))
		}
	}()
	return e.scan(ctx, a, now)
}

// scan streams the account's inventory past the memory of the last scan and stores what changed. An error of the journal
// is marked as one, however it came about.
func (e *Engine) scan(ctx context.Context, a *account, now time.Time) (ScanResult, error) {
	a.scanning.take()
	defer a.scanning.give()
	if a.seen == nil {
		m, err := e.recall(ctx, a.name)
		if err != nil {
			return ScanResult{}, journalError{err}
		}
		a.seen = m
	}
	setup := e.setup.Load()
	a.seen.begin(setup.Policies)
	expected, err := e.expect(ctx, a)
	if err != nil {
		return ScanResult{}, err
	}
	v := &visit{ctx: ctx, e: e, a: a, m: a.seen, policies: setup.Policies, expected: expected}
	a.planned.Store(0)
	err = e.inventory(ctx, a, rotator.Scope{}, v)
	// What a broken scan saw is true all the same; only what it did not see proves nothing.
	if err := errors.Join(err, v.flush()); err != nil {
		return v.res, err
	}
	if err := v.finish(now); err != nil {
		return v.res, err
	}
	err = asJournal(e.update(ctx, a, func(s *rotator.ProviderState) {
		s.LastScan, s.Users, s.Keys, s.Managed, s.ScanTrouble = now, v.res.Users, v.res.Keys, v.res.Managed, ""
	}))
	v.strange.tell(e.log, a.name)
	e.retireOrphans(ctx, a, v.orphans)
	return v.res, errors.Join(err, e.provision(ctx, a, expected, now))
}

// recall makes the memory of the last scan from the journal: it is needed once, after a start. Users without a sum are
// those that were gone by then. Keys without one may be orphans too, which are to be missed when they go.
func (e *Engine) recall(ctx context.Context, provider string) (*memory, error) {
	m := newMemory()
	err := e.store.Digests(ctx, provider, func(d rotator.Digest) error {
		if d.Key {
			m.keys[idOf(d.ID)] = keyMark{sum: d.Sum}
		} else if d.Sum != 0 {
			m.users[idOf(d.ID)] = userMark{sum: d.Sum}
		}
		return nil
	})
	return m, err
}

// visit receives one scan.
type visit struct {
	ctx      context.Context
	e        *Engine
	a        *account
	m        *memory
	h        hasher
	policies []*rotator.Policy
	res      ScanResult
	users    []rotator.UserRow
	keys     []rotator.KeyRow
	orphans  []rotator.Key
	expected *sighting
	strange  strangers
}

// User implements [rotator.Visitor].
func (v *visit) User(u rotator.ServiceUser) error {
	id := idOf(u.ID)
	old, known := v.m.users[id]
	if known && old.gen == v.m.gen {
		return nil // shown twice
	}
	v.res.Users++
	v.expected.notice(u)
	sum := v.h.user(v.m.epoch, u)
	mark := userMark{sum: sum, gen: v.m.gen, set: old.set, active: u.Active}
	if old.sum != sum || old.gen < v.m.since {
		mark.set = v.m.candidates(v.a.name, u, v.policies)
	}
	v.m.users[id] = mark
	if known && old.sum == sum {
		return nil
	}
	v.users = append(v.users, rotator.UserRow{ServiceUser: u, Sum: sum})
	return v.flushIfFull()
}

// Key implements [rotator.Visitor].
func (v *visit) Key(k rotator.Key) error {
	id := idOf(k.ID)
	old, known := v.m.keys[id]
	if known && old.gen == v.m.gen {
		return nil // shown twice
	}
	v.res.Keys++
	user, listed := v.m.users[idOf(k.UserID)]
	if listed && user.gen != v.m.gen {
		// Its user was listed before and is not now. That is believed at the end of a complete scan, not here.
		old.gen = v.m.gen
		v.m.keys[id] = old
		v.count(old.managed)
		return nil
	}
	sum := v.h.key(v.userSum(user, listed), k)
	if known && old.sum == sum {
		if !old.judged {
			old.judged, old.managed = true, v.manages(k, user, listed)
		}
		old.gen = v.m.gen
		v.m.keys[id] = old
		v.count(old.managed)
		return nil
	}
	old.gen = v.m.gen // seen; its new sum is remembered once it is stored
	v.m.keys[id] = old
	row := v.row(k, user, listed)
	v.count(row.Policy != "" && k.State == rotator.KeyActive)
	orphan, undecided, err := v.e.isOrphan(v.ctx, v.a, row.TrackedKey.Key)
	if err != nil {
		return journalError{err}
	}
	row.Sum = sum
	if !known {
		if err := v.strange.look(v, row.TrackedKey); err != nil {
			return journalError{err}
		}
	}
	if orphan || undecided {
		row.Sum = 0 // looked at again in the next scan
	}
	if orphan {
		v.orphans = append(v.orphans, k)
	}
	v.keys = append(v.keys, row)
	return v.flushIfFull()
}

func (v *visit) userSum(u userMark, listed bool) uint64 {
	if !listed {
		return v.m.epoch
	}
	return u.sum
}

func (v *visit) count(managed bool) {
	if managed {
		v.res.Managed++
	}
}

// manages answers for a key that was remembered from the journal, where the memory lacks that bit.
func (v *visit) manages(k rotator.Key, u userMark, listed bool) bool {
	base, _ := rotator.SplitName(k.Name)
	return k.State == rotator.KeyActive && v.policyOf(u, listed, base) != nil
}

// policyOf returns the first policy that selects the credential. A key whose user is not among the service users that
// were listed belongs to a person or to another tool: no policy selects it.
func (v *visit) policyOf(u userMark, listed bool, base string) *rotator.Policy {
	if !listed {
		return nil
	}
	for _, p := range v.m.sets[u.set] {
		if p.SelectsKey(base) {
			return p
		}
	}
	return nil
}

// row makes of a key what is stored: its series, its policy, and its times.
func (v *visit) row(k rotator.Key, u userMark, listed bool) rotator.KeyRow {
	t := rotator.TrackedKey{Provider: v.a.name, Key: k, Draw: drawOf(v.a.name, k)}
	t.Base, t.Version = rotator.SplitName(k.Name)
	if p := v.policyOf(u, listed, t.Base); p != nil {
		t.Policy = p.Name
		t.Deadline, _ = p.Deadline(k)
		t.Due, _ = p.Due(k, t.Draw)
		if (k.State == rotator.KeyActive || k.State == rotator.KeyExpired) && u.active {
			t.LookAt = t.Due
		}
	}
	return rotator.KeyRow{TrackedKey: t}
}

// missing counts a key that is gone, unless it was gone before.
func (v *visit) missing(k keyMark) {
	if k.sum != 0 {
		v.res.Missing++
	}
}

// unlessGone returns err, or nil where err only says that there is no such thing.
func unlessGone(err error) error {
	if rotator.KindOf(err) == rotator.Gone {
		return nil
	}
	return err
}

func (v *visit) flushIfFull() error {
	if len(v.users)+len(v.keys) < mergeSize {
		return nil
	}
	return v.flush()
}

// flush stores what was gathered, and only then remembers it.
func (v *visit) flush() error {
	if len(v.users)+len(v.keys) == 0 {
		return nil
	}
	if err := v.e.store.Merge(v.ctx, v.a.name, v.users, v.keys); err != nil {
		v.forget()
		return journalError{err}
	}
	for _, k := range v.keys {
		v.m.keys[idOf(k.ID)] = keyMark{sum: k.Sum, gen: v.m.gen, judged: true, managed: k.Policy != "" && k.State == rotator.KeyActive}
	}
	v.res.Changed += len(v.users) + len(v.keys)
	clear(v.users) // lets go of the strings
	clear(v.keys)
	v.users, v.keys = v.users[:0], v.keys[:0]
	return nil
}

// forget takes users that could not be stored out of the memory, so that the next scan stores them.
func (v *visit) forget() {
	for _, u := range v.users {
		delete(v.m.users, idOf(u.ID))
	}
}

// finish looks for what a complete scan no longer showed. What one scan lacks may be in the next: one empty or shifted list
// among many would else take a key out of sight, and with it what is said of the key. It is gone when two complete scans in a
// row lack it, or when many others are gone with it and scans have long said so.
func (v *visit) finish(now time.Time) error {
	keys, users := v.m.unseenKeys(), v.m.unseenUsers()
	lacking := v.m.whole
	if v.m.drops < disbelieved {
		if err := errors.Join(keys.doubt("keys"), users.doubt("service users")); err != nil {
			v.m.drops++
			return err
		}
	} else {
		lacking = v.m.gen
	}
	v.m.drops, v.m.whole = 0, v.m.gen
	if keys.unseen+users.unseen == 0 {
		return nil
	}
	return asJournal(v.dismiss(lacking, now))
}

// dismiss stores what was seen last before the scan lacking, and forgets it. A user is stored without its sum, which brings it
// back as soon as it is listed again; its keys are under no policy from the next scan on.
func (v *visit) dismiss(lacking uint32, now time.Time) error {
	var keys []string
	var users []rotator.UserRow
	store, name := v.e.store, v.a.name
	err := store.Digests(v.ctx, name, func(d rotator.Digest) error {
		if d.Key {
			if mark := v.m.keys[idOf(d.ID)]; mark.gen < lacking {
				keys = append(keys, d.ID)
				v.missing(mark)
			}
			return nil
		}
		if mark, known := v.m.users[idOf(d.ID)]; !known || mark.gen >= lacking {
			return nil
		}
		u, err := store.User(v.ctx, name, d.ID)
		users = append(users, rotator.UserRow{ServiceUser: u})
		return err
	})
	if err != nil {
		return err
	}
	if err := store.MarkMissing(v.ctx, name, keys, now); err != nil {
		return err
	}
	for _, id := range keys {
		delete(v.m.keys, idOf(id))
	}
	for some := range slices.Chunk(users, mergeSize) {
		if err := store.Merge(v.ctx, name, some, nil); err != nil {
			return err
		}
		for _, u := range some {
			delete(v.m.users, idOf(u.ID))
		}
	}
	return nil
}
