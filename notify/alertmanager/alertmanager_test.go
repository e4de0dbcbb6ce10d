package alertmanager_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/notify/alertmanager"
	"github.com/rotatord/rotatord/rotator"
)

// told is an alert as a server gets it.
type told struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
}

// server is an Alertmanager that remembers what it was told last.
type server struct {
	*httptest.Server
	passes chan map[string]told
	mu     sync.Mutex
	status int
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{passes: make(chan map[string]told, 100), status: 200}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var all []told
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil || r.URL.Path != "/api/v2/alerts" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		if user, password, _ := r.BasicAuth(); user != "u" || password != "p" {
			t.Errorf("signed in as %q", user)
		}
		pass := map[string]told{}
		for _, a := range all {
			pass[a.Labels["alertname"]+a.Labels["what"]] = a
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		w.WriteHeader(s.status)
		select {
		case s.passes <- pass:
		default: // nobody reads so many: the oldest goes
			<-s.passes
			s.passes <- pass
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

// state is what needs a person, for a pusher to ask for.
type state struct {
	mu     sync.Mutex
	alerts []alertmanager.Alert
	err    error
	ended  chan error
}

func (s *state) set(err error, whats ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alerts, s.err = nil, err
	for _, what := range whats {
		s.alerts = append(s.alerts, alertmanager.Alert{Labels: map[string]string{"alertname": "Needs", "what": what}})
	}
}

func (s *state) get(context.Context) ([]alertmanager.Alert, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alerts, s.err
}

func start(t *testing.T, s *state, urls ...string) {
	t.Helper()
	s.ended = make(chan error, 1000)
	p := alertmanager.New(alertmanager.Options{Alerts: s.get, Pushed: func(err error) { s.ended <- err }})
	p.Use(&alertmanager.Target{URLs: urls, Every: 10 * time.Millisecond, Labels: map[string]string{"cluster": "eu", "what": "nothing"}, Username: "u",
		Password: func() (rotator.Secret, error) { return rotator.SecretString("p"), nil }})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
}

// until waits for a pass of which ok holds.
func (s *server) until(t *testing.T, what string, ok func(map[string]told) bool) map[string]told {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case pass := <-s.passes:
			if ok(pass) {
				return pass
			}
		case <-deadline:
			t.Fatalf("never %s", what)
		}
	}
}

func fires(pass map[string]told, name string) bool {
	a, ok := pass[name]
	return ok && a.EndsAt.After(time.Now())
}

func TestAlertsFireAndAreResolved(t *testing.T) {
	am, st := newServer(t), &state{}
	st.set(nil, "cc/7/ci")
	start(t, st, am.URL+"/")
	first := am.until(t, "an alert", func(p map[string]told) bool { return fires(p, "Needscc/7/ci") })
	a := first["Needscc/7/ci"]
	if a.Labels["cluster"] != "eu" || a.StartsAt.IsZero() || a.StartsAt.After(time.Now()) {
		t.Errorf("%+v", a)
	}
	if !fires(first, alertmanager.Watchdog+"nothing") {
		t.Errorf("nothing says that it is alive: %v", first)
	}
	again := am.until(t, "a second pass", func(p map[string]told) bool { return fires(p, "Needscc/7/ci") })
	if !again["Needscc/7/ci"].StartsAt.Equal(a.StartsAt) {
		t.Error("the alert begins anew at each pass")
	}
	st.set(nil)
	am.until(t, "the end of the alert", func(p map[string]told) bool { _, there := p["Needscc/7/ci"]; return there && !fires(p, "Needscc/7/ci") })
	am.until(t, "silence about it", func(p map[string]told) bool { _, there := p["Needscc/7/ci"]; return !there })
}

// TestAnUnreadableStateEndsNothing: what fired is told on, and that nobody can know better.
func TestAnUnreadableStateEndsNothing(t *testing.T) {
	am, st := newServer(t), &state{}
	st.set(nil, "cc/7/ci")
	start(t, st, am.URL)
	am.until(t, "an alert", func(p map[string]told) bool { return fires(p, "Needscc/7/ci") })
	st.set(errors.New("the disk is gone"))
	p := am.until(t, "the trouble", func(p map[string]told) bool { return fires(p, alertmanager.Blind+"nothing") })
	if !fires(p, "Needscc/7/ci") || !strings.Contains(p[alertmanager.Blind+"nothing"].Annotations["description"], "disk") {
		t.Errorf("%+v", p)
	}
}

// TestOneThatIsDownKeepsNothingFromTheOthers and is told of an end once it is back.
func TestOneThatIsDownKeepsNothingFromTheOthers(t *testing.T) {
	down, up, st := newServer(t), newServer(t), &state{}
	down.answer(503)
	st.set(nil, "cc/7/ci")
	start(t, st, down.URL, up.URL)
	up.until(t, "an alert", func(p map[string]told) bool { return fires(p, "Needscc/7/ci") })
	if err := <-st.ended; err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("%v", err)
	}
	st.set(nil)
	up.until(t, "the end", func(p map[string]told) bool { _, there := p["Needscc/7/ci"]; return there && !fires(p, "Needscc/7/ci") })
	down.answer(200)
	for len(down.passes) > 0 {
		<-down.passes
	}
	down.until(t, "the end, told to the one that was down", func(p map[string]told) bool {
		_, there := p["Needscc/7/ci"]
		return there && !fires(p, "Needscc/7/ci")
	})
}
