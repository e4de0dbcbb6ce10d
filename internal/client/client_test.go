package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/web"
)

func TestNewRefusesWhatIsNoAddress(t *testing.T) {
	for _, address := range []string{"", "localhost:9650", "127.0.0.1:9650", "ftp://127.0.0.1", "http://", "http://a b", "unix:///run/rotatord.sock"} {
		if _, err := New(address); err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:9650") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"http://127.0.0.1:9650", "https://rotatord.example", "http://user:password@[::1]:9650/rotatord/"} {
		if _, err := New(address); err != nil {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// request is what a daemon was asked.
type request struct {
	Method, URI, User string
	Body              map[string]any
}

// daemon answers every request in the same way, and returns a client and what was asked last.
func daemon(t *testing.T, status int, body string) (*Client, *request) {
	t.Helper()
	var last request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		last = request{Method: r.Method, URI: r.URL.RequestURI(), User: user + ":" + password}
		if text, err := io.ReadAll(r.Body); err != nil || len(text) > 0 && json.Unmarshal(text, &last.Body) != nil {
			t.Errorf("the body %q, %v", text, err)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	c, err := New(strings.Replace(s.URL, "http://", "http://operator:hunter2@", 1) + "/under/")
	if err != nil {
		t.Fatal(err)
	}
	c.actor = "jane"
	return c, &last
}

func TestWhatIsAsked(t *testing.T) {
	until := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	selected := web.Selection{Provider: "cc", User: "ci/1&2", Credential: "deploy"}
	selection := map[string]any{"provider": "cc", "user": "ci/1&2", "credential": "deploy"}
	with := func(more map[string]any) map[string]any {
		for name, value := range selection {
			more[name] = value
		}
		return more
	}
	for _, tc := range []struct {
		name string
		call func(ctx context.Context, c *Client) error
		want request
	}{
		{"status", func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err },
			request{Method: http.MethodGet, URI: "/under/api/v1/status"}},
		{"plan", func(ctx context.Context, c *Client) error { _, err := c.Plan(ctx, 72*time.Hour, 5); return err },
			request{Method: http.MethodGet, URI: "/under/api/v1/plan?for=72h0m0s&limit=5"}},
		{"freezes", func(ctx context.Context, c *Client) error { _, err := c.Freezes(ctx); return err },
			request{Method: http.MethodGet, URI: "/under/api/v1/freezes"}},
		{"freeze", func(ctx context.Context, c *Client) error {
			_, err := c.Freeze(ctx, web.FreezeRequest{To: until, Reason: "move", Actor: "somebody else"})
			return err
		}, request{Method: http.MethodPost, URI: "/under/api/v1/freezes", Body: map[string]any{"to": "2026-11-22T03:00:00Z", "reason": "move", "actor": "jane"}}},
		{"lift", func(ctx context.Context, c *Client) error { return c.Lift(ctx, "f/1") },
			request{Method: http.MethodDelete, URI: "/under/api/v1/freezes/f%2F1?actor=jane"}},
		{"rotate", func(ctx context.Context, c *Client) error {
			_, err := c.Rotate(ctx, web.RotateRequest{Selection: selected, Reason: "compromised", Actor: "somebody else"})
			return err
		}, request{Method: http.MethodPost, URI: "/under/api/v1/rotations", Body: with(map[string]any{"reason": "compromised", "actor": "jane"})}},
		{"hold", func(ctx context.Context, c *Client) error {
			_, err := c.Hold(ctx, web.HoldRequest{Selection: selected, Until: until, Reason: "release"})
			return err
		}, request{Method: http.MethodPost, URI: "/under/api/v1/holds",
			Body: with(map[string]any{"until": "2026-11-22T03:00:00Z", "reason": "release", "actor": "jane"})}},
		{"release", func(ctx context.Context, c *Client) error { _, err := c.Release(ctx, selected); return err },
			request{Method: http.MethodDelete, URI: "/under/api/v1/holds?actor=jane&credential=deploy&provider=cc&user=ci%2F1%262"}},
		{"approve", func(ctx context.Context, c *Client) error {
			_, err := c.Approve(ctx, "c/c", 90*time.Minute)
			return err
		},
			request{Method: http.MethodPost, URI: "/under/api/v1/providers/c%2Fc/approve", Body: map[string]any{"within": "1h30m0s", "actor": "jane"}}},
		{"healthy", func(ctx context.Context, c *Client) error { return c.Healthy(ctx) },
			request{Method: http.MethodGet, URI: "/under"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, last := daemon(t, http.StatusOK, `{}`)
			if err := tc.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			tc.want.User = "operator:hunter2"
			if diff := cmp.Diff(tc.want, *last); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatADaemonRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"in its own words", 409, `{"title":"Conflict","status":409,"detail":"it is held"}`, "it is held"},
		{"with the fields that are wrong", 422, `{"detail":"validation failed","errors":[{"message":"too short","location":"body.reason"},{"message":"no"}]}`,
			"validation failed; body.reason too short; no"},
		{"from a proxy", 502, "<html>Bad gateway</html>\n", "502 Bad Gateway: <html>Bad gateway</html>"},
		{"with JSON that is something else", 500, `{"error":"oops"}`, `500 Internal Server Error: {"error":"oops"}`},
		{"with nothing", 404, ``, "404 Not Found: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := daemon(t, tc.status, tc.body)
			_, err := c.Status(t.Context())
			if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Status != tc.status || err.Error() != tc.want {
				t.Errorf("%q, want %q", err, tc.want)
			}
		})
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	c, _ := daemon(t, http.StatusOK, "<html>a login page</html>")
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is it rotatord that answers there?") {
		t.Errorf("a page in place of an answer: %v", err)
	}
	c, err := New("http://operator:hunter2@127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no daemon answers at http://operator:xxxxx@127.0.0.1:1") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("nobody there: %v", err)
	}
	if err != nil && !strings.Contains(err.Error(), "ROTATORD_SERVER") {
		t.Errorf("it does not say what to do: %v", err)
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(hang)
	c, err := New(strings.Replace(s.URL, "http://", "http://operator:hunter2@", 1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.Healthy(ctx); !errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the call ended with %v", err)
	}
}

func TestTheActorIsTheUserOfThisMachine(t *testing.T) {
	if actor() == "" {
		t.Error("nobody")
	}
}
