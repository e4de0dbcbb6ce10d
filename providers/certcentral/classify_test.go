package certcentral

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
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
			f := classify(rest.Refusal{Op: "POST /key", Write: c.write, Status: c.status, Header: header, Body: []byte(body)})
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

func TestForeignTextFitsALogLine(t *testing.T) {
	body := apiErrorBody("x|" + strings.Repeat("long ", 1000) + "\n\x1b[31mred")
	f := classify(rest.Refusal{Op: "GET /key", Status: 400, Body: []byte(body)})
	if text := f.Error(); len(text) > 800 || strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("the text of the fault is not one short line: %q", text)
	}
}
