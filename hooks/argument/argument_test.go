package argument_test

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/hooks/argument"
	"github.com/rotatord/rotatord/rotator"
)

func run(user string) *rotator.HookRun {
	return &rotator.HookRun{Hook: "reload", Rotation: "r1", CredentialID: rotator.CredentialID{Provider: "cc", UserID: "7", Base: "deploy"}, ServiceUser: user,
		Policy: "ci", Reason: rotator.ReasonManual, Version: 3, NewKey: rotator.KeyRef{ID: "12", Name: "deploy-r0003"}, Fingerprint: "fp"}
}

func TestFieldsAreFilledIn(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"plain $(text) `; *":      "plain $(text) `; *",
		"--user={{.ServiceUser}}": "--user=bot; rm -rf /",
		"{{ .Hook }}/{{.Provider}}/{{.UserID}}/{{.Credential}}/{{.Policy}}/{{.Rotation}}/{{.Reason}}/{{.Version}}/{{.KeyID}}/{{.KeyName}}/{{.Fingerprint}}": "reload/cc/7/deploy/ci/r1/manual/3/12/deploy-r0003/fp",
	} {
		a, err := argument.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Render(run("bot; rm -rf /"), nil)
		if err != nil || got != want || a.Fixed() != !strings.Contains(text, "{{") {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

func TestWhatIsNoTextAndNoFieldIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"{{.Secret}}": "no field .Secret", "{{range .X}}": "more than text", "{{.ServiceUser": "more than text",
		"{{printf .KeyID}}": "more than text", "a}}": "more than text", "a\x00b": "cannot be printed", "a\nb": "cannot be printed",
	} {
		if _, err := argument.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNamesThatDoHarmAreRefused(t *testing.T) {
	for _, c := range []struct {
		text, user, want string
	}{
		{"{{.ServiceUser}}", "--config=/tmp/x", "begins with a dash"},
		{"{{.ServiceUser}}", "a\nb", "cannot be printed"},
		{"u={{.ServiceUser}}", "a\x00b", "cannot be printed"},
		{"u={{.ServiceUser}}", "a\xffb", "cannot be printed"},
		{"u={{.ServiceUser}}", "-x", ""},
		{"{{.ServiceUser}}", "", ""},
	} {
		a, err := argument.Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.Render(run(c.user), nil)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || rotator.KindOf(err) != rotator.Invalid) {
			t.Errorf("%q with %q: %v", c.text, c.user, err)
		}
	}
}

func FuzzArgument(f *testing.F) {
	f.Add("--user={{.ServiceUser}}", "bot")
	f.Add("{{ .KeyID }}{{.Version}}", "-x")
	f.Fuzz(func(t *testing.T, text, user string) {
		a, err := argument.Parse(text)
		if err != nil {
			return
		}
		got, err := a.Render(run(user), nil)
		if err == nil && (strings.ContainsAny(got, "\x00\n") || a.Fixed() && got != text) {
			t.Errorf("%q with %q is %q", text, user, got)
		}
	})
}
