package pathtemplate

import (
	"path"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

var sample = rotator.Coordinates{Provider: "certcentral", UserID: "42", ServiceUser: "CI Robot", Credential: "deploy"}

func TestRender(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"fields", "{{.Provider}}/{{.ServiceUser}}", "certcentral/CI Robot"},
		{"absolute", "/var/lib/keys/{{.UserID}}.json", "/var/lib/keys/42.json"},
		{"lower and replace", `{{.ServiceUser | lower | replace " " "-"}}`, "ci-robot"},
		{"trimmed", `{{.Provider | trimPrefix "cert" | trimSuffix "al" | upper}}`, "CENTR"},
		{"branch taken", `{{if .Credential}}{{.Credential}}{{else}}none{{end}}`, "deploy"},
		{"a dot of the operator's own", `/srv/.keys/{{.UserID}}`, "/srv/.keys/42"},
		{"nested call", `{{printf "%s_%s" .Provider (lower .ServiceUser)}}`, "certcentral_ci robot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tmpl, err := Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tmpl.Render(sample)
			if err != nil || got != test.want {
				t.Errorf("rendered %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, why string }{
		{"nothing", " ", "is empty"},
		{"only a definition", `{{define "x"}}y{{end}}`, "is empty"},
		{"broken", "{{.Provider", "unclosed action"},
		{"unknown field", "{{.Secret}}", "there is no field .Secret"},
		{"unknown field in a branch not taken", `{{if eq .Provider "y"}}{{.Secret}}{{end}}z`, "there is no field .Secret"},
		{"unknown function", `{{env "HOME"}}`, `function "env" not defined`},
		{"the whole structure", "{{.}}", "is not understood"},
		{"loop", "{{range .Provider}}x{{end}}", "is not understood"},
		{"variable", "{{$x := .Provider}}{{$x}}", "declares a variable"},
		{"climbing", "keys/../{{.Provider}}", `holds ".."`},
		{"empty part", "keys//{{.Provider}}", "empty part"},
		{"folder", "keys/{{.Provider}}/", "empty part"},
		{"control character", "keys/\x00{{.Provider}}", "cannot be printed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.text)
			if err == nil || !strings.Contains(err.Error(), test.why) {
				t.Fatalf("error %v does not say %q", err, test.why)
			}
			if !strings.Contains(err.Error(), "path template") {
				t.Errorf("error %v does not name the template", err)
			}
		})
	}
}

func TestRenderRefusesValues(t *testing.T) {
	values := map[string]string{
		"slash": "a/b", "backslash": `a\b`, "absolute": "/etc/passwd", "climbing": "..", "climbing within": "a..b",
		"hidden": ".ssh", "nothing": "", "NUL": "a\x00b", "newline": "a\nb", "space around": " a", "not UTF-8": "a\xffb",
		"invisible": "a\u200bb", "too long": strings.Repeat("a", 256),
	}
	tmpl, err := Parse("keys/{{.ServiceUser}}")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			got, err := tmpl.Render(rotator.Coordinates{Provider: "p", ServiceUser: value})
			if got != "" || rotator.KindOf(err) != rotator.Invalid {
				t.Errorf("rendered %q, %v; want a fault of kind invalid", got, err)
			}
		})
	}
}

func TestFunctionsMayMendAValue(t *testing.T) {
	tmpl, err := Parse(`{{.ServiceUser | replace "/" "-" | trimPrefix "."}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Render(rotator.Coordinates{ServiceUser: ".a/b"}); err != nil || got != "a-b" {
		t.Errorf("rendered %q, %v", got, err)
	}
}

func TestAFunctionCannotMakeASlash(t *testing.T) {
	tmpl, err := Parse(`{{.ServiceUser | replace "-" "/"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tmpl.Render(rotator.Coordinates{ServiceUser: "a-b"}); rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("rendered %q, %v", got, err)
	}
}

func TestPrefix(t *testing.T) {
	for text, want := range map[string]string{
		"/var/lib/keys/x-{{.UserID}}": "/var/lib/keys/", "{{.UserID}}/x": "", "x{{.UserID}}": "", "/{{.UserID}}": "/",
	} {
		tmpl, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := tmpl.Prefix(); got != want {
			t.Errorf("prefix of %q is %q, want %q", text, got, want)
		}
		if tmpl.String() != text {
			t.Errorf("text of %q is %q", text, tmpl.String())
		}
	}
}

func FuzzRenderStaysBelow(f *testing.F) {
	for _, value := range []string{"ci", "../x", "a/../../b", "..", ".", "\x00", "a\\..\\b", "ï"} {
		f.Add(value, value)
	}
	tmpl, err := Parse("/root/{{.Provider}}/{{.ServiceUser}}.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, provider, user string) {
		got, err := tmpl.Render(rotator.Coordinates{Provider: provider, ServiceUser: user})
		if err != nil {
			return
		}
		if path.Clean(got) != got || got != "/root/"+provider+"/"+user+".json" || strings.Count(got, "/") != 3 {
			t.Errorf("%q and %q became %q", provider, user, got)
		}
	})
}
