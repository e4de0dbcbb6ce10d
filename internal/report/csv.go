package report

import (
	"encoding/csv"
	"io"

	"github.com/rotatord/rotatord/internal/sheet"
	"github.com/rotatord/rotatord/web"
)

// records is a report as CSV, with a line of names on top.
type records struct {
	out     *csv.Writer
	columns []column
	record  []string
	headed  bool
}

func newCSV(out io.Writer) *records {
	c := columns()
	return &records{out: csv.NewWriter(out), columns: c, record: make([]string, len(c))}
}

// Key implements [Writer].
func (s *records) Key(k *web.ReportedKey) error {
	if err := s.head(); err != nil {
		return err
	}
	for i, c := range s.columns {
		s.record[i] = sheet.Cell(c.text(k))
	}
	return s.out.Write(s.record)
}

func (s *records) head() error {
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
func (s *records) Finish(*web.ReportSummary) error {
	if err := s.head(); err != nil {
		return err
	}
	s.out.Flush()
	return s.out.Error()
}

// Close implements [Writer].
func (*records) Close() error { return nil }
