package certcentral

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// errShape says that an answer is JSON, but not the JSON that the service documents.
var errShape = errors.New("unexpected JSON")

// visitError carries an error of the visitor past those of the reading.
type visitError struct{ err error }

func (e visitError) Error() string { return e.err.Error() }
func (e visitError) Unwrap() error { return e.err }

// readBuffer is how much of a list is read at a time.
const readBuffer = 64 << 10

// list is a streamed answer of the form {"<name>":[…], "page":{…}}.
type list[T any] struct {
	name  string
	paged bool // "page" must be there
	visit func(*T) error

	seen int
	page *wirePage
}

// read hands on each element as it arrives and holds one at a time. It returns nil only if the list was there, complete,
// and nothing but white space came after it. An error of visit ends it and is wrapped in a visitError.
func (l *list[T]) read(r io.Reader) error {
	dec := json.NewDecoder(bufio.NewReaderSize(r, readBuffer))
	if err := expect(dec, json.Delim('{')); err != nil {
		return err
	}
	found := false
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		switch {
		case name == l.name && !found:
			found, err = true, l.elements(dec)
		case name == "page" && l.paged && l.page == nil:
			err = dec.Decode(&l.page)
		case name == l.name || (name == "page" && l.paged):
			err = fmt.Errorf("%w: %q comes twice", errShape, name)
		default:
			err = skip(dec)
		}
		if err != nil {
			return err
		}
	}
	if err := expect(dec, json.Delim('}')); err != nil {
		return err
	}
	return l.ended(dec, found)
}

func (l *list[T]) elements(dec *json.Decoder) error {
	if err := expect(dec, json.Delim('[')); err != nil {
		return err
	}
	var element, blank T
	for dec.More() {
		element = blank // what an element leaves out must not come from the one before
		if err := dec.Decode(&element); err != nil {
			return err
		}
		l.seen++
		if err := l.visit(&element); err != nil {
			return visitError{err}
		}
	}
	return expect(dec, json.Delim(']'))
}

func (l *list[T]) ended(dec *json.Decoder, found bool) error {
	if !found {
		return fmt.Errorf("%w: there is no %q", errShape, l.name)
	}
	if l.paged && l.page == nil {
		return fmt.Errorf(`%w: there is no "page"`, errShape)
	}
	switch _, err := dec.Token(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	default:
		return fmt.Errorf("%w: something follows the end", errShape)
	}
}

// expect consumes one delimiter.
func expect(dec *json.Decoder, want json.Delim) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%w: %v in place of %v", errShape, kindOf(token), want)
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

// readObject decodes an answer that is one object.
func readObject(r io.Reader, into any) error {
	dec := json.NewDecoder(r)
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the end", errShape)
	}
	return nil
}
