package rest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrShape says that an answer is JSON, but not the JSON that the service documents.
var ErrShape = errors.New("unexpected JSON")

// visitError carries an error of the visitor past those of the reading.
type visitError struct{ err error }

func (e visitError) Error() string { return e.err.Error() }
func (e visitError) Unwrap() error { return e.err }

// readBuffer is how much of a list is read at a time.
const readBuffer = 64 << 10

// List is an answer that is a list, handed on element by element as it arrives.
type List[T any] struct {
	// Name is where the list stands: "users" for {"users":[…]}, "_embedded.users" for one inside an object, and "" for an
	// answer that is the array itself.
	Name string
	// Optional is true where the service leaves out an empty list.
	Optional bool
	// Beside are members that stand beside the list, at the top, before or after it.
	Beside []Member
	// Visit is called for each element, which is valid until it returns. An error ends the reading.
	Visit func(*T) error

	// Seen is how many elements there were.
	Seen int

	found bool
}

// Member is a value that stands beside a list, such as its page. It is decoded by encoding/json; null is as good as nothing.
type Member struct {
	Name     string
	Into     any
	Optional bool
}

// ReadList makes a read whose answer is a list and reads it to its end. An error of the visitor is returned as it is; every
// other is a [*rotator.Fault].
func ReadList[T any](ctx context.Context, c *Client, call Call, l *List[T]) error {
	ans, err := c.Get(ctx, call)
	if err != nil {
		return err
	}
	defer func() { _ = ans.Body.Close() }()
	err = l.Read(ans.Body)
	if visit, ok := errors.AsType[visitError](err); ok {
		return visit.err
	}
	if err != nil {
		return Unreadable(call.Op(), err)
	}
	return nil
}

// Read hands on each element and holds one at a time. It returns nil only if the list was there, complete, and nothing but
// white space came after it. An error of Visit ends it and is wrapped.
func (l *List[T]) Read(r io.Reader) error {
	l.Seen, l.found = 0, false
	dec := json.NewDecoder(bufio.NewReaderSize(r, readBuffer))
	var err error
	if l.Name == "" {
		err = l.elements(dec)
	} else {
		err = l.object(dec, strings.Split(l.Name, "."), l.Beside)
	}
	if err != nil {
		return err
	}
	if !l.found && !l.Optional {
		return fmt.Errorf("%w: there is no %q", ErrShape, l.Name)
	}
	return ended(dec)
}

// object goes through the members of an object. The list is at the end of path, and beside it stand others.
func (l *List[T]) object(dec *json.Decoder, path []string, beside []Member) error {
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	met := map[string]bool{}
	for dec.More() {
		name, err := memberName(dec)
		if err != nil {
			return err
		}
		wanted := name == path[0] || isMember(beside, name)
		if wanted && met[name] {
			return fmt.Errorf("%w: %q comes twice", ErrShape, name)
		}
		switch {
		case !wanted:
			err = skip(dec)
		case name != path[0]:
			met[name], err = take(dec, beside, name)
		case len(path) == 1:
			met[name], err = true, l.elements(dec)
		default:
			met[name], err = true, l.object(dec, path[1:], nil)
		}
		if err != nil {
			return err
		}
	}
	for _, m := range beside {
		if !m.Optional && !met[m.Name] {
			return fmt.Errorf("%w: there is no %q", ErrShape, m.Name)
		}
	}
	return expect(dec, json.Delim('}'))
}

func (l *List[T]) elements(dec *json.Decoder) error {
	if err := expect(dec, json.Delim('[')); err != nil {
		return err
	}
	l.found = true
	var element, blank T
	for dec.More() {
		element = blank // what an element leaves out must not come from the one before
		if err := dec.Decode(&element); err != nil {
			return err
		}
		l.Seen++
		if err := l.Visit(&element); err != nil {
			return visitError{err}
		}
	}
	return expect(dec, json.Delim(']'))
}

func isMember(members []Member, name string) bool {
	for _, m := range members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// take decodes the value of a member and reports whether there was one.
func take(dec *json.Decoder, members []Member, name string) (bool, error) {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return false, err
	}
	if bytes.Equal(raw, []byte("null")) {
		return false, nil
	}
	for _, m := range members {
		if m.Name != name {
			continue
		}
		if err := json.Unmarshal(raw, m.Into); err != nil {
			return false, err
		}
	}
	return true, nil
}

func memberName(dec *json.Decoder) (string, error) {
	token, err := dec.Token()
	if err != nil {
		return "", err
	}
	name, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%w: %v in place of a name", ErrShape, kindOf(token))
	}
	return name, nil
}

// expect consumes one delimiter.
func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%w: %v in place of %v", ErrShape, kindOf(token), want)
	}
	return nil
}

// kindOf names what was found without repeating it.
func kindOf(token json.Token) string {
	switch token.(type) {
	case json.Delim:
		return "a bracket"
	case nil:
		return "null"
	default:
		return fmt.Sprintf("a %T", token)
	}
}

// skip consumes one value of any size without holding it.
func skip(dec *json.Decoder) error {
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// ended makes sure that nothing follows.
func ended(dec *json.Decoder) error {
	switch _, err := dec.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("%w: something follows the end", ErrShape)
	}
}

// ReadObject decodes an answer that is one object, all of it.
func ReadObject(r io.Reader, into any) error {
	dec := json.NewDecoder(r)
	if err := dec.Decode(into); err != nil {
		return err
	}
	return ended(dec)
}
