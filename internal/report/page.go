package report

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"moment": moment, "day": func(k web.ReportedKey, what string) string { return pageDay(&k, what) },
	"labels":  func(k web.ReportedKey) string { return labels(&k) },
	"classes": groupClasses, "value": func(g web.ReportGroup) string { return or(g.Value, without) },
	"age": func(k web.ReportedKey) string { return pageAge(&k) },
}).Parse(pageText))

// page is a report as one file of HTML that needs nothing else. Its counts stand on top and are known last, so the rows
// wait in a file without a name.
type page struct {
	out  io.Writer
	o    Options
	rows *os.File
	buf  *bufio.Writer
}

func newPage(out io.Writer, o Options) (*page, error) {
	rows, err := os.CreateTemp("", "rotatord-report-")
	if err != nil {
		return nil, fmt.Errorf("a page needs room for its rows: %w; set TMPDIR to a folder that has it", err)
	}
	if err := os.Remove(rows.Name()); err != nil {
		return nil, errors.Join(err, rows.Close())
	}
	return &page{out: out, o: o, rows: rows, buf: bufio.NewWriterSize(rows, 64<<10)}, nil
}

// Key implements [Writer].
func (p *page) Key(k *web.ReportedKey) error { return pageTemplate.ExecuteTemplate(p.buf, "row", k) }

// pageHead is what the top of a page shows.
type pageHead struct {
	*web.ReportSummary
	Only     string
	Classes  []pageCount
	Findings []pageCount
}

// pageCount is a number with its name and what it means.
type pageCount struct {
	Name, Means string
	Keys        int
}

// Finish implements [Writer].
func (p *page) Finish(s *web.ReportSummary) error {
	if err := p.buf.Flush(); err != nil {
		return err
	}
	if _, err := p.rows.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := bufio.NewWriterSize(p.out, 64<<10)
	if err := pageTemplate.ExecuteTemplate(out, "head", p.head(s)); err != nil {
		return err
	}
	if _, err := io.Copy(out, p.rows); err != nil {
		return err
	}
	if err := pageTemplate.ExecuteTemplate(out, "tail", s); err != nil {
		return err
	}
	return out.Flush()
}

// Close implements [Writer]. The rows go with it.
func (p *page) Close() error { return p.rows.Close() }

func (p *page) head(s *web.ReportSummary) *pageHead {
	h := &pageHead{ReportSummary: s, Only: p.o.Only}
	classes := rotator.Classes()
	for i := range classes {
		c := string(classes[len(classes)-1-i]) // the best first: how much of the fleet is in order
		h.Classes = append(h.Classes, pageCount{Name: c, Means: classMeans[rotator.Class(c)], Keys: s.Classes[c]})
	}
	for _, f := range rotator.Findings() {
		h.Findings = append(h.Findings, pageCount{Name: string(f), Means: findingMeans[f], Keys: s.Findings[string(f)]})
	}
	return h
}

// The words under the counts.
var (
	classMeans = map[rotator.Class]string{
		rotator.ClassManaged:   "a policy rotates them",
		rotator.ClassHeld:      "an operator's hold stops it",
		rotator.ClassUnmanaged: "no policy selects them",
		rotator.ClassOrphaned:  "nobody has the secret",
		rotator.ClassInactive:  "disabled at the provider",
		rotator.ClassExpired:   "past their expiry",
		rotator.ClassGone:      "revoked or not listed",
	}
	findingMeans = map[rotator.FindingKind]string{
		rotator.FindingNoExpiry:     "never expire, and no policy gives them an age",
		rotator.FindingTooOld:       "older than their policy allows",
		rotator.FindingUnused:       "not used for long",
		rotator.FindingNeverUsed:    "never used",
		rotator.FindingInactiveUser: "their service user cannot sign in",
		rotator.FindingUnknownUser:  "their user was not listed by the last scan",
		rotator.FindingSuperseded:   "a newer key took their place, and nothing removes them",
		rotator.FindingObserved:     "their policy only observes",
		rotator.FindingNotMoving:    "due, and not going on",
	}
)

// pageDay prints one of a key's days, and what its absence means.
func pageDay(k *web.ReportedKey, what string) string {
	switch what {
	case "created":
		return day(k.Created, "unknown")
	case "expires":
		return day(k.Expires, never)
	case "used":
		if !k.ReportsUse {
			return day(k.LastUsed, "not reported")
		}
		return day(k.LastUsed, never)
	case "deadline":
		return day(k.Deadline, "none")
	default:
		return day(k.NextRotation, "none")
	}
}

func pageAge(k *web.ReportedKey) string {
	if k.AgeDays == nil {
		return "age unknown"
	}
	return counted(*k.AgeDays, "day")
}
