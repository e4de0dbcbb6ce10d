package web

import (
	"net/http"
	"time"
)

const (
	oneDay = 24 * time.Hour
	// The calendar looks so far ahead.
	calendarHours, calendarDays = 24, 30
	// calendarBack is how far it looks back for what should have begun.
	calendarBack = 10 * 365 * oneDay
)

type calendarData struct {
	frame
	// Late is how many should have been decided upon by now.
	Late        int
	Peak        string
	Hours, Days bars
}

// calendarPage shows when keys come up for a decision.
func (s *Server) calendarPage(w http.ResponseWriter, r *http.Request) {
	d := calendarData{frame: s.frame(r, "Calendar")}
	today, hour := d.Now.Truncate(oneDay), d.Now.Truncate(time.Hour)
	counts, err := s.o.Journal.DueByHour(r.Context(), today.Add(-calendarBack), today.Add(calendarDays*oneDay))
	if err != nil {
		s.showTrouble(w, d.frame, err)
		return
	}
	hours, days := make([]int, calendarHours), make([]int, calendarDays)
	for _, c := range counts {
		if c.Hour.Before(hour) {
			d.Late += c.Keys
			continue
		}
		days[c.Hour.Sub(today)/oneDay] += c.Keys
		if i := c.Hour.Sub(hour) / time.Hour; i < calendarHours {
			hours[i] += c.Keys
		}
	}
	names := moments(today, calendarDays, oneDay, "Mon 2 Jan")
	d.Hours = chart("Keys that come up, by hour", moments(hour, calendarHours, time.Hour, "15:04"), hours)
	d.Days, d.Peak = chart("Keys that come up, by day", names, days), peak(names, days)
	s.show(w, calendarPage, http.StatusOK, d)
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
	return labels[most] + ", with " + plural(counts[most], "key", "keys")
}
