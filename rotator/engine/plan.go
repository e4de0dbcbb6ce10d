package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// budget is how many rotations may be started from the batch in hand. What is up for a look counts whether it will rotate
// or not, so it may stop too much; [Engine.judgeCap] puts that right once everything has been looked at.
func (e *Engine) budget(ctx context.Context, a *account, now time.Time) (*atomic.Int64, error) {
	n, _, err := e.countBudget(ctx, a, now)
	if n == 0 {
		a.capped.Store(true)
	}
	var budget atomic.Int64
	budget.Store(int64(n))
	return &budget, err
}

func (e *Engine) countBudget(ctx context.Context, a *account, now time.Time) (n, due int, err error) {
	limits := e.setup.Load().Cap
	s := a.snapshot()
	bound := max(limits.AlwaysAllowed, int(limits.MaxShare*float64(s.Managed))) + 1
	due, err = e.store.CountDue(ctx, a.name, now, bound)
	if err != nil {
		return 0, 0, err
	}
	return rotator.Budget(limits, s, due, int(a.planned.Load()), now), due, nil
}

// judgeCap is called when nothing is left to look at: then all that counts as due is what waits for approval. If that is
// within the cap after all, it is looked at again, which judgeCap reports; if not, a person is asked.
func (e *Engine) judgeCap(ctx context.Context, a *account, now time.Time) (bool, error) {
	asking := !a.snapshot().AwaitingSince.IsZero()
	if !a.capped.Load() && !asking {
		return false, nil
	}
	n, due, err := e.countBudget(ctx, a, now)
	if err != nil {
		return false, err
	}
	over := due > 0 && n == 0
	if err := e.noteApproval(ctx, a, over, due, now); err != nil {
		return false, err
	}
	if over {
		return false, nil
	}
	a.capped.Store(false)
	if due == 0 {
		return false, nil
	}
	return true, e.store.LookAgain(ctx, a.name, rotator.BlockAwaitingApproval, now)
}

// noteApproval remembers since when, and how much, the cap stops.
func (e *Engine) noteApproval(ctx context.Context, a *account, stopped bool, due int, now time.Time) error {
	return e.update(ctx, a, func(s *rotator.ProviderState) {
		if !stopped {
			s.AwaitingSince, s.Awaiting = time.Time{}, 0
			return
		}
		if s.AwaitingSince.IsZero() {
			s.AwaitingSince = now
			e.log.Error("more rotations are due at once than max_share_per_scan allows; none starts until somebody approves",
				zap.String("provider", a.name), zap.Int("due_at_least", due), zap.Int("managed", s.Managed),
				zap.String("approve_with", "rotatord approve "+a.name))
		}
		s.Awaiting = due
	})
}

// consider decides about one key that is up for a look and carries the decision out. After it has stored that a key has to
// wait, it decides once more: what changed in between (a hold was released, a scan found another policy) has asked for a
// look that the store then overwrote.
func (e *Engine) consider(ctx context.Context, a *account, k rotator.TrackedKey, budget *atomic.Int64) {
	var stored *rotator.Decision
	for ctx.Err() == nil {
		now := e.clock.Now()
		d, f, err := e.decide(ctx, k, budget, now)
		if err == nil && d.Action == rotator.ActRotate {
			var done bool
			if d, done, err = e.begin(ctx, a, f, d, budget); done {
				return
			}
		}
		if err != nil {
			d, err = e.unplannable(k, err, now)
		}
		if err == nil && stored != nil && sameDecision(*stored, d) {
			return
		}
		if err == nil {
			err = e.putOff(ctx, f.Key, d, now)
		}
		if err != nil {
			e.journalTrouble(ctx, a, err)
			return
		}
		stored = &d
	}
}

// sameDecision compares what is stored of decisions. Times that are counted from now differ a little each time.
func sameDecision(a, b rotator.Decision) bool {
	return a.Action == b.Action && a.Block == b.Block && a.LookAt.IsZero() == b.LookAt.IsZero() && a.LookAt.Sub(b.LookAt).Abs() < time.Minute
}

// begin plans a rotation and takes it as far as it goes. It is done unless the key cannot be planned and has to wait.
func (e *Engine) begin(ctx context.Context, a *account, f rotator.Facts, d rotator.Decision, budget *atomic.Int64) (_ rotator.Decision, done bool, err error) {
	if budget.Add(-1) < 0 {
		return d, true, nil // the batch was larger than the budget: the next look counts again
	}
	r, err := e.plan(ctx, a, f, d.Reason, "", d.Why)
	if err != nil {
		budget.Add(1)
		return d, false, err
	}
	e.run(ctx, a, r)
	return d, true, nil
}

// putOff stores that a key is not rotated now.
func (e *Engine) putOff(ctx context.Context, k rotator.TrackedKey, d rotator.Decision, now time.Time) error {
	if d.Block != "" && d.Block != k.Waiting {
		e.log.Warn("a key is due and is not rotated", keyFields(k, zap.String("blocked", string(d.Block)), zap.String("why", d.Why))...)
	}
	k.LookAt, k.Waiting, k.WaitingWhy = d.LookAt, d.Block, d.Why
	if d.Block == "" {
		k.WaitingWhy = ""
	}
	return e.store.SetLook(ctx, k, now)
}

// decide gathers the facts and asks [rotator.Decide].
func (e *Engine) decide(ctx context.Context, k rotator.TrackedKey, budget *atomic.Int64, now time.Time) (rotator.Decision, rotator.Facts, error) {
	f, err := e.facts(ctx, k, now)
	if err != nil {
		return rotator.Decision{}, f, err
	}
	f.Budget = int(budget.Load())
	if a, ok := e.account(k.Provider); ok {
		f.Skew = skewOf(a)
	}
	return rotator.Decide(f, now), f, nil
}

func (e *Engine) facts(ctx context.Context, k rotator.TrackedKey, now time.Time) (rotator.Facts, error) {
	f := rotator.Facts{Key: k, UserActive: true}
	c := k.Credential()
	var err error
	if f.Freezes, err = e.freezes(ctx, now); err != nil {
		return f, err
	}
	if f.Series, err = e.store.Series(ctx, c); err != nil {
		return f, err
	}
	for _, now := range f.Series {
		if now.ID == k.ID {
			f.Key = now // k was fetched before the credential was taken in hand
		}
	}
	if f.Series, err = e.withoutOrphansOf(ctx, f.Key, f.Series); err != nil {
		return f, err
	}
	if f.Key.Waiting == rotator.BlockRotationFailed {
		n, err := e.store.Abandoned(ctx, c, countedFailures)
		if err != nil {
			return f, err
		}
		if since := f.Key.WaitingSince; !since.After(now) || !rotator.ClockWrong(since.Sub(now)) { // else the clock has been set back since
			f.RetryAt = since.Add(rotator.RetryAbandoned(n))
		}
	}
	f.Policy = e.policy(f.Key.Policy)
	user, err := e.store.User(ctx, k.Provider, k.UserID)
	if err == nil {
		f.UserActive = user.Active
	} else if rotator.KindOf(err) != rotator.Gone {
		return f, err
	}
	if _, err = e.store.OpenRotation(ctx, c); err == nil {
		f.Rotating = true
	} else if rotator.KindOf(err) != rotator.Gone {
		return f, err
	}
	f.Hold, err = e.store.HoldOn(ctx, c, now)
	return f, err
}

// errNoSink says that a rotation has nowhere to deliver to.
var errNoSink = errors.New("the policy names no sink that is configured")

// highest is the highest version that the credential ever had, by the journal and by the provider.
func (e *Engine) highest(ctx context.Context, f rotator.Facts) (int, error) {
	highest, err := e.store.HighestVersion(ctx, f.Key.Credential())
	for _, k := range f.Series {
		highest = max(highest, k.Version)
	}
	return highest, err
}

// plan commits a new rotation for the key that f is about.
func (e *Engine) plan(ctx context.Context, a *account, f rotator.Facts, reason rotator.Reason, actor, why string) (rotator.Rotation, error) {
	now := e.clock.Now()
	highest, err := e.highest(ctx, f)
	if err != nil {
		return rotator.Rotation{}, err
	}
	user, err := e.store.User(ctx, f.Key.Provider, f.Key.UserID)
	if err != nil && rotator.KindOf(err) != rotator.Gone {
		return rotator.Rotation{}, err
	}
	r := rotator.Rotation{
		CredentialID: f.Key.Credential(), ServiceUser: user.Name, Contact: user.Email, Policy: f.Policy.Name, Reason: reason, Actor: actor,
		Version: highest + 1, OldKey: rotator.KeyRef{ID: f.Key.ID, Name: f.Key.Name}, Deadline: f.Key.Deadline,
		Terms:    termsOf(f.Policy),
		ExtendTo: extendTo(a, f, reason, now),
	}
	if reason == rotator.ReasonCompromised {
		r.Terms = r.Terms.Urgent()
	}
	if r.Sinks, err = e.locate(&r, f.Policy); err != nil {
		return r, err
	}
	c := rotator.Plan(newRotationID(now), r, now, fmt.Sprintf("%s: %s", reason, why))
	if err := e.commit(ctx, c); err != nil {
		return r, err
	}
	if actor != "" {
		return c.After, nil // the cap is there to ask a person, and one has spoken
	}
	return c.After, e.countPlanned(ctx, a, now)
}

func termsOf(p *rotator.Policy) rotator.Terms {
	return rotator.Terms{Lifetime: p.Lifetime, Grace: p.Grace, Idle: p.Idle, Soak: p.Soak}
}

// countPlanned keeps the blast-radius cap's books. What a person approved is stored, so that a restart does not grant it
// twice.
func (e *Engine) countPlanned(ctx context.Context, a *account, now time.Time) error {
	a.planned.Add(1)
	if s := a.snapshot(); s.Approved == 0 || !now.Before(s.ApprovedUntil) {
		return nil
	}
	return e.update(ctx, a, func(s *rotator.ProviderState) { s.Approved = max(0, s.Approved-1) })
}

// locate asks each sink of the policy where the credential goes.
func (e *Engine) locate(r *rotator.Rotation, p *rotator.Policy) ([]rotator.SinkProgress, error) {
	sinks := e.setup.Load().Sinks
	progress := make([]rotator.SinkProgress, 0, len(p.Sinks))
	for _, name := range p.Sinks {
		sink, ok := sinks[name]
		if !ok {
			return nil, fmt.Errorf("sink %q: %w", name, errNoSink)
		}
		where, err := sink.Location(r.Coordinates())
		if err != nil {
			return nil, rotator.NewFault("locate in sink "+name, rotator.Invalid, "%w", err)
		}
		progress = append(progress, rotator.SinkProgress{Sink: name, Location: where})
	}
	if len(progress) == 0 {
		return nil, errNoSink
	}
	return progress, nil
}

// planRecheck is how often a key is looked at that cannot be planned until somebody changes something.
const planRecheck = 10 * time.Minute

// unplannable turns what is wrong with a plan into a decision to wait; the journal's own trouble stays an error.
func (e *Engine) unplannable(k rotator.TrackedKey, err error, now time.Time) (rotator.Decision, error) {
	d := rotator.Decision{Action: rotator.ActWait, LookAt: now.Add(planRecheck), Why: err.Error()}
	switch {
	case errors.Is(err, rotator.ErrLocationTaken):
		d.Block = rotator.BlockLocationTaken
	case errors.Is(err, errNoSink):
		d.Block = rotator.BlockSinkUnknown
	case rotator.KindOf(err) == rotator.Invalid:
		d.Block = rotator.BlockInvalid
	case rotator.KindOf(err) == rotator.Conflict:
		d.Why = "a rotation of " + k.Credential().String() + " is open already"
	default:
		return d, err
	}
	return d, nil
}

// newRotationID is a day, so that ids sort and can be found in logs, and 50 random bits.
func newRotationID(now time.Time) string {
	return now.UTC().Format("20060102-") + strings.ToLower(rand.Text()[:10])
}

func keyFields(k rotator.TrackedKey, more ...zap.Field) []zap.Field {
	return append([]zap.Field{zap.String("provider", k.Provider), zap.String("user_id", k.UserID),
		zap.String("credential", k.Base), zap.String("key_id", k.ID), zap.String("key_name", k.Name)}, more...)
}
