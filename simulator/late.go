package simulator

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// LateKey is a key that passed its deadline.
type LateKey struct {
	Credential string    `json:"credential"`
	Deadline   time.Time `json:"deadline"`
	// Confirmed is when its successor was in every sink; zero if it never was.
	Confirmed time.Time `json:"confirmed,omitzero"`
}

// Came says how late the successor was.
func (k LateKey) Came() string {
	if k.Confirmed.IsZero() {
		return "none until the end"
	}
	return fmt.Sprintf("%s late", inDays(max(day, k.Confirmed.Sub(k.Deadline).Round(day))))
}

// Margin is how many keys an outage of every provider for so many days makes late.
type Margin struct {
	Days int `json:"days"`
	Keys int `json:"keys"`
	// From is the day on which it has to begin to make so many of them late; zero if none is.
	From time.Time `json:"from,omitzero"`
}

func (m Margin) span() time.Duration { return time.Duration(m.Days) * day }

// Begins is the day in words.
func (m Margin) Begins() string {
	if m.Keys == 0 {
		return "any day"
	}
	return m.From.Format(time.DateOnly)
}

// Used is the busiest minute as a share of what is allowed.
func (l LoadForecast) Used() string {
	if l.Allowed == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f %%", 100*float64(l.Peak)/float64(l.Allowed))
}

// margin is a rotation: when the new key was in every sink, and when the old one had to be gone.
type margin struct{ confirmed, deadline time.Time }

// confirmed notes that the new key of a rotation is in every sink. The caller holds the lock.
func (o *onlooker) confirmed(r *rotator.Rotation, now time.Time) {
	delete(o.open, r.CredentialID)
	if r.Deadline.IsZero() {
		return
	}
	o.margins = append(o.margins, margin{now, r.Deadline})
	if now.After(r.Deadline) {
		o.late = append(o.late, LateKey{Credential: r.CredentialID.String(), Deadline: r.Deadline, Confirmed: now})
	}
}

// lateKeys are those that got their successor too late, and those whose deadline was over at the end without one.
func (o *onlooker) lateKeys(end time.Time) []LateKey {
	late := slices.Clone(o.late)
	for c, deadline := range o.open {
		if !deadline.IsZero() && deadline.Before(end) {
			late = append(late, LateKey{Credential: c.String(), Deadline: deadline})
		}
	}
	slices.SortFunc(late, func(a, b LateKey) int {
		return cmp.Or(a.Deadline.Compare(b.Deadline), strings.Compare(a.Credential, b.Credential))
	})
	return late
}

// beyond are the late keys that are not late anyway.
func beyond(late, anyway []LateKey) []LateKey {
	known := map[string]bool{}
	for _, k := range anyway {
		known[k.Credential+" "+k.Deadline.String()] = true
	}
	return slices.DeleteFunc(late, func(k LateKey) bool { return known[k.Credential+" "+k.Deadline.String()] })
}

// catches counts the rotations that an outage of that length makes late: what would have been confirmed in it has to wait for its end, and
// the deadline is before that.
func (o *onlooker) catches(from time.Time, length time.Duration) int {
	n, end := 0, from.Add(length)
	for _, m := range o.margins {
		if !m.confirmed.Before(from) && m.confirmed.Before(end) && m.deadline.Before(end) && m.deadline.After(m.confirmed) {
			n++
		}
	}
	return n
}

// worst finds the day on which an outage of so many days makes most keys late: the day on which one of them would have been confirmed.
func (o *onlooker) worst(days int) Margin {
	m := Margin{Days: days}
	tried := map[time.Time]bool{}
	for _, x := range o.margins {
		start := x.confirmed.Truncate(day)
		if x.deadline.Sub(x.confirmed) >= m.span() || tried[start] {
			continue
		}
		tried[start] = true
		if n := o.catches(start, m.span()); n > m.Keys || n == m.Keys && n > 0 && start.Before(m.From) {
			m.Keys, m.From = n, start
		}
	}
	return m
}

// worstStart is the day on which an outage would catch most keys.
func (o *onlooker) worstStart(f *Fleet) time.Time {
	best, caught := f.From.Add(f.Span/2), -1
	for start := f.From.Add(day); start.Before(f.From.Add(f.Span - f.Outage)); start = start.Add(day) {
		n := 1000 * o.catches(start, f.Outage)
		for _, m := range o.margins {
			if !m.confirmed.Before(start) && m.confirmed.Before(start.Add(f.Outage)) {
				n++
			}
		}
		if n > caught {
			best, caught = start, n
		}
	}
	return best
}
