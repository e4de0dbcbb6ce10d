package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/pathtemplate"
)

// layout turns a delivery into a file's content and finds the secret in it again.
type layout interface {
	// render makes the content. The error says why the delivery cannot be written so, without the secret.
	render(d rotator.Delivery) ([]byte, error)
	// extract returns a copy of the secret that a consumer of the content reads; nil if there is none.
	extract(content []byte, at span) []byte
}

// span is where the secret stands in a content, for layouts that cannot be parsed.
type span struct {
	Offset int `json:"secret_offset,omitempty"`
	Length int `json:"secret_length,omitempty"`
}

func newLayout(o Options) (layout, error) {
	if o.Format != Template && o.Template != "" {
		return nil, fmt.Errorf("template: is not used by format %s; write format template, or leave it out", o.Format)
	}
	switch o.Format {
	case Raw:
		return raw{}, nil
	case JSON:
		return object{o.Field}, nil
	case Env:
		return assignments{strings.ToUpper(o.Field)}, nil
	case Template:
		return newText(o.Template)
	default:
		return nil, fmt.Errorf("format %q: is unknown; write raw, json, env or template", o.Format)
	}
}

var errNotText = errors.New("the secret holds bytes that are not UTF-8, which this format cannot carry; use format raw")

type raw struct{}

func (raw) render(d rotator.Delivery) ([]byte, error) { return bytes.Clone(d.Secret.Reveal()), nil }
func (raw) extract(content []byte, _ span) []byte     { return bytes.Clone(content) }

// jsonNames are the names beside the secret's.
var jsonNames = []string{"key_id", "key_name", "version", "expires", "provider", "service_user", "credential"}

type object struct{ field string }

func (o object) render(d rotator.Delivery) ([]byte, error) {
	if !utf8.Valid(d.Secret.Reveal()) {
		return nil, errNotText
	}
	values := map[string]any{
		o.field: string(d.Secret.Reveal()), "key_id": d.KeyID, "key_name": d.KeyName, "version": d.Version,
		"provider": d.Provider, "service_user": d.ServiceUser, "credential": d.Credential,
	}
	if !d.Expires.IsZero() {
		values["expires"] = d.Expires.UTC().Format(time.RFC3339)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(values); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return b.Bytes(), nil
}

func (o object) extract(content []byte, _ span) []byte {
	var values map[string]json.RawMessage
	if json.Unmarshal(content, &values) != nil {
		return nil
	}
	var secret string
	if json.Unmarshal(values[o.field], &secret) != nil {
		return nil
	}
	return []byte(secret)
}

type assignments struct{ name string }

func (a assignments) render(d rotator.Delivery) ([]byte, error) {
	secret := d.Secret.Reveal()
	if !utf8.Valid(secret) {
		return nil, errNotText
	}
	if bytes.IndexByte(secret, 0) >= 0 {
		return nil, errors.New("the secret holds a NUL byte, which no environment variable can carry; use format raw")
	}
	var b bytes.Buffer
	assign := func(suffix, value string) { b.WriteString(a.name + suffix + `="` + quote.Replace(value) + "\"\n") }
	assign("", string(secret))
	assign("_ID", d.KeyID)
	assign("_NAME", d.KeyName)
	assign("_VERSION", strconv.Itoa(d.Version))
	if !d.Expires.IsZero() {
		assign("_EXPIRES", d.Expires.UTC().Format(time.RFC3339))
	}
	return b.Bytes(), nil
}

// quote escapes for double quotes. POSIX (Shell Command Language, 2.2.3) and systemd.exec(5), EnvironmentFile=, give a
// backslash a meaning before the same four characters there, and take all others, newlines too, as they are.
var quote = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")

func (a assignments) extract(content []byte, _ span) []byte {
	_, rest, found := bytes.Cut(append([]byte{'\n'}, content...), []byte("\n"+a.name+`="`))
	if !found {
		return nil
	}
	var secret []byte
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '"':
			return secret
		case rest[i] == '\\' && i+1 < len(rest) && bytes.IndexByte([]byte("\\\"$`"), rest[i+1]) >= 0:
			i++
		}
		secret = append(secret, rest[i])
	}
	return nil
}

// text is the layout of a template.
type text struct{ parsed *template.Template }

// delivered is what a template sees.
type delivered struct {
	Provider, UserID, ServiceUser, Credential string
	Version                                   int
	KeyID, KeyName, Rotation, Fingerprint     string
	Expires                                   time.Time
	Secret                                    string
}

// fields are the names in delivered.
var fields = append([]string{"Provider", "UserID", "ServiceUser", "Credential", "Version", "KeyID", "KeyName", "Rotation", "Fingerprint", "Secret"},
	pathtemplate.OfTime("Expires")...)

// maxText bounds a file that a template makes, in bytes.
const maxText = 1 << 20

func newText(source string) (layout, error) {
	parsed, err := template.New("file").Funcs(pathtemplate.Functions()).Option("missingkey=error").Parse(source)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if err := pathtemplate.Restrict(parsed, fields); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	t := text{parsed}
	probe := rotator.Delivery{
		Coordinates: rotator.Coordinates{Provider: "x", UserID: "x", ServiceUser: "x", Credential: "x"},
		KeyID:       "x", KeyName: "x", Rotation: "x", Fingerprint: "x", Version: 1, Secret: rotator.SecretString("probe-of-the-template"),
	}
	if _, err := t.render(probe); err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	return t, nil
}

var errNotVerbatim = errors.New("the secret does not come out of the template byte for byte, so it could not be read back; write {{.Secret}} without a function")

func (t text) render(d rotator.Delivery) ([]byte, error) {
	secret := string(d.Secret.Reveal())
	var b bytes.Buffer
	err := pathtemplate.Execute(&b, t.parsed, delivered{
		d.Provider, d.UserID, d.ServiceUser, d.Credential, d.Version, d.KeyID, d.KeyName, d.Rotation, d.Fingerprint, d.Expires, secret,
	}, maxText)
	if err != nil { // a function's error may quote its argument
		return nil, errors.New(strings.ReplaceAll(err.Error(), secret, d.Secret.String()))
	}
	if !bytes.Contains(b.Bytes(), []byte(secret)) {
		return nil, errNotVerbatim
	}
	return b.Bytes(), nil
}

func (text) extract(content []byte, at span) []byte {
	if at.Length <= 0 || at.Offset < 0 || at.Offset > len(content)-at.Length {
		return nil
	}
	return bytes.Clone(content[at.Offset : at.Offset+at.Length])
}
