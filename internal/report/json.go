package report

import (
	"bufio"
	"encoding/json"
	"io"

	"github.com/rotatord/rotatord/web"
)

// document is a report as one JSON value, {"keys": […], "summary": {…}}, with a line for each key.
type document struct {
	out  *bufio.Writer
	keys int
}

func newJSON(out io.Writer) *document { return &document{out: bufio.NewWriter(out)} }

// Key implements [Writer].
func (d *document) Key(k *web.ReportedKey) error {
	lead := "{\"keys\": [\n"
	if d.keys > 0 {
		lead = ",\n"
	}
	d.keys++
	return d.write(lead, k)
}

// Finish implements [Writer].
func (d *document) Finish(s *web.ReportSummary) error {
	lead := "\n],\n\"summary\": "
	if d.keys == 0 {
		lead = "{\"keys\": [],\n\"summary\": "
	}
	if err := d.write(lead, s); err != nil {
		return err
	}
	_, _ = d.out.WriteString("}\n") // a buffered writer tells again at Flush
	return d.out.Flush()
}

// Close implements [Writer].
func (*document) Close() error { return nil }

func (d *document) write(lead string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, _ = d.out.WriteString(lead) // a buffered writer tells again at the next write
	_, err = d.out.Write(b)
	return err
}
