package pathtemplate

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/rotatord/rotatord/rotator"
)

// functions are all that text/template has built in (its documentation, "Functions"), each with whether it may be used.
var functions = map[string]bool{
	"and": true, "or": true, "not": true, "eq": true, "ne": true, "lt": true, "le": true, "gt": true, "ge": true, "len": true,
	"index": true, "slice": true, "print": true, "println": true, "printf": true, "call": false, "html": false, "js": false, "urlquery": false,
}

func TestEveryBuiltinIsJudged(t *testing.T) {
	for name, permitted := range functions {
		if Permits(name) != permitted {
			t.Errorf("%s: permitted is %v", name, !permitted)
		}
		if _, err := template.New("").Parse("{{" + name + "}}"); err != nil {
			t.Errorf("%s is none of text/template's: %v", name, err)
		}
	}
	for _, name := range []string{"readFile", "env", "getenv", "exec", "include", "tpl", "lookup", "http"} {
		if _, err := Parse("{{" + name + ` "/etc/passwd"}}`); err == nil {
			t.Errorf("there is a function %s", name)
		}
	}
}

// No template reaches a file, the environment, a method or a pointer.
func TestTemplatesReachNothing(t *testing.T) {
	t.Setenv("PLANTED", "S3CR3T-in-the-environment")
	file := filepath.Join(t.TempDir(), "planted")
	if err := os.WriteFile(file, []byte("S3CR3T-in-a-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`{{call .Provider}}`, `{{html .Provider}}`, `{{js .Provider}}`, `{{urlquery .Provider}}`, `{{.}}`, `{{printf "%v" .}}`, `{{printf "%p" .}}`,
		`{{.String}}`, `{{.Provider.Reveal}}`, `{{$}}`, `{{$.Provider}}`, `{{$x := .Provider}}`, `{{nil}}`, `{{template "x"}}`, `{{define "x"}}a{{end}}`,
		`{{block "x" .}}a{{end}}`, `{{range .Provider}}a{{end}}`, `{{with .Provider}}a{{end}}`, `{{range 1000000000}}a{{end}}`, `{{while true}}`,
		`{{(index .Provider 0).X}}`, `{{print (call .Provider)}}`, `{{if call .Provider}}a{{end}}`, `{{if .Provider}}{{range 9}}{{end}}{{end}}`, `{{if .Provider}}a{{else}}{{js "x"}}{{end}}`,
		`{{` + file + `}}`,
	} {
		parsed, err := Parse(text)
		if err == nil {
			got, err := parsed.Render(rotator.Coordinates{Provider: "p", UserID: "u", ServiceUser: "s", Credential: "c"})
			t.Errorf("%s was taken, and makes %q, %v", text, got, err)
			continue
		}
		if strings.Contains(err.Error(), "S3CR3T") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What would fill the memory is refused before it does.
func TestTemplatesAreBounded(t *testing.T) {
	ten := strings.Repeat("x", 10)
	for name, text := range map[string]string{
		"a chain that grows tenfold": "{{.Provider" + strings.Repeat(` | replace "x" "`+ten+`"`, 40) + "}}",
		"an empty old":               "{{.Provider" + strings.Repeat(` | replace "" "`+ten+`"`, 40) + "}}",
		"a width":                    `{{printf "%1000000d" 1}}`,
		"a width as an argument":     `{{printf "%*d" 100000000 1}}`,
		"a precision":                `{{printf "%.99999f" 1.0}}`,
		"an argument again":          "{{.Provider" + strings.Repeat(` | printf "%[1]s%[1]s"`, 64) + "}}",
		"a format without end":       "{{printf `" + strings.Repeat("%999d", 100) + "`}}",
		"a text without end":         strings.Repeat("{{.Provider}}", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(text); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

func TestExecuteIsBounded(t *testing.T) {
	parsed := template.Must(template.New("").Parse(`{{range 1000000000}}a{{end}}`))
	if err := Restrict(parsed, nil); err == nil {
		t.Error("a loop was taken")
	}
	if err := Execute(io.Discard, parsed, nil, 1000); err == nil || !strings.Contains(err.Error(), "more text") {
		t.Errorf("got %v", err)
	}
	if err := Restrict(template.Must(template.New("").Parse(`{{define "x"}}{{end}}`)), nil); err == nil {
		t.Error("a template of definitions was taken")
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{
		"a/{{.Provider}}", `{{printf "%s_%s" .Provider (lower .ServiceUser)}}`, `{{if eq .Provider "x"}}a{{else}}b{{end}}`, `{{slice .UserID 0 1}}`,
		`{{.ServiceUser | replace "/" "-" | trimPrefix "."}}`, `{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`, `{{range 9}}a{{end}}`, `{{len .Provider | printf "%9d"}}`,
	} {
		f.Add(text, "robot")
	}
	f.Fuzz(func(t *testing.T, text, user string) {
		parsed, err := Parse(text)
		if err != nil {
			return
		}
		got, err := parsed.Render(rotator.Coordinates{Provider: "p", UserID: "1", ServiceUser: user, Credential: "c"})
		if err != nil {
			return
		}
		if len(got) > maxPath || Check(got) != nil || !strings.HasPrefix(got, parsed.Prefix()) {
			t.Errorf("%q made %q", text, got)
		}
	})
}
