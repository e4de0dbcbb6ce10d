// Package pathtemplate renders where a credential is delivered: a path made of literal text and of a credential's
// coordinates, which no value can lead astray.
//
// The names of service users come from a provider, where other people choose them. So what every {{…}} yields is checked
// as one piece of one folder's or file's name: a slash, a backslash, "..", a leading dot, a control character, surrounding
// space or nothing at all is refused with kind [rotator.Invalid], and never repaired in silence, because two names must not
// become one. An operator who wants such names says how to spell them: {{.ServiceUser | replace "/" "-"}}; the check
// looks at what the functions made.
//
// Templates hold text, fields, pure functions and if. There are no loops, variables or other templates, and nothing in them
// can read a file or the environment.
package pathtemplate

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"text/template/parse"
	"unicode"
	"unicode/utf8"

	"github.com/rotatord/rotatord/rotator"
)

// checkName is the function that every action's pipeline is made to end in.
const checkName = "_checked"

// maxSegment is how long a file's name may be on the usual file systems, in bytes.
const maxSegment = 255

// maxPath is how long a whole path may be on Linux, in bytes, without the NUL at its end.
const maxPath = 4095

// Template is a parsed path. It is safe for concurrent use.
type Template struct {
	text   string
	prefix string
	parsed *template.Template
}

// coordinates are what a template sees: the fields of [rotator.Coordinates] and nothing that may be added to it later.
type coordinates struct{ Provider, UserID, ServiceUser, Credential string }

// fields are the names in coordinates.
var fields = []string{"Provider", "UserID", "ServiceUser", "Credential"}

// Functions returns the functions that templates may use besides those of text/template: lower, upper, replace OLD NEW,
// trimPrefix P, trimSuffix S; and a printf that is bounded. All are pure, and take the value last so that they can stand in a
// pipeline.
func Functions() template.FuncMap {
	return template.FuncMap{
		"lower":      strings.ToLower,
		"upper":      strings.ToUpper,
		"replace":    replace,
		"printf":     printf,
		"trimPrefix": func(prefix, value string) string { return strings.TrimPrefix(value, prefix) },
		"trimSuffix": func(suffix, value string) string { return strings.TrimSuffix(value, suffix) },
	}
}

// Parse reads a template and tries it. Its errors name the template and say what is wrong with it.
func Parse(text string) (*Template, error) {
	parsed, err := template.New("path").Funcs(Functions()).Funcs(template.FuncMap{checkName: checked}).
		Option("missingkey=error").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("path template %q: %w", text, err)
	}
	t := &Template{text: text, parsed: parsed}
	if parsed.Tree == nil || strings.TrimSpace(parsed.Root.String()) == "" {
		return nil, fmt.Errorf("path template %q: is empty; write fields as in {{.Provider}}/{{.ServiceUser}}", text)
	}
	if err := restrict(parsed.Root, fields, check); err != nil {
		return nil, fmt.Errorf("path template %q: %w", text, err)
	}
	t.prefix = literalFolder(parsed.Root)
	if _, err := t.Render(rotator.Coordinates{Provider: "x", UserID: "x", ServiceUser: "x", Credential: "x"}); err != nil {
		return nil, err
	}
	return t, nil
}

// String returns the template's text.
func (t *Template) String() string { return t.text }

// Prefix is the literal text before the first {{, up to and with its last slash: the folder that every rendered path lies
// in. It is empty when there is none.
func (t *Template) Prefix() string { return t.prefix }

// Render makes the path of a credential. The error is a fault of kind [rotator.Invalid] that names the template and the
// value that it cannot take.
func (t *Template) Render(c rotator.Coordinates) (string, error) {
	var b strings.Builder
	err := Execute(&b, t.parsed, coordinates{c.Provider, c.UserID, c.ServiceUser, c.Credential}, 2*maxPath)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return "", t.invalid(refused)
	}
	if err != nil {
		return "", t.invalid(err)
	}
	if err := Check(b.String()); err != nil {
		return "", t.invalid(err)
	}
	return b.String(), nil
}

func (t *Template) invalid(err error) error {
	return rotator.NewFault("render path", rotator.Invalid, "path template %q: %w", t.text, err)
}

// Check says why a path, absolute or relative, is not one that a template may yield, or nil: an empty part, ".", "..",
// control characters, text that is not UTF-8, or more bytes than file systems take.
func Check(path string) error {
	if len(path) > maxPath {
		return &refusal{fmt.Sprintf("the path has %d bytes, and %d is the most that is possible", len(path), maxPath)}
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		switch {
		case segment == "":
			return &refusal{fmt.Sprintf("the path %q has an empty part, at its end or between two slashes", path)}
		case segment == "." || segment == "..":
			return &refusal{fmt.Sprintf("the path %q holds %q, which leads to another folder", path, segment)}
		case len(segment) > maxSegment:
			return &refusal{fmt.Sprintf("the path %q has a part of %d bytes, and %d is the most that is possible", path, len(segment), maxSegment)}
		}
		if what := unprintable(segment); what != "" {
			return &refusal{fmt.Sprintf("the path %q holds %s", path, what)}
		}
	}
	return nil
}

// refusal says why a value or a path is not taken.
type refusal struct{ why string }

func (r *refusal) Error() string { return r.why }

// checked is what the output of every action passes through.
func checked(v any) (string, error) {
	value := fmt.Sprint(v)
	var why string
	switch {
	case value == "":
		return "", &refusal{"a value is empty: the provider has no such name for this service user; use another field, {{.UserID}} for one"}
	case strings.ContainsAny(value, `/\`):
		why = "a slash, which leads to another folder"
	case strings.Contains(value, ".."):
		why = `"..", which leads to another folder`
	case strings.HasPrefix(value, "."):
		why = "a dot at its beginning, which hides a file"
	case strings.TrimSpace(value) != value:
		why = "space at its beginning or end"
	default:
		why = unprintable(value)
	}
	if why == "" {
		return value, nil
	}
	return "", &refusal{fmt.Sprintf(`the value %q holds %s; use another field, or say how to spell it, as in {{.ServiceUser | replace "/" "-"}}`,
		value, why)}
}

func unprintable(s string) string {
	if !utf8.ValidString(s) {
		return "bytes that are not UTF-8"
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("the character %U, which cannot be printed", r)
		}
	}
	return ""
}

func literalFolder(root *parse.ListNode) string {
	first, ok := root.Nodes[0].(*parse.TextNode)
	if !ok {
		return ""
	}
	text := string(first.Text)
	return text[:strings.LastIndex(text, "/")+1]
}
