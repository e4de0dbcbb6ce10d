// Package report writes the report about keys in the forms that people and programs want: a table, CSV, JSON and a page of
// HTML. It is given one key after the other and holds no more of them than a screenful or two, whatever the size of the
// fleet. It neither asks for keys nor judges them.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// Writer takes the keys of a report and, last, their summary.
type Writer interface {
	// Key adds a key.
	Key(k *web.ReportedKey) error
	// Finish writes what is left. It is called once, after the last key; a report that is not finished is not complete.
	Finish(s *web.ReportSummary) error
	// Close lets go of what the writer holds. It is called once, whether or not the report was finished.
	Close() error
}

// Options say how a report looks.
type Options struct {
	// Colour marks classes in a table, for terminals.
	Colour bool
	// Wide gives a table every column, for wide terminals.
	Wide bool
	// Only says in words what the report was narrowed to; empty for nothing. A page shows it.
	Only string
}

// Formats lists what [New] knows.
func Formats() []string { return []string{"table", "csv", "json", "html"} }

// New returns a writer of that format onto out.
func New(format string, out io.Writer, o Options) (Writer, error) {
	switch format {
	case "table":
		return newTable(out, o), nil
	case "csv":
		return newCSV(out), nil
	case "json":
		return newJSON(out), nil
	case "html":
		return newPage(out, o)
	default:
		return nil, fmt.Errorf("there is no report format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
}

// column is one property of a key as text.
type column struct {
	// csv is its name for programs, table for people.
	csv, table string
	// short is true for columns of a table that is not wide.
	short bool
	// text is for programs; people, if set, is for people.
	text, people func(k *web.ReportedKey) string
}

// columns of a report, in order.
func columns() []column {
	return []column{
		{csv: "provider", table: "PROVIDER", short: true, text: func(k *web.ReportedKey) string { return k.Provider }},
		{csv: "service_user", table: "SERVICE USER", short: true, text: func(k *web.ReportedKey) string { return k.User.Name }, people: userName},
		{csv: "user_id", table: "USER ID", text: func(k *web.ReportedKey) string { return k.UserID }},
		{csv: "email", table: "E-MAIL", text: func(k *web.ReportedKey) string { return k.User.Email }},
		{csv: "credential", table: "CREDENTIAL", short: true, text: func(k *web.ReportedKey) string { return k.Credential }},
		{csv: "key_name", table: "KEY", text: func(k *web.ReportedKey) string { return k.Key.Name }},
		{csv: "key_id", table: "KEY ID", short: true, text: func(k *web.ReportedKey) string { return k.Key.ID }},
		{csv: "class", table: "CLASS", short: true, text: func(k *web.ReportedKey) string { return k.Class }},
		{csv: "created", table: "CREATED", text: timeOf(func(k *web.ReportedKey) time.Time { return k.Created }), people: dayOf(func(k *web.ReportedKey) time.Time { return k.Created }, unknown)},
		{csv: "age_days", table: "AGE", short: true, text: ageDays, people: age},
		{csv: "expires", table: "EXPIRES", short: true, text: timeOf(func(k *web.ReportedKey) time.Time { return k.Expires }), people: dayOf(func(k *web.ReportedKey) time.Time { return k.Expires }, never)},
		{csv: "last_used", table: "LAST USED", short: true, text: timeOf(func(k *web.ReportedKey) time.Time { return k.LastUsed }), people: lastUsed},
		{csv: "policy", table: "POLICY", short: true, text: func(k *web.ReportedKey) string { return k.Policy }, people: func(k *web.ReportedKey) string { return or(k.Policy, unknown) }},
		{csv: "labels", table: "OWNER", text: labels},
		{csv: "deadline", table: "DEADLINE", text: timeOf(func(k *web.ReportedKey) time.Time { return k.Deadline }), people: dayOf(func(k *web.ReportedKey) time.Time { return k.Deadline }, unknown)},
		{csv: "next_rotation", table: "NEXT ROTATION", short: true, text: timeOf(func(k *web.ReportedKey) time.Time { return k.NextRotation }), people: nextRotation},
		{csv: "last_rotation", table: "LAST ROTATION", text: timeOf(lastAt), people: dayOf(lastAt, unknown)},
		{csv: "last_rotation_id", table: "ROTATION", text: func(k *web.ReportedKey) string { return last(k).ID }},
		{csv: "last_rotation_result", table: "RESULT", text: func(k *web.ReportedKey) string { return last(k).Stage }},
		{csv: "evidence", table: "EVIDENCE", text: evidence, people: sinks},
		{csv: "findings", table: "FINDINGS", short: true, text: findings},
		{csv: "why", text: reasons},
	}
}

// What a table says where there is nothing to say.
const (
	unknown = "-"
	never   = "never"
	without = "(without)" // keys that do not have a label
)

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// groupClasses are the classes in the order in which counts show them: the best first.
func groupClasses() []string {
	var classes []string
	for _, c := range slices.Backward(rotator.Classes()) {
		classes = append(classes, string(c))
	}
	return classes
}

func userName(k *web.ReportedKey) string { return or(k.User.Name, or(k.User.Email, k.UserID)) }

func timeOf(get func(*web.ReportedKey) time.Time) func(*web.ReportedKey) string {
	return func(k *web.ReportedKey) string {
		t := get(k)
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
}

func dayOf(get func(*web.ReportedKey) time.Time, none string) func(*web.ReportedKey) string {
	return func(k *web.ReportedKey) string { return day(get(k), none) }
}

// day is a day in UTC: a report is about days.
func day(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format(time.DateOnly)
}

func ageDays(k *web.ReportedKey) string {
	if k.AgeDays == nil {
		return ""
	}
	return fmt.Sprint(*k.AgeDays)
}

func age(k *web.ReportedKey) string {
	if k.AgeDays == nil {
		return unknown
	}
	return fmt.Sprintf("%dd", *k.AgeDays)
}

func lastUsed(k *web.ReportedKey) string {
	if k.ReportsUse {
		return day(k.LastUsed, never)
	}
	return day(k.LastUsed, unknown)
}

func nextRotation(k *web.ReportedKey) string {
	if k.Rotating != nil {
		return k.Rotating.Stage + " now"
	}
	return day(k.NextRotation, unknown)
}

// last is the rotation that ended last; empty for none.
func last(k *web.ReportedKey) web.ReportedRotation {
	if k.LastRotation == nil {
		return web.ReportedRotation{}
	}
	return *k.LastRotation
}

func lastAt(k *web.ReportedKey) time.Time { return last(k).At }

// labels are sorted, so that the same labels read the same.
func labels(k *web.ReportedKey) string {
	var parts []string
	for name, value := range k.Labels {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func evidence(k *web.ReportedKey) string {
	return joined(k.Evidence, "; ", func(e web.Evidence) string { return e.Sink + " " + e.At.UTC().Format(time.RFC3339) })
}

func sinks(k *web.ReportedKey) string {
	return joined(k.Evidence, " ", func(e web.Evidence) string { return e.Sink })
}

func findings(k *web.ReportedKey) string {
	return joined(k.Findings, " ", func(f web.ReportFinding) string { return f.Kind })
}

func reasons(k *web.ReportedKey) string {
	return joined(k.Findings, "; ", func(f web.ReportFinding) string { return f.Why })
}

func joined[T any](list []T, by string, text func(T) string) string {
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = text(e)
	}
	return strings.Join(parts, by)
}
