package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// timeFormat has one form for each millisecond, so that no two texts mean the same record.
const timeFormat = "2006-01-02T15:04:05.000Z"

// typicalEvent and typicalHead are how many bytes most events, and what stands before them, take at most.
const (
	typicalEvent = 768
	typicalHead  = 160
)

// Encode returns the event as [Link] wants it.
func Encode(e rotator.AuditEvent) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(typicalEvent)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // so that tools which print JSON anew leave a line as it is
	if err := enc.Encode(e.Bounded()); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Link makes the record that follows prev: event is what [Encode] returned.
func Link(prev rotator.AuditHead, at time.Time, event []byte) rotator.AuditRecord {
	at = at.UTC().Truncate(time.Millisecond)
	text := make([]byte, 0, len(event)+typicalHead)
	text = append(text, `{"seq":`...)
	text = strconv.AppendInt(text, prev.Seq+1, 10)
	text = append(text, `,"at":"`...)
	text = at.AppendFormat(text, timeFormat)
	text = append(text, `","prev":"`...)
	text = hex.AppendEncode(text, prev.Hash[:])
	text = append(text, `",`...)
	text = append(text, event[1:]...)
	return rotator.AuditRecord{Seq: prev.Seq + 1, At: at, Text: text, Hash: sha256.Sum256(text)}
}

// Content is what a record's text says.
type Content struct {
	Seq  int64             `json:"seq"`
	At   string            `json:"at"`
	Prev rotator.AuditHash `json:"prev"`
	rotator.AuditEvent
}

// Time is At as a time.
func (c *Content) Time() time.Time {
	t, _ := time.Parse(timeFormat, c.At) // Decode has looked at it
	return t
}

// String says in a few words what the record tells of.
func (c *Content) String() string {
	words := []string{string(c.Kind)}
	if c.Credential != "" {
		words = append(words, "of "+rotator.CredentialID{Provider: c.Provider, UserID: c.UserID, Base: c.Credential}.String())
	} else if c.Provider != "" {
		words = append(words, "at "+c.Provider)
	}
	if c.To != "" && c.To != c.From {
		words = append(words, "to "+string(c.To))
	}
	if c.Actor != "" {
		words = append(words, "by "+c.Actor)
	}
	return strings.Join(words, " ")
}

// Decode reads a record's text. It does not check its hash.
func Decode(text []byte) (Content, error) {
	var c Content
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("it is not a record: %w", err)
	}
	if c.Seq < 1 || c.Kind == "" {
		return c, errors.New("it is not a record: it has no number or no kind")
	}
	if t, err := time.Parse(timeFormat, c.At); err != nil || t.Format(timeFormat) != c.At {
		return c, fmt.Errorf("its time %q is not one that rotatord writes", c.At)
	}
	return c, nil
}

const hashField = `,"hash":"`

// AppendLine appends the record as a line of an export, with the line break.
func AppendLine(line []byte, r *rotator.AuditRecord) []byte {
	line = append(line, bytes.TrimSuffix(r.Text, []byte("}"))...)
	line = append(line, hashField...)
	line = hex.AppendEncode(line, r.Hash[:])
	return append(line, "\"}\n"...)
}

// End is the last line of an export: without it, the export was cut short.
type End struct {
	// Head is the last record that the export holds or, where it is filtered, that was looked at.
	rotator.AuditHead
	// Filtered is true where records were left out, so that only each by itself can be verified.
	Filtered bool `json:"filtered,omitempty"`
	// More is true where more records follow: the export is a page.
	More bool `json:"more,omitempty"`
	// Error says why the export ends here, if it should not.
	Error string `json:"error,omitempty"`
}

type endLine struct {
	End *End `json:"end"`
}

// AppendEnd appends the last line of an export, with the line break.
func AppendEnd(line []byte, e End) ([]byte, error) {
	b, err := json.Marshal(endLine{&e})
	return append(append(line, b...), '\n'), err
}

// ParseLine undoes [AppendLine] and [AppendEnd]: exactly one of the two is returned. A record comes with Text and Hash
// alone, unverified.
func ParseLine(line []byte) (*rotator.AuditRecord, *End, error) {
	line = bytes.TrimRight(line, "\r\n")
	if end, ok := parseEnd(line); ok {
		return nil, end, nil
	}
	const tail = len(hashField) + 2*sha256.Size + len(`"}`)
	at := len(line) - tail
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(hashField)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, nil, errors.New("it does not end with a hash, as every line of an export does")
	}
	var r rotator.AuditRecord
	if err := r.Hash.UnmarshalText(line[at+len(hashField) : len(line)-2]); err != nil {
		return nil, nil, err
	}
	r.Text = append(bytes.Clone(line[:at]), '}')
	return &r, nil, nil
}

func parseEnd(line []byte) (*End, bool) {
	if !bytes.HasPrefix(line, []byte(`{"end":`)) {
		return nil, false
	}
	var e endLine
	if err := json.Unmarshal(line, &e); err != nil || e.End == nil {
		return nil, false
	}
	again, err := json.Marshal(e)
	return e.End, err == nil && bytes.Equal(again, line) // it has one form
}
