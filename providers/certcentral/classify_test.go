package certcentral

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func apiErrorBody(code string) string {
	return fmt.Sprintf(`{"errors":[{"code":%q,"message":"The service's own words."}]}`, code)
}

func TestClassify(t *testing.T) {
	const read, write = false, true
	for _, c := range []struct {
		name   string
		write  bool
		status int
		code   string // "" is a body that is not the documented one
		want   rotator.Kind
		says   string
	}{
		{"bad request", write, 400, "bad_request_format", rotator.Invalid, "bad_request_format: The service's own words."},
		{"bad key, as recorded", read, 403, "access_denied|access_denied_invalid_key", rotator.Denied, "key is dead"},
		{"bad key, as other clients expect", read, 401, "access_denied|access_denied_invalid_key", rotator.Denied, "key is dead"},
		{"bad key on a write", write, 403, "access_denied|access_denied_invalid_key", rotator.Denied, "key is dead"},
		{"missing permission", write, 403, "access_denied|missing_permission", rotator.Denied, "lacks a permission"},
		{"forbidden without a body", read, 403, "", rotator.Denied, "lacks a permission"},
		{"what was asked for is gone", write, 404, "not_found", rotator.Gone, "does not exist"},
		{"no such path", write, 404, "not_found|route", rotator.Invalid, "base URL"},
		{"not found by something else", write, 404, "", rotator.Invalid, "base URL"},
		{"gone", read, 410, "not_found", rotator.Gone, "does not exist"},
		{"conflict", write, 409, "conflict", rotator.Conflict, "in the way"},
		{"unprocessable", write, 422, "", rotator.Invalid, "does not accept"},
		{"method not allowed", write, 405, "", rotator.Invalid, "does not accept"},
		{"request timeout on a read", read, 408, "", rotator.Transient, "failed"},
		{"request timeout on a write", write, 408, "", rotator.UnknownOutcome, "not known"},
		{"throttled read", read, 429, "request_limit_exceeded", rotator.Throttled, "patience"},
		{"throttled write", write, 429, "request_limit_exceeded", rotator.Throttled, "patience"},
		{"failure of a read", read, 500, "", rotator.Transient, "failed"},
		{"failure of a write", write, 500, "", rotator.UnknownOutcome, "not known"},
		{"bad gateway on a write", write, 502, "", rotator.UnknownOutcome, "not known"},
		{"maintenance on a read", read, 503, "", rotator.Transient, "failed"},
		{"maintenance on a write", write, 503, "", rotator.UnknownOutcome, "not known"},
		{"gateway timeout on a write", write, 504, "", rotator.UnknownOutcome, "not known"},
		{"redirect of a read", read, 302, "", rotator.Invalid, "to login.example"},
		{"redirect of a write", write, 303, "", rotator.UnknownOutcome, "to login.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := "<html>sorry</html>"
			if c.code != "" {
				body = apiErrorBody(c.code)
			}
			header := http.Header{"Retry-After": {"7"}, "Location": {"https://login.example/path?session=abc"}}
			f := classify(refusal{op: "POST /key", write: c.write, status: c.status, header: header, body: []byte(body)})
			if f.Kind != c.want || !strings.Contains(f.Error(), c.says) || f.Op != "POST /key" {
				t.Errorf("got %v, want kind %s and %q in the text", f, c.want, c.says)
			}
			if f.RetryAfter != 7*time.Second {
				t.Errorf("RetryAfter is %v, want 7s", f.RetryAfter)
			}
			if strings.Contains(f.Error(), "session") || strings.Contains(f.Error(), "sorry") {
				t.Errorf("%v repeats what it should not", f)
			}
		})
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
		if got := retryAfter(value, now); got != want {
			t.Errorf("retryAfter(%q) = %v, want %v", value, got, want)
		}
	}
}

func TestLostAnswer(t *testing.T) {
	get, post := call{method: http.MethodGet, path: "/key"}, call{method: http.MethodPost, path: "/key/user/1"}
	refused := &url.Error{Op: "Post", URL: "https://example.com/key", Err: errors.New("connection refused")}
	timedOut, cancel := context.WithCancelCause(t.Context())
	cancel(errTimeout)
	for _, c := range []struct {
		name      string
		ctx       context.Context
		call      call
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

func TestForeignTextFitsALogLine(t *testing.T) {
	body := apiErrorBody("x|" + strings.Repeat("long ", 1000) + "\n\x1b[31mred")
	f := classify(refusal{op: "GET /key", status: 400, body: []byte(body)})
	if text := f.Error(); len(text) > 800 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("the text of the fault is not one short line: %q", text)
	}
}

func TestUnreadable(t *testing.T) {
	c := call{method: http.MethodGet, path: "/key"}
	for name, want := range map[string]struct {
		body string
		kind rotator.Kind
	}{
		"nothing":                   {"", rotator.Transient},
		"cut amid the list":         {`{"api_keys":[{"id":1,"user":{"id":1}}`, rotator.Transient},
		"cut amid an element":       {`{"api_keys":[{"id":1`, rotator.Transient},
		"cut before the last brace": {`{"api_keys":[]`, rotator.Transient},
		"a web page":                {"<html>", rotator.Invalid},
		"another object":            {`{}`, rotator.Invalid},
		"null":                      {`null`, rotator.Invalid},
		"a list of nothing":         {`{"api_keys":null}`, rotator.Invalid},
		"the list twice":            {`{"api_keys":[],"api_keys":[]}`, rotator.Invalid},
		"something after the end":   {`{"api_keys":[]} {}`, rotator.Invalid},
		"an id that is text":        {`{"api_keys":[{"id":"x"}]}`, rotator.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			l := &list[wireKey]{name: "api_keys", visit: func(*wireKey) error { return nil }}
			err := l.read(strings.NewReader(want.body))
			if err == nil {
				t.Fatal("was read without an error")
			}
			if f := unreadable(c, err); f.Kind != want.kind {
				t.Errorf("got %v, want kind %s", f, want.kind)
			}
		})
	}
}

func TestBoundedBody(t *testing.T) {
	for size, want := range map[int]error{9: nil, 10: nil, 11: errTooLarge} {
		b := &boundedBody{body: io.NopCloser(strings.NewReader(strings.Repeat("x", size))), left: 10, ctx: t.Context(), finish: func() {}}
		if _, err := io.ReadAll(b); !errors.Is(err, want) {
			t.Errorf("%d bytes of 10: got %v, want %v", size, err, want)
		}
	}
}
