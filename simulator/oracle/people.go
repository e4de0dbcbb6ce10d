package oracle

import (
	"fmt"
	"time"
)

type hold struct{ at, until time.Time }

// Held tells that a person's hold was acknowledged.
func (o *Oracle) Held(credential string, at, until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.holds[credential] = hold{at, until}
}

// Released tells that the hold is no more.
func (o *Oracle) Released(credential string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.holds, credential)
}

// Window is a daily span in which a policy may act.
type Window struct {
	// From is the hour at which it opens, in UTC; Hours how long it stays open, within the day.
	From, Hours int
	// Days are the days of the week, Sunday first.
	Days [7]bool
}

// Span is a piece of the calendar: from its first instant to the first one after it.
type Span struct{ From, To time.Time }

// calendar is what the configuration in force says, and since when.
type calendar struct {
	since   time.Time
	windows map[string]*Window
	freezes []Span
}

func newCalendar() calendar { return calendar{windows: map[string]*Window{}} }

// settle is how long after a reload nothing is judged by the calendar: a call may have been on its way.
const settle = time.Minute

// Configured tells what the configuration says from now on: the window of each policy, nil for always, and the freezes.
func (o *Oracle) Configured(windows map[string]*Window, freezes []Span, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calendar = calendar{since: now, windows: windows, freezes: freezes}
}

func (c calendar) forbids(policy string, at time.Time) string {
	if at.Sub(c.since).Abs() < settle {
		return ""
	}
	for _, f := range c.freezes {
		if !at.Before(f.From) && at.Before(f.To) {
			return "a freeze is in force until " + day(f.To)
		}
	}
	if w := c.windows[policy]; w != nil && !w.open(at) {
		return fmt.Sprintf("the window of policy %s is closed", policy)
	}
	return ""
}

func (w *Window) open(at time.Time) bool {
	at = at.UTC()
	opens := time.Date(at.Year(), at.Month(), at.Day(), w.From, 0, 0, 0, time.UTC)
	return w.Days[at.Weekday()] && !at.Before(opens) && !at.After(opens.Add(time.Duration(w.Hours)*time.Hour))
}
