package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
)

const (
	oneDay = 24 * time.Hour
	// The calendar looks so far ahead.
	calendarHours, calendarDays = 24, 30
	// calendarBack is how far it looks back for what should have begun.
	calendarBack = 10 * 365 * oneDay
	// openingsShown is how many openings of one policy's window are shown.
	openingsShown = 3
)

type calendarData struct {
	frame
	// Late is how many keys should have been decided upon by now.
	Late int
	// Peak is the fullest day, PeakHour the fullest hour of the next 24.
	Peak, PeakHour string
	Hours, Days    bars
	// Plan is the forecast; nil while it is being worked out, or where there is none.
	Plan *Plan
	// Foresees is true where there is a forecast to wait for.
	Foresees bool
	Openings []openings
	Drills   []drills
}

// calendarPage shows when rotations begin, and what stands in their way.
func (s *Server) calendarPage(w http.ResponseWriter, r *http.Request) {
	d := calendarData{frame: s.frame(r, "Calendar"), Foresees: s.o.Forecaster != nil}
	c := newCourse(d.Now)
	plan, until := s.planned(r.Context(), d.Now), c.today.Add(calendarDays*oneDay)
	if plan != nil {
		until = c.hour // the plan knows what lies ahead, and only what is late is left to be counted
	}
	counts, err := s.o.Journal.DueByHour(r.Context(), c.today.Add(-calendarBack), until)
	if err != nil {
		s.showTrouble(w, d.frame, err)
		return
	}
	for _, due := range counts {
		if due.Hour.Before(c.hour) {
			d.Late += due.Keys
		} else if plan == nil {
			c.add(due.Hour, due.Keys)
		}
	}
	if plan != nil {
		for _, h := range plan.Hours {
			c.add(h.At, h.Begin())
		}
		shown := planOf(plan)
		d.Plan, d.Openings, d.Drills = &shown, openingsOf(shown.Windows), drillsOf(shown.Drills)
		c.freezes = plan.Freezes
	}
	c.charts(&d)
	s.show(w, calendarPage, http.StatusOK, d)
}

// planned returns the forecast, or nil while there is none yet.
func (s *Server) planned(ctx context.Context, now time.Time) *forecast.Plan {
	if s.o.Forecaster == nil {
		return nil
	}
	return s.plans.get(ctx, now, func(ctx context.Context) (*forecast.Plan, error) {
		return s.o.Forecaster.Forecast(ctx, now.Add(calendarDays*oneDay), 0)
	})
}

// course counts what begins by hour and by day.
type course struct {
	hour, today time.Time
	hours, days []int
	freezes     []rotator.Freeze
}

func newCourse(now time.Time) *course {
	return &course{hour: now.Truncate(time.Hour), today: now.Truncate(oneDay), hours: make([]int, calendarHours), days: make([]int, calendarDays)}
}

func (c *course) add(at time.Time, n int) {
	if at.Before(c.hour) {
		return
	}
	if i := at.Sub(c.today) / oneDay; i < calendarDays {
		c.days[i] += n
	}
	if i := at.Sub(c.hour) / time.Hour; i < calendarHours {
		c.hours[i] += n
	}
}

func (c *course) charts(d *calendarData) {
	hours, days := moments(c.hour, calendarHours, time.Hour, "15:04"), moments(c.today, calendarDays, oneDay, "Mon 2 Jan")
	d.Peak, d.PeakHour = peak(days, c.days), peak(hours, c.hours)
	d.Hours, d.Days = chart("Rotations that begin, by hour", hours, c.hours, c.frozen(c.hour, time.Hour)),
		chart("Rotations that begin, by day", days, c.days, c.frozen(c.today, oneDay))
}

// frozen marks the spans that a freeze touches.
func (c *course) frozen(from time.Time, step time.Duration) func(i int) string {
	return func(i int) string {
		begin := from.Add(time.Duration(i) * step)
		if slices.ContainsFunc(c.freezes, func(f rotator.Freeze) bool { return f.From.Before(begin.Add(step)) && f.To.After(begin) }) {
			return "frozen"
		}
		return ""
	}
}

// endOf writes when a span ends, in short if it ends on the day that it begins.
func endOf(from, to time.Time) string {
	from, to = from.UTC(), to.UTC()
	if from.Truncate(oneDay).Equal(to.Truncate(oneDay)) {
		return to.Format("15:04 MST")
	}
	return to.Format(shown)
}

// openings are when one policy's window opens next.
type openings struct {
	Policy string
	Next   []PlannedWindow
	More   int
}

func openingsOf(windows []PlannedWindow) []openings {
	var out []openings
	for _, w := range windows {
		i := slices.IndexFunc(out, func(o openings) bool { return o.Policy == w.Policy })
		if i < 0 {
			i, out = len(out), append(out, openings{Policy: w.Policy})
		}
		if len(out[i].Next) < openingsShown {
			out[i].Next = append(out[i].Next, w)
		} else {
			out[i].More++
		}
	}
	return out
}

// drills are when a drill of the calendar begins next at one provider.
type drills struct {
	Drill, Provider string
	Next            []PlannedDrill
	More            int
}

func drillsOf(planned []PlannedDrill) []drills {
	var out []drills
	for _, d := range planned {
		i := slices.IndexFunc(out, func(o drills) bool { return o.Drill == d.Drill && o.Provider == d.Provider })
		if i < 0 {
			i, out = len(out), append(out, drills{Drill: d.Drill, Provider: d.Provider})
		}
		if len(out[i].Next) < openingsShown {
			out[i].Next = append(out[i].Next, d)
		} else {
			out[i].More++
		}
	}
	return out
}

func moments(from time.Time, n int, step time.Duration, layout string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = from.Add(time.Duration(i) * step).UTC().Format(layout)
	}
	return out
}

// peak names the fullest; empty if all are empty.
func peak(labels []string, counts []int) string {
	most := 0
	for i, n := range counts {
		if n > counts[most] {
			most = i
		}
	}
	if counts[most] == 0 {
		return ""
	}
	return labels[most] + ", with " + plural(counts[most], "rotation", "rotations")
}
