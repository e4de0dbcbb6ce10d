package file

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// systemdValue reads a double-quoted value by the rules of systemd.exec(5), EnvironmentFile=: a backslash keeps the
// character after it if that is one of "\`$ or, before a newline, joins the lines; before all others both stay.
func systemdValue(quoted string) (value string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '"':
			return b.String(), quoted[i+1:] == "" || quoted[i+1] == '\n'
		case c == '\\' && strings.IndexByte("\"\\`$", quoted[i+1]) >= 0:
			i++
			b.WriteByte(quoted[i])
		case c == '\\' && quoted[i+1] == '\n':
			i++
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func FuzzEnvIsReadAlikeByAll(f *testing.F) {
	for _, seed := range []string{"plain", "a\nb", `\`, "\\\n", `"$(x)"`, "`", "\\\"\nAPI_KEY=\"other\"\n", "'", " ", "é"} {
		f.Add(seed)
	}
	layout := assignments{"API_KEY"}
	f.Fuzz(func(t *testing.T, value string) {
		out, err := layout.render(rotator.Delivery{Secret: rotator.SecretString(value), KeyID: "\nAPI_KEY=\"wrong\"\n"})
		if err != nil {
			return
		}
		if got := layout.extract(out, span{}); string(got) != value {
			t.Errorf("%q is read back as %q", value, got)
		}
		if got, ok := systemdValue(strings.TrimPrefix(string(out), "API_KEY=")); !ok || got != value {
			t.Errorf("%q is read by systemd as %q (%t)", value, got, ok)
		}
	})
}

// FuzzContent reads what somebody else may have put into a folder of ours: a file, and the one beside it that describes it.
func FuzzContent(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""}, {`{"api_key": "x"}`, `{"entries":[{"secret_offset":0,"secret_length":1}]}`}, {"API_KEY=\"x\"\n", `{"entries":[{"version":-1}]}`},
		{"x", `{"entries":[{"secret_offset":-1,"secret_length":9223372036854775807},{"secret_offset":9223372036854775807,"secret_length":1}]}`},
		{`{"api_key": null}`, `{"entries":null}`}, {"[", "["},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	template, err := newText("key={{.Secret}}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content, beside []byte) {
		l := decodeLedger(beside)
		spans := []span{{}}
		for _, e := range l.Entries {
			if n := l.newest(); n == nil || n.Version < e.Version {
				t.Errorf("%+v is the newest of %+v", n, l.Entries)
			}
			spans = append(spans, e.span)
		}
		if e := l.find(content); e != nil && !e.fits(content) {
			t.Errorf("%+v does not describe %q", e, content)
		}
		for _, at := range spans {
			for _, layout := range []layout{raw{}, object{"api_key"}, assignments{"API_KEY"}, template} {
				got := layout.extract(content, at)
				if _, decodes := layout.(object); !decodes && len(got) > len(content) {
					t.Errorf("%T finds %q in %q", layout, got, content)
				}
			}
		}
	})
}

func TestExtractFindsNothing(t *testing.T) {
	for _, test := range []struct {
		name    string
		layout  layout
		content string
		at      span
	}{
		{"env without the name", assignments{"API_KEY"}, "OTHER=\"x\"\n", span{}},
		{"env cut short", assignments{"API_KEY"}, `API_KEY="x`, span{}},
		{"env cut in an escape", assignments{"API_KEY"}, `API_KEY="x\`, span{}},
		{"json of another kind", object{"api_key"}, "[]", span{}},
		{"json with a number", object{"api_key"}, `{"api_key": 1}`, span{}},
		{"json without the name", object{"api_key"}, `{}`, span{}},
		{"text without a place", text{}, "abc", span{}},
		{"text beyond its end", text{}, "abc", span{2, 2}},
		{"text before its start", text{}, "abc", span{-1, 2}},
	} {
		if got := test.layout.extract([]byte(test.content), test.at); got != nil {
			t.Errorf("%s: found %q", test.name, got)
		}
	}
}
