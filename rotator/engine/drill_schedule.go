package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// drillRecheck is how often drills are tried again that something stood against, while their window is open.
const drillRecheck = 5 * time.Minute

// errNoDrill says that none of the credentials can be drilled now.
var errNoDrill = errors.New("no credential that it selects can be drilled now: all are held, due, switched off, outside their policy's window or being rotated")

// occasion is an opening of a drill's window, and when its drills were last looked after.
type occasion struct{ opened, looked time.Time }

// practise begins the drills of the calendar at the account, until ctx ends. What has been begun while a window is open is
// asked of the journal, so that a restart begins none twice.
func (e *Engine) practise(ctx context.Context, a *account) {
	known := map[string]occasion{}
	for ctx.Err() == nil {
		renewed, drills, now := a.nextSetup(), e.setup.Load().Drills, e.clock.Now()
		for _, d := range drills {
			opened, open := d.Window.Opened(now)
			if !open || !d.SelectsProvider(a.name) || a.snapshot().LastScan.IsZero() {
				continue
			}
			last := known[d.Name]
			if age := now.Sub(last.looked); last.opened.Equal(opened) && age >= 0 && age < drillRecheck {
				continue
			}
			known[d.Name] = occasion{opened, now}
			if err := e.practiseOnce(ctx, a, &d, opened, now); err != nil && ctx.Err() == nil {
				e.log.Warn("a drill of the calendar is not begun; it is tried again while its window is open", zap.String("provider", a.name),
					zap.String("drill", d.Name), zap.Duration("again_in", drillRecheck), zap.Error(err))
			}
		}
		e.rest(ctx, renewed, len(drills) > 0)
	}
}

// rest waits for as long as a loop may do without looking at the clock, and where it has nothing to look for, until another setup is
// in force.
func (e *Engine) rest(ctx context.Context, renewed <-chan struct{}, busy bool) {
	var tick <-chan time.Time
	if busy {
		t := time.NewTimer(e.look)
		defer t.Stop()
		tick = t.C
	}
	select {
	case <-ctx.Done():
	case <-renewed:
	case <-tick:
	}
}

// practiseOnce begins what drills are still to be begun on the occasion. The error says why fewer were.
func (e *Engine) practiseOnce(ctx context.Context, a *account, d *rotator.DrillSchedule, opened, now time.Time) error {
	begun, err := e.drilledSince(ctx, a, d, opened)
	if err != nil || begun >= d.Limit {
		return err
	}
	room, err := e.roomToDrill(ctx, a, now)
	if err != nil {
		return err
	}
	keys, err := e.drillable(ctx, a, d, now)
	if err != nil {
		return asJournal(err)
	}
	defer a.requestLook()
	for left := min(d.Limit-begun, room); left > 0; left-- {
		if keys, err = e.drillNext(ctx, a, d, keys, now); err != nil {
			return err
		}
	}
	return nil
}

// drilledSince counts the drills of the schedule that were begun since a moment.
func (e *Engine) drilledSince(ctx context.Context, a *account, d *rotator.DrillSchedule, since time.Time) (int, error) {
	n := 0
	for _, q := range []rotator.RotationQuery{
		{State: "open", Reason: rotator.ReasonDrill}, {State: "ended", Since: since, Reason: rotator.ReasonDrill},
		{State: "open", Reason: rotator.ReasonCompromised}, {State: "ended", Since: since, Reason: rotator.ReasonCompromised}, // of a key that leaked meanwhile
	} {
		q.Provider, q.Limit = a.name, batch
		for {
			page, err := e.store.FindRotations(ctx, q)
			if err != nil {
				return n, asJournal(err)
			}
			for i := range page.Rotations {
				r := &page.Rotations[i]
				if !r.ByCalendar() || r.PlannedAt.Before(since) {
					continue
				}
				if d.Selects(a.name, e.userOf(ctx, r), r.Base) {
					n++
				}
			}
			if page.Next == nil {
				break
			}
			q.After = *page.Next
		}
	}
	return n, nil
}

// userOf is the rotation's user as the last scan saw it, or what the rotation says of it.
func (e *Engine) userOf(ctx context.Context, r *rotator.Rotation) rotator.ServiceUser {
	u, err := e.store.User(ctx, r.Provider, r.UserID)
	if err != nil {
		return rotator.ServiceUser{ID: r.UserID, Name: r.ServiceUser, Email: r.Contact}
	}
	return u
}

// drillNext begins the drill of the first of the keys that nothing speaks against, and returns those after it.
func (e *Engine) drillNext(ctx context.Context, a *account, d *rotator.DrillSchedule, keys []rotator.TrackedKey, now time.Time) ([]rotator.TrackedKey, error) {
	refused := errNoDrill
	for i, k := range keys {
		r, err := e.drillByCalendar(ctx, a, d, k, now)
		if err == nil {
			e.log.Info("a drill of the calendar begins", append(rotationFields(&r), zap.String("drill", d.Name))...)
			return keys[i+1:], nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		refused = err
	}
	return nil, refused
}

// roomToDrill returns how many drills the blast-radius cap lets through, where nothing stands against drills at the account as a
// whole. Nobody has spoken for a drill of the calendar, so the cap counts it, and it takes no room from what is due.
func (e *Engine) roomToDrill(ctx context.Context, a *account, now time.Time) (int, error) {
	const op = "drill"
	limits := a.provider().Limits()
	if limits.Supplied || limits.RemovedByHand {
		return 0, rotator.NewFault(op, rotator.Invalid, "at provider %s a person makes or removes keys; drill it by hand, with: rotatord drill", a.name)
	}
	freezes, err := e.freezes(ctx, now)
	if err != nil {
		return 0, asJournal(err)
	}
	if err := calmAt(a, freezes, now); err != nil {
		return 0, err
	}
	_, due, err := e.countBudget(ctx, a, now)
	if err != nil {
		return 0, asJournal(err)
	}
	room := rotator.Spare(e.setup.Load().Cap, a.snapshot(), due, int(a.planned.Load()))
	if room <= 0 || !a.snapshot().AwaitingSince.IsZero() {
		return 0, rotator.NewFault(op, rotator.Conflict, "so many rotations are due at %s that a drill would come to limits.max_share_per_scan; it can wait until they are done", a.name)
	}
	return room, nil
}

// candidates is how many keys are kept at least that may be drilled, of however many there are.
const candidates = 1000

// drillable returns the keys that the schedule selects and nothing obvious speaks against, those that were made longest ago first:
// of them nobody knows whether they can still be replaced. Where there are very many, it returns only the first of them.
func (e *Engine) drillable(ctx context.Context, a *account, d *rotator.DrillSchedule, now time.Time) ([]rotator.TrackedKey, error) {
	var keys []rotator.TrackedKey
	err := e.store.ReportKeys(ctx, rotator.KeyQuery{Provider: a.name, Brief: true}, now, func(f rotator.KeyFacts) error {
		k := &f.Key
		fit := k.Policy != "" && k.State == rotator.KeyActive && k.MissingSince.IsZero() && k.Waiting == "" && f.UserListed && f.User.Active &&
			f.Hold == nil && f.Open == nil && f.Newer.ID == "" && (k.Due.IsZero() || k.Due.After(now))
		if fit && d.Selects(a.name, f.User, k.Base) && e.windowOpen(k, now) {
			keys = append(keys, *k)
		}
		if len(keys) == 2*candidates {
			keys = slices.Delete(longestAgo(keys), candidates, len(keys))
		}
		return nil
	})
	return longestAgo(keys), err
}

func longestAgo(keys []rotator.TrackedKey) []rotator.TrackedKey {
	slices.SortStableFunc(keys, func(x, y rotator.TrackedKey) int { return x.Created.Compare(y.Created) })
	return keys
}

// windowOpen reports whether the window of the key's policy lets it be rotated now.
func (e *Engine) windowOpen(k *rotator.TrackedKey, now time.Time) bool {
	p := e.policy(k.Policy)
	return p == nil || p.Window == nil || p.Window.Contains(now)
}

// drillByCalendar begins one drill, unless anything speaks against it: what would refuse one that a person asks for, and a window
// that is closed, since nobody watches.
func (e *Engine) drillByCalendar(ctx context.Context, a *account, d *rotator.DrillSchedule, k rotator.TrackedKey, now time.Time) (rotator.Rotation, error) {
	f, err := e.facts(ctx, k, now)
	if err != nil {
		return rotator.Rotation{}, err
	}
	if err := mayDrill(a, &f, now); err != nil {
		return rotator.Rotation{}, err
	}
	if w := f.Policy.Window; w != nil && !w.Contains(now) {
		return rotator.Rotation{}, rotator.NewFault("drill", rotator.Conflict, "the window of policy %s, which selects %s, is closed until %s",
			f.Policy.Name, f.Key.Credential(), w.NextOpen(now).UTC().Format(time.RFC3339))
	}
	r, err := e.plan(ctx, a, f, rotator.ReasonDrill, rotator.ActorSchedule, "a drill, asked for by the calendar: "+d.Name)
	if err != nil {
		return r, err
	}
	return r, e.countPlanned(ctx, a, now)
}
