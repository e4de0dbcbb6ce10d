package digicertone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// errElement says that a user or a token is not as the mapping has it.
var errElement = fmt.Errorf("%w of a user or a token", rest.ErrShape)

// object is a JSON object with its members as they came, so that it can be sent back as it came too.
type object map[string]json.RawMessage

// at returns the value at a path of names with dots between them; false if there is none. null is a value here.
func (o object) at(path string) (json.RawMessage, bool) {
	name, below, deeper := strings.Cut(path, ".")
	raw, ok := o[name]
	if !ok || !deeper {
		return raw, ok
	}
	var inner object
	if json.Unmarshal(raw, &inner) != nil {
		return nil, false
	}
	return inner.at(below)
}

// set puts a value at a path, and makes the objects on the way to it.
func (o object) set(path string, value any) error {
	name, below, deeper := strings.Cut(path, ".")
	if deeper {
		inner := object{}
		if raw, ok := o[name]; ok && json.Unmarshal(raw, &inner) != nil || inner == nil {
			inner = object{}
		}
		if err := inner.set(below, value); err != nil {
			return err
		}
		value = inner
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("the request cannot be written: %w", err)
	}
	o[name] = raw
	return nil
}

// drop takes the value at a path out.
func (o object) drop(path string) {
	name, below, deeper := strings.Cut(path, ".")
	if !deeper {
		delete(o, name)
		return
	}
	var inner object
	if raw, ok := o[name]; !ok || json.Unmarshal(raw, &inner) != nil || inner == nil {
		return
	}
	inner.drop(below)
	_ = o.set(name, inner) // an object that was read can be written
}

// reader takes the fields of one answer and remembers the first thing that was wrong.
type reader struct {
	o   object
	op  string // the call that the answer is to
	err error
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || bytes.Equal(raw, []byte("null")) }

// fail says what is wrong with a field and which setting would mend it.
func (r *reader) fail(f field, format string, args ...any) {
	if r.err == nil {
		r.err = rotator.NewFault(r.op, rotator.Invalid, "%w: the field %q of the answer %s; if this instance has it under another name, set fields.%s",
			errElement, f.name, fmt.Sprintf(format, args...), f.setting)
	}
}

// value is that of a field; nil if it is not there, is null, or has no name.
func (r *reader) value(f field) json.RawMessage {
	if f.name == "" {
		return nil
	}
	raw, _ := r.o.at(f.name)
	if isNull(raw) {
		return nil
	}
	return raw
}

// needed is value for fields that nothing works without.
func (r *reader) needed(f field) json.RawMessage {
	raw := r.value(f)
	if raw == nil {
		r.fail(f, "is missing")
	}
	return raw
}

// text reads an optional string. Numbers are taken as they stand, for ids.
func (r *reader) text(f field) string { return r.asText(f, r.value(f)) }

// neededText reads a string that must not be empty.
func (r *reader) neededText(f field) string {
	text := r.asText(f, r.needed(f))
	if text == "" {
		r.fail(f, "is empty")
	}
	return text
}

func (r *reader) asText(f field, raw json.RawMessage) string {
	text, ok := scalar(raw)
	if raw != nil && !ok {
		r.fail(f, "is no text")
	}
	return text
}

// scalar reads a string or a number.
func scalar(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	if _, err := strconv.ParseFloat(string(raw), 64); err == nil {
		return string(raw), true
	}
	return "", false
}

// end reads an end date; zero for none.
func (r *reader) end(f field) time.Time {
	text := r.text(f)
	if text == "" {
		return time.Time{}
	}
	end, err := parseEnd(text)
	if err != nil {
		r.fail(f, "is no day such as 2026-01-31") // not quoted: a wrong setting may point at the token itself
	}
	return end
}

// time reads a time; zero for none.
func (r *reader) time(f field) time.Time {
	text := r.text(f)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		r.fail(f, "is no time such as 2026-01-31T12:00:00Z")
		return time.Time{}
	}
	return at.UTC()
}

// ids reads a list of ids or of objects with one; the second list has the names of those that have one. A single id is a
// list of one.
func (r *reader) ids(f field) (ids, names []string) {
	raw := r.value(f)
	if raw == nil {
		return nil, nil
	}
	if one, ok := scalar(raw); ok {
		return []string{one}, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		r.fail(f, "is no list of ids")
		return nil, nil
	}
	for _, element := range list {
		id, name := idOf(element)
		if id == "" {
			r.fail(f, "has an element without an id")
			return nil, nil
		}
		ids = append(ids, id)
		if name != "" {
			names = append(names, name)
		}
	}
	return ids, names
}

// idOf reads an id, or that of an object.
func idOf(raw json.RawMessage) (id, name string) {
	if text, ok := scalar(raw); ok {
		return text, ""
	}
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return "", ""
	}
	id, _ = scalar(o["id"])
	name, _ = scalar(o["name"])
	return id, name
}

// needIDs is for a list that must have one id at least.
func (r *reader) needIDs(f field) {
	if ids, _ := r.ids(f); len(ids) == 0 {
		r.fail(f, "is missing or empty")
	}
}
