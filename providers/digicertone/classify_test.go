package digicertone

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		name       string
		status     int
		code       string // "" for a body that is not the service's
		retryAfter string
		read       rotator.Kind
		write      rotator.Kind
	}{
		{"malformed", 400, "invalid_request", "", rotator.Invalid, rotator.Invalid},
		{"bad token", 401, "invalid_api_key", "", rotator.Denied, rotator.Denied},
		{"bad token by its code", 400, "invalid_api_key", "", rotator.Denied, rotator.Denied},
		{"no permission", 403, "access_denied", "", rotator.Denied, rotator.Denied},
		{"gone", 404, "resource_not_found", "", rotator.Gone, rotator.Gone},
		{"gone in other words", 404, "entity_not_found", "", rotator.Gone, rotator.Gone},
		{"404 of something else", 404, "", "", rotator.Invalid, rotator.Invalid},
		{"name taken", 409, "duplicate_error", "", rotator.Conflict, rotator.Conflict},
		{"name taken with another status", 400, "duplicate_error", "", rotator.Conflict, rotator.Conflict},
		{"throttled", 429, "rate_limit_exceeded", "7", rotator.Throttled, rotator.Throttled},
		{"maintenance", 503, "service_unavailable", "7", rotator.Throttled, rotator.UnknownOutcome},
		{"503 without a time", 503, "", "", rotator.Transient, rotator.UnknownOutcome},
		{"bad gateway", 502, "", "", rotator.Transient, rotator.UnknownOutcome},
		{"redirect", 302, "", "", rotator.Invalid, rotator.UnknownOutcome},
	} {
		for _, form := range []string{`{"error":{"code":"CODE","message":"words"}}`, `{"errors":[{"code":"CODE","message":"words"}]}`} {
			t.Run(tc.name, func(t *testing.T) {
				r := rest.Refusal{Op: "GET /user", Status: tc.status, Header: http.Header{}, Body: []byte("<html>")}
				if tc.code != "" {
					r.Body = []byte(strings.Replace(form, "CODE", tc.code, 1))
				}
				r.Header.Set("Retry-After", tc.retryAfter)
				for write, want := range map[bool]rotator.Kind{false: tc.read, true: tc.write} {
					r.Write = write
					f := classify(r)
					if f.Kind != want {
						t.Errorf("write %v: got %v, want %s", write, f, want)
					}
					if !strings.Contains(f.Error(), tc.code) {
						t.Errorf("the fault does not say %s: %v", tc.code, f)
					}
					if tc.retryAfter != "" && f.RetryAfter != 7*time.Second {
						t.Errorf("the fault says to wait %v", f.RetryAfter)
					}
				}
			})
		}
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	r := rest.Refusal{Op: "GET /user", Status: http.StatusServiceUnavailable, Header: http.Header{}}
	r.Header.Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	if f := classify(r); f.Kind != rotator.Throttled || f.RetryAfter < 59*time.Minute || f.RetryAfter > time.Hour {
		t.Errorf("got %v, waiting %v", f, f.RetryAfter)
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"a","message":"b"}}`))
	f.Add([]byte(`{"errors":[{"code":"a","message":"b"},{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, item := range items(body) {
			if item.Code == "" {
				t.Fatalf("%q has an item without a code", body)
			}
		}
	})
}
