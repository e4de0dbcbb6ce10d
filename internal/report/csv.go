package report

import (
	"encoding/csv"
	"io"
	"strings"

	"github.com/rotatord/rotatord/web"
)

// sheet is a report as CSV, with a line of names on top.
type sheet struct {
	out     *csv.Writer
	columns []column
	record  []string
	headed  bool
}

func newCSV(out io.Writer) *sheet {
	c := columns()
	return &sheet{out: csv.NewWriter(out), columns: c, record: make([]string, len(c))}
}

// Key implements [Writer].
func (s *sheet) Key(k *web.ReportedKey) error {
	if err := s.head(); err != nil {
		return err
	}
	for i, c := range s.columns {
		s.record[i] = harmless(c.text(k))
	}
	return s.out.Write(s.record)
}

func (s *sheet) head() error {
	if s.headed {
		return nil
	}
	s.headed = true
	for i, c := range s.columns {
		s.record[i] = c.csv
	}
	return s.out.Write(s.record)
}

// Finish implements [Writer]. The summary is left out: every line of the sheet is a key.
func (s *sheet) Finish(*web.ReportSummary) error {
	if err := s.head(); err != nil {
		return err
	}
	s.out.Flush()
	return s.out.Error()
}

// Close implements [Writer].
func (*sheet) Close() error { return nil }

// harmless keeps a spreadsheet from taking a cell for a formula: names and e-mail addresses come from the providers, where
// others can write them. A quote in front makes text of it in every spreadsheet.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
