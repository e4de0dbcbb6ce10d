package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

func TestMain(m *testing.M) { daemon.Main(m) }

// event is what a webhook is told, as far as these tests look into it.
type event struct {
	ID   string
	Data struct {
		Keys []struct {
			ID          string
			ServiceUser string `json:"service_user"`
		}
	}
}

// receiver is a webhook that refuses, does not answer, or takes what it is told.
type receiver struct {
	url string
	// hanging gets something for each call that arrives while it does not answer.
	hanging chan struct{}
	over    chan struct{}

	mu    sync.Mutex
	mode  string
	calls []event
	texts []string
}

func receive(t *testing.T, mode string) *receiver {
	t.Helper()
	r := &receiver{mode: mode, hanging: make(chan struct{}, 16), over: make(chan struct{})}
	server := httptest.NewServer(r)
	t.Cleanup(func() { close(r.over); server.Close() })
	r.url = server.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	text, err := io.ReadAll(q.Body)
	var e event
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	r.mu.Lock()
	mode := r.mode
	r.calls, r.texts = append(r.calls, e), append(r.texts, string(text))
	r.mu.Unlock()
	switch {
	case err != nil || mode == "refuse":
		w.WriteHeader(http.StatusServiceUnavailable)
	case mode == "hang":
		r.hanging <- struct{}{}
		select {
		case <-q.Context().Done():
		case <-r.over:
		}
	}
}

func (r *receiver) set(mode string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = mode
}

func (r *receiver) told() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// tell is a program that writes down what it is given, and whether another of its kind ran at the same time.
const tell = `#!/bin/sh
mkdir "$DIR/busy" || echo "$1" >> "$DIR/together"
{ printf '%s %s ' "$1" "$ROTATORD_CALL"; cat; echo; } >> "$DIR/told"
sleep 0.2
rmdir "$DIR/busy"
`

const users = 3

// TestConsumersAreToldByTheRealBinary has three keys replaced at once, and a hook of each kind. The webhook is required: while it refuses, and
// while it does not answer and the daemon is killed in the middle of the call, every old key stays. What became of each run is evidence.
func TestConsumersAreToldByTheRealBinary(t *testing.T) {
	m := startSystemd(t)
	r := receive(t, "refuse")
	cc := daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	d := daemon.New(t, daemon.Config{
		Env:   []string{"DBUS_SYSTEM_BUS_ADDRESS=" + os.Getenv("DBUS_SYSTEM_BUS_ADDRESS")},
		Files: map[string]string{"cc.key": cc.ManagerSecret(), "url": r.url, "tell": tell},
		YAML: fmt.Sprintf(`scan: {schedule: "@every 1s"}
providers: [{name: cc, %s}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
hooks:
  - {name: post, type: webhook, url_file: $DIR/url, debounce: 10s, timeout: 20s}
  - {name: run, type: command, command: [$DIR/tell, "--user={{.ServiceUser}}"], debounce: 0s}
  - {name: unit, type: systemd, units: [app.service], debounce: 10s}
policies:
  - {name: all, max_age: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%%, sinks: [disk], hooks: [run, unit], required_hooks: [post]}
`, cc.Options(cc.Root))})
	if err := errors.Join(os.MkdirAll(d.Path("keys"), 0o700), os.Chmod(d.Path("tell"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var services []daemon.Service
	for i := range users {
		services = append(services, cc.AddService(fmt.Sprint("svc-", i), "deploy", 89*24*time.Hour))
	}
	d.Start()
	awaitMetric(t, d, users, "rotatord_rotations_blocked", `provider="cc"`, `reason="hook_failing"`)
	awaitMetric(t, d, users, "rotatord_hook_runs_failing", `hook="post"`)
	wantActive(t, cc, services, 2)

	r.set("hang")
	await(t, r.hanging, "the call to be made again")
	d.Kill()
	wantActive(t, cc, services, 2)
	r.set("take")
	d.Start()
	daemon.Await(t, 2*daemon.Patience, "every old key to go", func() error {
		if open, ended := d.Rotations(); len(open) > 0 || len(ended) != users {
			return fmt.Errorf("%d rotations are open and %d have ended", len(open), len(ended))
		}
		return nil
	})
	wantActive(t, cc, services, 1)
	wantOneCall(t, r)
	wantEvidence(t, d)
	wantProgram(t, d, cc)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.asked, []string{"reload-or-restart app.service replace"}) {
		t.Errorf("systemd was asked for %q, want one reload for all keys", m.asked)
	}
}

func await(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(3 * daemon.Patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

func awaitMetric(t *testing.T, d *daemon.Daemon, want float64, name string, labels ...string) {
	t.Helper()
	daemon.Await(t, 2*daemon.Patience, name, func() error {
		if got, _ := d.Metric(name, labels...); got != want {
			return fmt.Errorf("it is %g, want %g", got, want)
		}
		return nil
	})
}

func wantActive(t *testing.T, cc *daemon.Emulator, services []daemon.Service, want int) {
	t.Helper()
	for _, s := range services {
		if active := cc.Active(s.UserID); len(active) != want {
			t.Errorf("%s has %d active keys, want %d: %+v", s.Name, len(active), want, active)
		}
	}
}

// wantOneCall checks that all keys were told in one call, which was repeated under its own name.
func wantOneCall(t *testing.T, r *receiver) {
	t.Helper()
	calls := r.told()
	if len(calls) != 3 {
		t.Errorf("%d calls were made, want 3: one refused, one not answered, one taken", len(calls))
	}
	for _, c := range calls {
		if c.ID != calls[0].ID || len(c.Data.Keys) != users {
			t.Errorf("call %s tells of %d keys, want call %s with %d", c.ID, len(c.Data.Keys), calls[0].ID, users)
		}
	}
}

// wantEvidence checks what is kept with the rotations, and what the audit record says.
func wantEvidence(t *testing.T, d *daemon.Daemon) {
	t.Helper()
	_, ended := d.Rotations()
	for _, rotation := range ended {
		found := map[string]string{}
		for _, run := range d.History(rotation.ID).Hooks {
			found[run.Hook] = run.State
			if run.Hook == "post" && (run.Attempt != 3 || !run.Required) {
				t.Errorf("%s: %+v, want three attempts of a required hook", rotation.ID, run)
			}
		}
		if len(found) != 3 || found["post"] != "done" || found["run"] != "done" || found["unit"] != "done" {
			t.Errorf("%s: the hooks are %v, want all of them done", rotation.ID, found)
		}
	}
	out, errs, code := d.Command("audit", "export")
	if code != 0 || strings.Count(out, "it is made again under the same name") < users {
		t.Errorf("audit export ends with %d: %s; it does not say that calls were repeated", code, errs)
	}
	if out, errs, code := d.Command("audit", "verify", "-c", d.ConfigPath); code != 0 {
		t.Errorf("audit verify ends with %d: %s%s", code, out, errs)
	}
}

// wantProgram checks that the program ran once for each key, never twice at a time, and was given no secret.
func wantProgram(t *testing.T, d *daemon.Daemon, cc *daemon.Emulator) {
	t.Helper()
	text, err := os.ReadFile(d.Path("told"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range users {
		if n := strings.Count(string(text), fmt.Sprintf("--user=svc-%d ", i)); n != 1 {
			t.Errorf("the program ran %d times for svc-%d, want once:\n%s", n, i, text)
		}
	}
	if together, err := os.ReadFile(d.Path("together")); err == nil {
		t.Errorf("it ran several times at once: %s", together)
	}
	for _, secret := range cc.Secrets() {
		if strings.Contains(string(text), secret) {
			t.Error("the program was given a secret")
		}
	}
}
