package simulator

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"margin": func(m Margin) string { return inDays(m.span()) }, "span": inDays, "hours": inHours, "named": func(keys []LateKey) []LateKey { return keys[:min(longestLate, len(keys))] },
	"unnamed": func(keys []LateKey) int { return max(0, len(keys)-longestLate) }, "words": func(s string) string { return strings.ReplaceAll(s, "_", " ") }}).Parse(pageText))

// The measures of the timeline, in units of the picture.
const (
	chartWidth, chartHeight = 1160, 220
	plotLeft, plotBottom    = 40, 180
)

type bar struct {
	X, Y, W, H float64
	Title      string
}

type chart struct {
	Width, Height, Left, Bottom int
	Bars, Pages, Freezes        []bar
	Outage                      *bar
	Months                      []tick
	Top                         int
}

type tick struct {
	X     float64
	Label string
}

// chart draws the rotations of each day or, where there are too many days for that, of each few days.
func (f *Forecast) chart() chart {
	c := chart{Width: chartWidth, Height: chartHeight, Left: plotLeft, Bottom: plotBottom}
	days := int(f.To.Sub(f.From)/day) + 1
	step := max(1, days/360)
	width := float64(chartWidth-plotLeft) / float64(days)
	at := func(t time.Time) float64 { return plotLeft + t.Sub(f.From).Hours()/24*width }
	sums := map[int]int{}
	for _, d := range f.ByDay {
		if t, err := time.Parse(time.DateOnly, d.Label); err == nil {
			n := int(t.Sub(f.From.Truncate(day))/day) / step
			sums[n] += d.Count
			c.Top = max(c.Top, sums[n])
		}
	}
	for n, count := range sums {
		h := float64(count) / float64(c.Top) * (plotBottom - 20)
		from := f.From.AddDate(0, 0, n*step)
		c.Bars = append(c.Bars, bar{at(from), plotBottom - h, max(0.8, width*float64(step)-0.4), h, fmt.Sprintf("%s: %d rotations", from.Format(time.DateOnly), count)})
	}
	for _, d := range f.PageDays {
		if t, err := time.Parse(time.DateOnly, d.Label); err == nil {
			c.Pages = append(c.Pages, bar{X: at(t) + width/2, Y: plotBottom + 10, Title: fmt.Sprintf("%s: %d pages", d.Label, d.Count)})
		}
	}
	for _, z := range f.Frozen {
		if from, to := later(z.From, f.From), sooner(z.To, f.To); from.Before(to) {
			c.Freezes = append(c.Freezes, bar{at(from), 10, at(to) - at(from), plotBottom - 10, "freeze: " + z.Reason})
		}
	}
	if o := f.Outage; o != nil {
		c.Outage = &bar{at(o.From), 10, max(2, at(o.From.Add(o.For))-at(o.From)), plotBottom - 10, "outage"}
	}
	c.Months = f.months(at)
	return c
}

func (f *Forecast) months(at func(time.Time) float64) []tick {
	var ticks []tick
	every := max(1, int(f.To.Sub(f.From)/(30*day))/12)
	first := time.Date(f.From.Year(), f.From.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	for t := first; t.Before(f.To); t = t.AddDate(0, every, 0) {
		ticks = append(ticks, tick{at(t), t.Format("2006-01")})
	}
	return ticks
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func sooner(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// HTML writes the forecast as one page that needs nothing else.
func (f *Forecast) HTML(w io.Writer) error {
	return page.Execute(w, struct {
		*Forecast
		Chart chart
		Speed string
	}{f, f.chart(), f.speed()})
}

func (f *Forecast) speed() string {
	return fmt.Sprintf("%.0f credential-years in %s (%.0f a minute)", f.CredentialYears, f.Took.Round(100*time.Millisecond), f.CredentialYears/f.Took.Minutes())
}

// Text writes it for a terminal; tabs separate the cells.
func (f *Forecast) Text(w io.Writer) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	p("%d credentials from %s to %s: %d rotations", f.Credentials, f.From.Format(time.DateOnly), f.To.Format(time.DateOnly), f.Rotations)
	p("busiest day\t%s\t%d\nbusiest hour\t%s\t%d", f.PeakDay.Label, f.PeakDay.Count, f.PeakHour.Label, f.PeakHour.Count)
	p("later than their deadline\t%d", f.Late)
	tellLate(p, f.LateKeys)
	for _, section := range []struct {
		title string
		list  []Count
	}{{"ROTATIONS PER MONTH", f.ByMonth}, {"COLLISIONS (waited for)", f.Collisions}, {"PAGES (needed a person)", f.Pages}} {
		p("\n%s", section.title)
		if len(section.list) == 0 {
			p("none")
		}
		for _, c := range section.list {
			p("%s\t%d", strings.ReplaceAll(c.Label, "_", " "), c.Count)
		}
	}
	p("\nIF EVERY PROVIDER WERE DOWN FOR\tkeys past their deadline\tif down from")
	for _, m := range f.Margins {
		p("%s\t%d\t%s", inDays(m.span()), m.Keys, m.Begins())
	}
	if o := f.Outage; o != nil {
		p("\nSIMULATED OUTAGE\tdown from %s for %s: %d keys passed their deadline", o.From.Format(time.DateOnly), inDays(o.For), o.Late)
		tellLate(p, o.LateKeys)
	}
	p("\nLOAD\tcalls\tbusiest minute\tallowed a minute\tused\tat")
	for _, l := range f.Load {
		p("%s\t%d\t%d\t%s\t%s\t%s", l.Provider, l.Calls, l.Peak, orNone(l.Allowed), l.Used(), l.PeakAt.Format("2006-01-02 15:04"))
	}
	p("\nsimulated %s; one scan in %s, whatever scan.schedule says", f.speed(), inHours(f.ScanEvery))
}

// inDays says a span in days where it is a number of them.
func inDays(d time.Duration) string {
	switch {
	case d == day:
		return "1 day"
	case d > 0 && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	default:
		return d.String()
	}
}

// inHours says a span of whole hours.
func inHours(d time.Duration) string { return fmt.Sprintf("%.0f hours", d.Hours()) }

// longestLate is how many late keys are named to people; JSON has them all.
const longestLate = 20

func tellLate(p func(string, ...any), keys []LateKey) {
	for _, k := range keys[:min(longestLate, len(keys))] {
		p("  %s\tdeadline %s\t%s", k.Credential, k.Deadline.Format(time.DateOnly), k.Came())
	}
	if more := len(keys) - longestLate; more > 0 {
		p("  and %d more; -o json has them all", more)
	}
}

func orNone(n int) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}
