// Package forecast says what a daemon will do in the hours or days ahead: facts in, actions by hour out. It is pure. Whether
// a key may rotate at some time is asked of [rotator.Decide], and whether one may be revoked of [rotator.PeopleAllow], which
// are what the daemon itself asks then.
//
// It foresees what the clock decides. It takes every call to succeed and every old key to be idle when its time comes, and
// looks one rotation of each credential ahead.
package forecast

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Kind is what an action does.
type Kind string

// The kinds of actions, in the order in which a rotation takes them.
const (
	Supply    Kind = "supply"     // a person makes a key and hands it over
	Mint      Kind = "mint"       // a new key is made
	Extend    Kind = "extend"     // the expiry of a key is moved
	Deliver   Kind = "deliver"    // the new key goes to its sinks
	GraceEnd  Kind = "grace_end"  // the grace period of an old key is over
	SwitchOff Kind = "switch_off" // an old key is switched off, reversibly
	Revoke    Kind = "revoke"     // an old key is revoked
	Remove    Kind = "remove"     // a person removes an old key
)

// Kinds lists every kind of action, in order.
func Kinds() []Kind {
	return []Kind{Supply, Mint, Extend, Deliver, GraceEnd, SwitchOff, Revoke, Remove}
}

// Begins reports whether an action of the kind is how a rotation begins.
func (k Kind) Begins() bool { return k == Supply || k == Mint || k == Extend }

// Obstacle is what an action would collide with: one of the [rotator.BlockReason]s, or one of those below.
type Obstacle = string

// The obstacles that are no reason for a block.
const (
	// Paused: the provider is left alone, after throttling or failures.
	Paused Obstacle = "paused"
	// Queued: more begin in one hour than concurrent_rotations move at the same time, so they go in turns.
	Queued Obstacle = "concurrent_rotations"
)

// Facts are what a forecast is made from, beside the keys and rotations that are added to it.
type Facts struct {
	// Now is when the span begins, Until when it ends.
	Now, Until time.Time
	Freezes    []rotator.Freeze
	// Accounts by the name of their provider, Policies by their own.
	Accounts map[string]Account
	Policies map[string]*rotator.Policy
	// Drills of the calendar.
	Drills []Drill
	// Scan says when providers are scanned: the blast-radius cap counts from one scan to the next.
	Scan rotator.Schedule
	Cap  rotator.CapLimits
	// Concurrent is how many rotations of one provider move at the same time.
	Concurrent int
}

// Account is what decisions need to know of a provider.
type Account struct {
	// Managed is how many keys policies select there.
	Managed int
	// KeysPerCredential and KeysPerUser cap active keys; 0 is no cap.
	KeysPerCredential, KeysPerUser int
	// CallsPerHour is how many calls the provider's rates let through in an hour; 0 is no known bound.
	CallsPerHour int
	// Disables and Extends are true where keys can be switched off, and their expiry moved.
	Disables, Extends bool
	// Supplied and RemovedByHand are as in [rotator.Limits].
	Supplied, RemovedByHand bool
	// PausedUntil is until when nothing calls the provider; zero if nothing stops it.
	PausedUntil time.Time
}

// Plan is a forecast.
type Plan struct {
	From, Until time.Time
	// Hours has one entry for each hour and provider in which something happens, in that order.
	Hours []Hour
	// Totals counts the actions of the whole span.
	Totals map[Kind]int
	// Peaks are the hours of each provider in which most rotations begin, by provider.
	Peaks []Hour
	// Quotas compare the fullest hours with the providers' rates, by provider; those without rates are left out.
	Quotas []Quota
	// Collisions by the time of the first.
	Collisions []Collision
	// MoreCollisions counts those that were left out of Collisions, which is bounded.
	MoreCollisions int
	// Actions in the order of time, up to the number asked for; Truncated if there are more.
	Actions   []Action
	Truncated bool
	// Freezes that touch the span; Windows of the policies within it.
	Freezes []rotator.Freeze
	Windows []Opening
	// Drills are the openings of the drills' windows, in the order of time. Hours and Totals do not count them.
	Drills []Occasion
}

// Hour is what happens at one provider within one hour.
type Hour struct {
	// At is when the hour begins, on the clock of UTC.
	At       time.Time
	Provider string
	Counts   map[Kind]int
}

// Begin counts the rotations that begin.
func (h Hour) Begin() int { return h.Counts[Supply] + h.Counts[Mint] + h.Counts[Extend] }

// Action is one thing that happens to one credential.
type Action struct {
	At         time.Time
	Kind       Kind
	Credential rotator.CredentialID
	// Key is the key that it is about: the old one, except for the actions that bring a new one.
	Key string
	// Rotation is the id of the open rotation that it belongs to; empty for one that is still to be planned.
	Rotation string
}

// Collision is something that would happen and is stopped or put off; alike ones count together.
type Collision struct {
	Provider string
	Obstacle Obstacle
	// From is when the first of them is stopped, Until when the last of them goes on; Until is zero for what does not go on
	// by itself.
	From, Until time.Time
	Count       int
	// Example is one of the credentials; zero for a collision of a whole provider.
	Example rotator.CredentialID
	Why     string
}

// Opening is a span in which a policy's window is open.
type Opening struct {
	Policy   string
	From, To time.Time
}

// maxCollisions bounds the distinct collisions that are kept; what comes beyond is counted.
const maxCollisions = 200

// Forecast gathers what happens. Make one with [New], add what comes up, and ask for the [Forecast.Plan].
type Forecast struct {
	facts Facts
	limit int

	hours      map[slot]*Hour
	ticks      map[slot]int // rotations that begin between one scan and the next
	collisions map[collisionKey]*Collision
	more       int
	actions    soonest
}

type slot struct {
	at       int64 // Unix seconds
	provider string
}

type collisionKey struct {
	provider string
	obstacle Obstacle
	why      string
}

// New makes a forecast of nothing. At most limit single actions are kept, the soonest; counts are always whole.
func New(f Facts, limit int) *Forecast {
	return &Forecast{facts: f, limit: limit, hours: map[slot]*Hour{}, ticks: map[slot]int{},
		collisions: map[collisionKey]*Collision{}}
}

// act notes an action, if it is within the span.
func (f *Forecast) act(a Action) {
	a.At = later(a.At, f.facts.Now)
	if !a.At.Before(f.facts.Until) {
		return
	}
	s := slot{a.At.Unix() / 3600 * 3600, a.Credential.Provider}
	h := f.hours[s]
	if h == nil {
		h = &Hour{At: time.Unix(s.at, 0).UTC(), Provider: s.provider, Counts: map[Kind]int{}}
		f.hours[s] = h
	}
	h.Counts[a.Kind]++
	f.actions.add(a, f.limit)
}

// collide notes what is stopped; alike ones are counted together.
func (f *Forecast) collide(c Collision) {
	key := collisionKey{c.Provider, c.Obstacle, c.Why}
	known := f.collisions[key]
	switch {
	case known != nil:
		known.Count += c.Count
		known.From = earlier(known.From, c.From)
		if !known.Until.IsZero() && !c.Until.IsZero() {
			known.Until = later(known.Until, c.Until)
		}
	case len(f.collisions) == maxCollisions:
		f.more += c.Count
	default:
		f.collisions[key] = &c
	}
}

// Plan returns what was gathered.
func (f *Forecast) Plan() *Plan {
	p := &Plan{From: f.facts.Now, Until: f.facts.Until, Totals: map[Kind]int{}, Actions: f.actions.sorted(), Truncated: f.actions.more}
	for _, h := range f.hours {
		p.Hours = append(p.Hours, *h)
		for kind, n := range h.Counts {
			p.Totals[kind] += n
		}
	}
	slices.SortFunc(p.Hours, func(a, b Hour) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Provider, b.Provider)) })
	p.Peaks = peaks(p.Hours)
	f.judgeCap()
	f.judgeQueue(p.Hours)
	p.Quotas = f.judgeRates(p.Hours)
	for _, c := range f.collisions {
		p.Collisions = append(p.Collisions, *c)
	}
	slices.SortFunc(p.Collisions, func(a, b Collision) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Obstacle, b.Obstacle), cmp.Compare(a.Why, b.Why))
	})
	p.MoreCollisions = f.more
	for _, fr := range f.facts.Freezes {
		if fr.From.Before(p.Until) && fr.To.After(p.From) {
			p.Freezes = append(p.Freezes, fr)
		}
	}
	p.Windows, p.Drills = f.windows(), f.occasions()
	return p
}

func peaks(hours []Hour) []Hour {
	most := map[string]Hour{}
	for _, h := range hours {
		if h.Begin() > most[h.Provider].Begin() {
			most[h.Provider] = h
		}
	}
	var found []Hour
	for _, h := range most {
		found = append(found, h)
	}
	slices.SortFunc(found, func(a, b Hour) int { return cmp.Compare(a.Provider, b.Provider) })
	return found
}

// judgeCap finds the times between two scans in which more rotations begin than the blast-radius cap allows.
func (f *Forecast) judgeCap() {
	for s, n := range f.ticks {
		allowed := max(f.facts.Cap.AlwaysAllowed, int(f.facts.Cap.MaxShare*float64(f.facts.Accounts[s.provider].Managed)))
		if n <= allowed {
			continue
		}
		at := time.Unix(s.at, 0).UTC()
		f.collide(Collision{Provider: s.provider, Obstacle: string(rotator.BlockAwaitingApproval), From: at, Count: n - allowed,
			Why: fmt.Sprintf("%d rotations come due before the scan at %s, and max_share_per_scan lets %d begin without being asked: approve them then with: rotatord approve %s",
				n, at.Format(time.RFC3339), allowed, s.provider)})
	}
}

func (f *Forecast) judgeQueue(hours []Hour) {
	for _, h := range hours {
		if n := h.Begin(); f.facts.Concurrent > 0 && n > f.facts.Concurrent {
			f.collide(Collision{Provider: h.Provider, Obstacle: Queued, From: h.At, Until: h.At.Add(time.Hour), Count: n - f.facts.Concurrent,
				Why: fmt.Sprintf("%d begin in the hour from %s and %d move at the same time: they go in turns", n, h.At.Format("2006-01-02 15:04 MST"), f.facts.Concurrent)})
		}
	}
}

// openings are when the window is open within the span, the rest of an open one included, of no policy.
func (f *Forecast) openings(w *rotator.Window) []Opening {
	var found []Opening
	at := w.NextOpen(f.facts.Now)
	for n := 0; n < maxOpenings && at.Before(f.facts.Until); n++ {
		from := at
		to := from.Add(w.For)
		if opened, open := w.Opened(f.facts.Now); n == 0 && open {
			to = opened.Add(w.For)
		}
		found = append(found, Opening{From: from, To: to})
		at = w.Opens.Next(from)
	}
	return found
}

// maxOpenings bounds the openings of one policy's window: one that opens every minute is not worth a picture.
const maxOpenings = 500

func (f *Forecast) windows() []Opening {
	var found []Opening
	for name, p := range f.facts.Policies {
		if p.Window == nil {
			continue
		}
		for _, span := range f.openings(p.Window) {
			span.Policy = name
			found = append(found, span)
		}
	}
	slices.SortFunc(found, func(a, b Opening) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Policy, b.Policy)) })
	return found
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
