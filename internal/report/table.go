package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/terminal"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// sampled is how many keys a table looks at before it decides how wide its columns are. Later keys may need more: they
// get it, and so do those after them.
const sampled = 500

const gap = "  "

// table is a report for a screen.
type table struct {
	out     *bufio.Writer
	o       Options
	columns []column
	widths  []int
	waiting [][]string
	started bool
}

func newTable(out io.Writer, o Options) *table {
	t := &table{out: bufio.NewWriter(out), o: o}
	for _, c := range columns() {
		if c.table != "" && (c.short || o.Wide) {
			t.columns = append(t.columns, c)
			t.widths = append(t.widths, len(c.table))
		}
	}
	return t
}

// Key implements [Writer].
func (t *table) Key(k *web.ReportedKey) error {
	cells := make([]string, len(t.columns))
	for i, c := range t.columns {
		text := c.people
		if text == nil {
			text = c.text
		}
		cells[i] = terminal.Text(text(k), "")
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(cells[i]))
	}
	if t.started {
		return t.row(cells, t.paint)
	}
	if t.waiting = append(t.waiting, cells); len(t.waiting) < sampled {
		return nil
	}
	return t.start()
}

// start prints the head and the keys that the widths were taken from.
func (t *table) start() error {
	t.started = true
	head := make([]string, len(t.columns))
	for i, c := range t.columns {
		head[i] = c.table
	}
	if err := t.row(head, t.bold); err != nil {
		return err
	}
	for _, cells := range t.waiting {
		if err := t.row(cells, t.paint); err != nil {
			return err
		}
	}
	t.waiting = nil
	return nil
}

// row prints one line. Paint comes after the width was measured, because it has none.
func (t *table) row(cells []string, paint func(c *column, cell string) string) error {
	var line strings.Builder
	for i, cell := range cells {
		pad := t.widths[i] - utf8.RuneCountInString(cell)
		line.WriteString(paint(&t.columns[i], cell))
		if i < len(cells)-1 {
			line.WriteString(strings.Repeat(" ", pad) + gap)
		}
	}
	_, err := t.out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	return err
}

// Finish implements [Writer].
func (t *table) Finish(s *web.ReportSummary) error {
	if !t.started && s.Keys > 0 {
		if err := t.start(); err != nil {
			return err
		}
	}
	if s.Keys > 0 {
		_, _ = t.out.WriteString("\n") // a buffered writer tells again at Flush
	}
	_, _ = fmt.Fprintf(t.out, "%s, as of %s\n", counted(s.Keys, "key"), s.GeneratedAt.UTC().Format("2006-01-02 15:04 MST"))
	t.counts(s)
	t.groups(s)
	return t.out.Flush()
}

// Close implements [Writer].
func (*table) Close() error { return nil }

// counts prints classes and findings side by side.
func (t *table) counts(s *web.ReportSummary) {
	classes, kinds := rotator.Classes(), rotator.Findings()
	for i := range max(len(classes), len(kinds)) {
		left, right := strings.Repeat(" ", 20), ""
		if i < len(classes) {
			c := string(classes[len(classes)-1-i]) // the best first: how much of the fleet is in order
			left = t.count(c, s.Classes[c], 10)
		}
		if i < len(kinds) {
			right = t.count(string(kinds[i]), s.Findings[string(kinds[i])], 13)
		}
		_, _ = fmt.Fprintln(t.out, strings.TrimRight("  "+left+"    "+right, " "))
	}
}

// groups prints the same counts for each value of a label.
func (t *table) groups(s *web.ReportSummary) {
	if len(s.Groups) == 0 {
		return
	}
	head := append(append([]string{strings.ToUpper("by " + s.By), "KEYS"}, groupClasses()...), "WITH FINDINGS")
	rows := [][]string{head}
	for _, g := range s.Groups {
		row := []string{terminal.Text(or(g.Value, without), ""), fmt.Sprint(g.Keys)}
		for _, c := range groupClasses() {
			row = append(row, fmt.Sprint(g.Classes[c]))
		}
		rows = append(rows, append(row, fmt.Sprint(g.Against)))
	}
	for i, c := range groupClasses() {
		head[i+2] = strings.ToUpper(c)
	}
	_, _ = fmt.Fprintln(t.out)
	for _, row := range rows {
		line := fmt.Sprintf("  %-*s", widest(rows, 0), row[0])
		for i, cell := range row[1:] {
			line += fmt.Sprintf("%s%*s", gap, widest(rows, i+1), cell)
		}
		_, _ = fmt.Fprintln(t.out, line)
	}
}

func widest(rows [][]string, column int) int {
	width := 0
	for _, row := range rows {
		width = max(width, utf8.RuneCountInString(row[column]))
	}
	return width
}

func (t *table) count(name string, n, width int) string {
	text := fmt.Sprintf("%-*s %9d", width, name, n)
	if t.o.Colour && n == 0 {
		return dim + text + plain
	}
	return text
}

// The colours of a terminal, by what a class asks of people.
const (
	plain  = "\x1b[0m"
	strong = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

var classColours = map[rotator.Class]string{
	rotator.ClassManaged: green, rotator.ClassHeld: yellow, rotator.ClassUnmanaged: yellow,
	rotator.ClassOrphaned: red, rotator.ClassExpired: red, rotator.ClassInactive: dim, rotator.ClassGone: dim,
}

func (t *table) bold(_ *column, cell string) string {
	if !t.o.Colour {
		return cell
	}
	return strong + cell + plain
}

func (t *table) paint(c *column, cell string) string {
	switch {
	case !t.o.Colour || cell == "":
		return cell
	case c.csv == "class":
		return classColours[rotator.Class(cell)] + cell + plain
	case c.csv == "findings":
		return yellow + cell + plain
	default:
		return cell
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// moment prints a time for people.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 MST")
}
