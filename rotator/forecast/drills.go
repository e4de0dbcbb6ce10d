package forecast

import (
	"cmp"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Drill is a drill of the calendar at one provider.
type Drill struct {
	rotator.DrillSchedule
	Provider string
	// Begun is how many were begun already in the window that is open now.
	Begun int
}

// Occasion is an opening of a drill's window. Which credentials are drilled then is not known: the oldest of those that nothing speaks
// against at that time.
type Occasion struct {
	Drill, Provider string
	From, To        time.Time
	// Limit is how many begin at most.
	Limit int
	// Frozen is the reason of a freeze that lasts for as long as the window is open, so that none begins; empty for no such freeze.
	Frozen string
}

func (f *Forecast) occasions() []Occasion {
	var found []Occasion
	for _, d := range f.facts.Drills {
		for n, span := range f.openings(&d.Window) {
			limit := d.Limit
			if n == 0 && d.Window.Contains(f.facts.Now) {
				limit -= d.Begun
			}
			if limit > 0 {
				found = append(found, Occasion{Drill: d.Name, Provider: d.Provider, From: span.From, To: span.To, Limit: limit, Frozen: f.frozenThrough(span)})
			}
		}
	}
	slices.SortFunc(found, func(a, b Occasion) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Drill, b.Drill))
	})
	return found
}

func (f *Forecast) frozenThrough(span Opening) string {
	for _, fr := range f.facts.Freezes {
		if !fr.From.After(span.From) && !fr.To.Before(span.To) {
			return fr.Reason
		}
	}
	return ""
}
