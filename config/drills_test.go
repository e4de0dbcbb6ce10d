package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDrillsAreRead(t *testing.T) {
	text := base + `verify: {schedule: "0 4 * * *", timezone: Europe/Zurich}
drills:
  - {name: canaries, match: {service_users: ["canary-*"]}, window: {cron: "0 10 * * TUE", for: 4h, timezone: Europe/Zurich}, limit: 2}
  - {name: all, window: {cron: "0 9 * * *", for: 8h}}
`
	want := []Drill{
		{Name: "canaries", Match: Match{Providers: []string{"*"}, ServiceUsers: []string{"canary-*"}, Keys: []string{"*"}},
			Window: &Window{Cron: "0 10 * * TUE", For: Duration(4 * time.Hour), Timezone: "Europe/Zurich"}, Limit: 2},
		{Name: "all", Match: Match{Providers: []string{"*"}, ServiceUsers: []string{"*"}, Keys: []string{"*"}},
			Window: &Window{Cron: "0 9 * * *", For: Duration(8 * time.Hour), Timezone: "UTC"}, Limit: 1},
	}
	cfg := mustParse(t, text)
	if diff := cmp.Diff(want, cfg.Drills); diff != "" || len(cfg.Warnings) > 0 {
		t.Errorf("warnings %v, (-want +got):\n%s", cfg.Warnings, diff)
	}
	if diff := cmp.Diff(&Verify{Schedule: "0 4 * * *", Timezone: "Europe/Zurich"}, cfg.Verify); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := validate(t, compiled(t), text); err != nil {
		t.Errorf("the schema: %v", err)
	}
}

func TestDrillProblems(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"no window", "drills: [{name: a}]\n", `r.yaml:16:10: drills[0].window: is missing`},
		{"a window that is never open", "drills: [{name: a, window: {cron: '0 9 * * *', for: 0s}}]\n", `r.yaml:16:53: drills[0].window.for: is zero, so the window would never be open (write a span of time such as 6h)`},
		{"an unknown provider", "drills: [{name: a, match: {providers: [nobody]}, window: {cron: '0 9 * * *', for: 1h}}]\n", `r.yaml:16:40: drills[0].match.providers[0]: there is no provider "nobody" (write one of: cc)`},
		{"the same name", "drills: [{name: a, window: {cron: '0 9 * * *', for: 1h}}, {name: a, window: {cron: '0 9 * * *', for: 1h}}]\n", `r.yaml:16:66: drills[1].name: "a" is the name of drills[0] already (give each a name of its own)`},
		{"no drill at a time", "drills: [{name: a, limit: 0, window: {cron: '0 9 * * *', for: 1h}}]\n", `r.yaml:16:27: drills[0].limit: is 0; the smallest allowed is 1`},
		{"no such day", "verify: {schedule: '0 9 31 2 *'}\n", `r.yaml:16:20: verify.schedule: schedule "0 9 31 2 *" never fires: its day does not exist in any of the next five years`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff([]string{tc.want}, errorsOf(t, base+tc.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A drill that nobody watches must not wait for somebody who makes a key.
func TestDrillsAreNotForKeysThatPeopleMake(t *testing.T) {
	text := withProvider("manual", "probe: {url: 'https://x.example.com/', header: X-Key}, keys: [{user: bank, name: sftp}]") +
		"drills: [{name: a, window: {cron: '0 9 * * *', for: 1h}}]\n"
	want := `drills[0].match: selects nothing but providers such as "p", where a person makes or removes keys (leave it out, and drill by hand there: rotatord drill)`
	if got := without(errorsOf(t, text)); len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
