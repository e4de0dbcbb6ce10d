package rest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func TestClassify(t *testing.T) {
	const read, write = false, true
	for _, c := range []struct {
		name   string
		write  bool
		status int
		known  bool
		want   rotator.Kind
		says   string
	}{
		{"bad request", write, 400, true, rotator.Invalid, "does not accept"},
		{"unauthorized", read, 401, false, rotator.Denied, "refuses the key"},
		{"forbidden", write, 403, true, rotator.Denied, "does not permit"},
		{"the service says that it is not there", write, 404, true, rotator.Gone, "does not exist"},
		{"something says that it is not there", write, 404, false, rotator.Invalid, "base URL"},
		{"gone", read, 410, true, rotator.Gone, "does not exist"},
		{"method not allowed", write, 405, false, rotator.Invalid, "does not accept"},
		{"request timeout on a read", read, 408, false, rotator.Transient, "failed"},
		{"request timeout on a write", write, 408, false, rotator.UnknownOutcome, "not known"},
		{"conflict", write, 409, true, rotator.Conflict, "in the way"},
		{"unprocessable", write, 422, true, rotator.Invalid, "does not accept"},
		{"throttled read", read, 429, false, rotator.Throttled, "patience"},
		{"throttled write", write, 429, false, rotator.Throttled, "patience"},
		{"failure of a read", read, 500, false, rotator.Transient, "failed"},
		{"failure of a write", write, 500, true, rotator.UnknownOutcome, "not known"},
		{"maintenance on a write", write, 503, false, rotator.UnknownOutcome, "not known"},
		{"redirect of a read", read, 302, false, rotator.Invalid, "to login.example"},
		{"redirect of a write", write, 303, false, rotator.UnknownOutcome, "to login.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{"Retry-After": {"7"}, "Location": {"https://login.example/path?session=abc"}}
			f := Classify(Refusal{
				Op: "POST /key", Write: c.write, Status: c.status, Header: header, Body: []byte("<html>sorry</html>"), Known: c.known, Said: "own\nwords",
			})
			if f.Kind != c.want || !strings.Contains(f.Error(), c.says) || f.Op != "POST /key" || f.RetryAfter != 7*time.Second {
				t.Errorf("got %v after %v, want kind %s after 7s and %q in the text", f, f.RetryAfter, c.want, c.says)
			}
			if !strings.Contains(f.Error(), "own words") || strings.Contains(f.Error(), "session") || strings.Contains(f.Error(), "sorry") {
				t.Errorf("%v repeats what it should not, or not what it should", f)
			}
			if got := errors.Is(f, ErrNotFound); got != (c.status == 404 || c.status == 410) {
				t.Errorf("matches ErrNotFound: %v", got)
			}
		})
	}
}

func TestForeignTextFitsALogLine(t *testing.T) {
	f := Refusal{Op: "GET /key", Status: 400, Said: strings.Repeat("long ", 1000) + "\n\x1b[31mred"}.Fault(rotator.Invalid, "why")
	if text := f.Error(); len(text) > 800 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("the text of the fault is not one short line: %q", text)
	}
}

func TestACredentialIsTakenOutOfWhateverFormItComesBackIn(t *testing.T) {
	for _, body := range []string{`bad key a/b&c"d!`, `{"m":"bad key a/b\u0026c\"d!"}`, `bad key a\/b&c"d!`} {
		if got := string(redact([]byte(body), []string{"", `a/b&c"d`})); strings.Contains(got, "b&c") || strings.Contains(got, `b\u`) || !strings.Contains(got, "bad key [secret]!") {
			t.Errorf("%q became %q", body, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"5":                             5 * time.Second,
		"-5":                            0,
		"soon":                          0,
		"99999999999":                   24 * time.Hour,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("RetryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

func TestLostAnswer(t *testing.T) {
	get, post := Call{Method: http.MethodGet, Path: "/key"}, Call{Method: http.MethodPost, Path: "/key/user/1"}
	refused := &url.Error{Op: "Post", URL: "https://example.com/key", Err: errors.New("connection refused")}
	timedOut, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	for _, c := range []struct {
		name      string
		ctx       context.Context
		call      Call
		maybeSent bool
		want      rotator.Kind
		says      string
	}{
		{"read never sent", t.Context(), get, false, rotator.Transient, "connection refused"},
		{"read sent", t.Context(), get, true, rotator.Transient, "connection refused"},
		{"write never sent", t.Context(), post, false, rotator.Transient, "connection refused"},
		{"write sent", t.Context(), post, true, rotator.UnknownOutcome, "answer was lost"},
		{"write timed out", timedOut, post, true, rotator.UnknownOutcome, "did not answer in time"},
		{"read timed out", timedOut, get, true, rotator.Transient, "did not answer in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := lost(c.ctx, c.call, c.maybeSent, refused)
			if f.Kind != c.want || !strings.Contains(f.Error(), c.says) || strings.Contains(f.Error(), "https://") {
				t.Errorf("got %v, want kind %s and %q in the text", f, c.want, c.says)
			}
		})
	}
}
