package oracle

import "time"

// Drill is what the calendar says of drills at an account: on each opening of the window so many are begun at the most.
type Drill struct {
	Window Window
	Limit  int
}

// occasion is an opening of a drill's window, and how many drills were begun on it.
type occasion struct {
	opened time.Time
	begun  int
}

// Stood tells that a daemon stood still until then: what it had decided before may have come late.
func (o *Oracle) Stood(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if until.After(o.stood) {
		o.stood = until
	}
}

// drilled is the blast radius of drills, G9: the calendar begins none outside its window, and no more on an occasion than it says.
func (o *Oracle) drilled(r *Row, now time.Time) {
	account := accountName(r.Credential)
	d := o.accounts[account].Drill
	if d == nil {
		o.broken("G9", now, r.Credential, "a drill was begun by the calendar, which says nothing of %s", account)
		return
	}
	at := r.Planned
	stood := at.Sub(o.stood).Abs() < 24*time.Hour
	if !stood && !d.Window.open(at) {
		o.broken("G9", now, r.Credential, "a drill was begun at %s, outside its window", day(at))
	}
	if why := o.forbids(r.Policy, at); why != "" && !stood {
		o.broken("G9", now, r.Credential, "a drill was begun at %s, and %s", day(at), why)
	}
	opened, limit := d.Window.opened(at), d.Limit
	if stood {
		limit++ // one that was decided on the occasion before
	}
	on := o.occasions[account]
	if !on.opened.Equal(opened) {
		on = occasion{opened: opened}
	}
	on.begun++
	o.occasions[account] = on
	if on.begun > limit {
		o.broken("G9", now, r.Credential, "%d drills were begun at %s since %s, and the calendar allows %d", on.begun, account, day(opened), d.Limit)
	}
}

// opened is the latest opening at or before a moment, whatever the day of the week.
func (w *Window) opened(at time.Time) time.Time {
	at = at.UTC()
	opened := time.Date(at.Year(), at.Month(), at.Day(), w.From, 0, 0, 0, time.UTC)
	if opened.After(at) {
		opened = opened.AddDate(0, 0, -1)
	}
	return opened
}
