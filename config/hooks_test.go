package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestHooksAreRead(t *testing.T) {
	text := base + `    hooks: [tell, post]
    required_hooks: [app]
hooks:
  - {name: app, type: systemd, units: [app.service, "app@{{.ServiceUser}}.service"], action: reload}
  - {name: tell, type: command, command: [/usr/bin/tell, "--user={{.ServiceUser}}"], debounce: 1m, timeout: 2m, concurrent: 3, keep_output: true}
  - {name: post, type: webhook, url_env: URL, signing_secret_env: SIGN}
`
	t.Setenv("URL", "https://app.example.com/")
	t.Setenv("SIGN", "s")
	want := []Hook{
		{Name: "app", Type: "systemd", Debounce: Duration(10 * time.Second), Timeout: Duration(30 * time.Second), Concurrent: 1,
			Systemd: &HookSystemd{Units: []string{"app.service", "app@{{.ServiceUser}}.service"}, Action: "reload"}},
		{Name: "tell", Type: "command", Debounce: Duration(time.Minute), Timeout: Duration(2 * time.Minute), Concurrent: 3,
			Command: &HookCommand{Command: []string{"/usr/bin/tell", "--user={{.ServiceUser}}"}, KeepOutput: true}},
		{Name: "post", Type: "webhook", Debounce: Duration(10 * time.Second), Timeout: Duration(30 * time.Second), Concurrent: 1},
	}
	cfg := mustParse(t, text)
	if cfg.Hooks[2].Webhook == nil || cfg.Hooks[2].Webhook.URL.IsZero() || cfg.Hooks[2].Webhook.SigningSecret.IsZero() {
		t.Errorf("%+v", cfg.Hooks[2].Webhook)
	}
	if diff := cmp.Diff(want, cfg.Hooks, cmpopts.IgnoreFields(Hook{}, "Webhook")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p := cfg.Policies[0]; !cmp.Equal(p.Hooks, []string{"tell", "post"}) || !cmp.Equal(p.RequiredHooks, []string{"app"}) || len(cfg.Warnings) > 0 {
		t.Errorf("%v, %v, %v", p.Hooks, p.RequiredHooks, cfg.Warnings)
	}
	if err := validate(t, compiled(t), text); err != nil {
		t.Errorf("the schema: %v", err)
	}
}

func TestHookProblems(t *testing.T) {
	const use = "    hooks: [app]\nhooks:\n"
	for _, tc := range []struct{ name, text, want string }{
		{"an unknown hook", "    hooks: [app]\n",
			`r.yaml:16:13: policies[0].hooks[0]: there is no hook "app" (write the name of one that is configured)`},
		{"a hook that is named twice", "    hooks: [app]\n    required_hooks: [app]\nhooks: [{name: app, type: systemd, units: [a.service]}]\n",
			`r.yaml:17:22: policies[0].required_hooks[0]: "app" is named twice (write it in hooks or in required_hooks)`},
		{"an unknown type", use + "  - {name: app, type: shell}\n",
			"r.yaml:18:23: hooks[0].type: is not a type that exists (write one of: webhook, command, systemd)"},
		{"a line for a shell", use + "  - {name: app, type: command, command: [reload app]}\n",
			`r.yaml:18:41: hooks[0].command: is not the absolute path of a program; write a path that begins with / (write it as a list: ["/usr/local/bin/tell-app", "--user={{.ServiceUser}}"])`},
		{"a program that others choose", use + "  - {name: app, type: command, command: ['/opt/{{.ServiceUser}}']}\n",
			`r.yaml:18:41: hooks[0].command: lets the name of a service user choose the program; write its path without fields (write it as a list: ["/usr/local/bin/tell-app", "--user={{.ServiceUser}}"])`},
		{"a secret in an argument", use + "  - {name: app, type: command, command: [/opt/a, '{{.Secret}}']}\n",
			"r.yaml:18:50: hooks[0].command[1]: there is no field .Secret; there are .Credential, .Fingerprint, .Hook, .KeyID, .KeyName, .Policy, .Provider, .Reason, .Rotation, " +
				".ServiceUser, .UserID, .Version (write fields as in {{.ServiceUser}})"},
		{"a unit without an ending", use + "  - {name: app, type: systemd, units: [app]}\n",
			"r.yaml:18:40: hooks[0].units[0]: is not the name of a unit; write it with its ending, as in app.service or app@{{.ServiceUser}}.service (write it as in app.service, or app@{{.ServiceUser}}.service)"},
		{"no unit", use + "  - {name: app, type: systemd, units: []}\n",
			"r.yaml:18:39: hooks[0].units: is an empty list; at least one entry is needed"},
		{"a webhook that is not encrypted", use + "  - {name: app, type: webhook, url: 'http://h.example.com/'}\n",
			"r.yaml:18:37: hooks[0].url: would send secrets over the network unencrypted (write https://)"},
		{"no time", use + "  - {name: app, type: systemd, units: [a.service], timeout: 0}\n",
			"r.yaml:18:61: hooks[0].timeout: is 0s (write one from 1s to 1h)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{tc.want}, errorsOf(t, base+tc.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestHookWarnings(t *testing.T) {
	cfg := mustParse(t, base+"hooks: [{name: app, type: systemd, units: [a.service]}]\n")
	if len(cfg.Warnings) != 1 || !strings.Contains(cfg.Warnings[0].String(), `no policy uses the hook "app"`) {
		t.Errorf("%v", cfg.Warnings)
	}
}
