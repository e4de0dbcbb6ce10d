// Package argument makes the arguments of commands and the names of units from a text with fields of a new key in it, as in
// "--user={{.ServiceUser}}". There is nothing but text and fields, and no field holds a secret.
package argument

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rotatord/rotatord/rotator"
)

// fields are all that a text can name.
var fields = map[string]func(r *rotator.HookRun) string{
	"Hook":        func(r *rotator.HookRun) string { return r.Hook },
	"Provider":    func(r *rotator.HookRun) string { return r.Provider },
	"UserID":      func(r *rotator.HookRun) string { return r.UserID },
	"ServiceUser": func(r *rotator.HookRun) string { return cmp.Or(r.ServiceUser, r.UserID) },
	"Credential":  func(r *rotator.HookRun) string { return r.Base },
	"Policy":      func(r *rotator.HookRun) string { return r.Policy },
	"Rotation":    func(r *rotator.HookRun) string { return r.Rotation },
	"Reason":      func(r *rotator.HookRun) string { return string(r.Reason) },
	"Version":     func(r *rotator.HookRun) string { return strconv.Itoa(r.Version) },
	"KeyID":       func(r *rotator.HookRun) string { return r.NewKey.ID },
	"KeyName":     func(r *rotator.HookRun) string { return r.NewKey.Name },
	"Fingerprint": func(r *rotator.HookRun) string { return r.Fingerprint },
}

// Fields lists the names of the fields, in order.
func Fields() []string { return slices.Sorted(maps.Keys(fields)) }

var action = regexp.MustCompile(`\{\{\s*\.([A-Za-z]+)\s*\}\}`)

// Argument is a text with fields in it. The zero Argument is the empty text.
type Argument struct{ parts []part }

// part is text, or a field where that is not empty.
type part struct{ text, field string }

// Parse reads a text.
func Parse(text string) (Argument, error) {
	var a Argument
	for text != "" {
		at := action.FindStringSubmatchIndex(text)
		if at == nil {
			break
		}
		name := text[at[2]:at[3]]
		if fields[name] == nil {
			return Argument{}, fmt.Errorf("there is no field .%s; there are .%s", name, strings.Join(Fields(), ", ."))
		}
		if err := a.text(text[:at[0]]); err != nil {
			return Argument{}, err
		}
		a.parts = append(a.parts, part{field: name})
		text = text[at[1]:]
	}
	return a, a.text(text)
}

func (a *Argument) text(text string) error {
	if strings.Contains(text, "{{") || strings.Contains(text, "}}") {
		return errors.New("holds more than text and fields; write fields as in {{.ServiceUser}}")
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("holds a character that cannot be printed")
	}
	if text != "" {
		a.parts = append(a.parts, part{text: text})
	}
	return nil
}

// Fixed reports whether there is no field in it.
func (a Argument) Fixed() bool {
	return !slices.ContainsFunc(a.parts, func(p part) bool { return p.field != "" })
}

// Render makes the text for a new key. Names of service users are text that anybody may have typed, so what begins with a
// field and would be taken for an option is refused, and so is what cannot be printed. escape, if set, is applied to each field.
func (a Argument) Render(r *rotator.HookRun, escape func(string) string) (string, error) {
	var b strings.Builder
	for i, p := range a.parts {
		if p.field == "" {
			b.WriteString(p.text)
			continue
		}
		value := fields[p.field](r)
		switch {
		case strings.ContainsFunc(value, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }):
			return "", rotator.NewFault("run hook "+r.Hook, rotator.Invalid, "the field .%s of %s holds a character that cannot be printed: %q", p.field, r.CredentialID, value)
		case i == 0 && strings.HasPrefix(value, "-"):
			return "", rotator.NewFault("run hook "+r.Hook, rotator.Invalid, "the field .%s of %s begins with a dash, so that it would be taken for an option: %q; "+
				"write text in front of the field", p.field, r.CredentialID, value)
		}
		if escape != nil {
			value = escape(value)
		}
		b.WriteString(value)
	}
	return b.String(), nil
}
