package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/rotator"
)

// service is an API that keeps what it was asked, and answers as it was told to.
type service struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
	answers  []func(http.ResponseWriter, *http.Request) // the last one stays
}

func newService(t *testing.T, answers ...func(http.ResponseWriter, *http.Request)) *service {
	t.Helper()
	s := &service{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		answer := s.answers[0]
		if len(s.answers) > 1 {
			s.answers = s.answers[1:]
		}
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// asked lists what has reached the service so far.
func (s *service) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *service) client(t *testing.T, o Options) *Client {
	t.Helper()
	base, err := CheckBaseURL(s.URL+"/api/", "https://example.com")
	if err != nil {
		t.Fatal(err)
	}
	o.Base = base
	if o.Authorize == nil {
		o.Authorize = func(req *http.Request, secret rotator.Secret) error {
			req.Header.Set("Authorization", "Bearer "+string(secret.Reveal()))
			return nil
		}
	}
	return New(o)
}

func says(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func key(values ...string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) {
		value := values[0]
		if len(values) > 1 {
			values = values[1:]
		}
		return rotator.SecretString(value), nil
	}
}

func TestWhatGoesOut(t *testing.T) {
	s := newService(t, says(200, `{"id":1,"name":"x"}`))
	var got item
	call := Call{Method: http.MethodGet, Path: "/users/" + url.PathEscape("a/b c"), Query: url.Values{"q": {"1 2"}}}
	if err := s.client(t, Options{Key: key("k1")}).GetObject(t.Context(), call, &got); err != nil {
		t.Fatal(err)
	}
	call.Secret = rotator.SecretString("other")
	if err := s.client(t, Options{Key: key("k1")}).GetObject(t.Context(), call, &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /api/users/a%2Fb%20c?q=1+2 Bearer k1", "GET /api/users/a%2Fb%20c?q=1+2 Bearer other"}
	if diff := cmp.Diff(want, s.asked()); diff != "" || got != (item{1, "x"}) {
		t.Errorf("got %+v, requests differ (-want +got):\n%s", got, diff)
	}
	bad := s.client(t, Options{}).GetObject(t.Context(), Call{Method: http.MethodGet, Path: "/%zz"}, &got)
	if rotator.KindOf(bad) != rotator.Invalid || len(s.asked()) != 2 {
		t.Errorf("a path that is not escaped: %v", bad)
	}
}

func TestAServiceWithoutAKeyNeedsNone(t *testing.T) {
	s := newService(t, says(401, ""))
	c := s.client(t, Options{Rates: []Rate{{Requests: 100, Per: time.Second}}})
	_, err := c.Get(t.Context(), Call{Method: http.MethodGet, Path: "/x"})
	if rotator.KindOf(err) != rotator.Denied || len(s.asked()) != 1 {
		t.Errorf("got %v after %d requests, want one refusal", err, len(s.asked()))
	}
	secret, err := c.CurrentKey()
	if err != nil || !secret.Empty() || c.RefreshKey() != nil {
		t.Errorf("the key that there is not: empty is %v, %v", secret.Empty(), err)
	}
}

func TestAReplacedKeyIsTakenUp(t *testing.T) {
	s := newService(t, says(401, "old is dead"), says(200, "{}"))
	c := s.client(t, Options{Key: key("old", "new")})
	if err := c.GetObject(t.Context(), Call{Method: http.MethodGet, Path: "/x"}, &struct{}{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET /api/x Bearer old", "GET /api/x Bearer new"}, s.asked()); diff != "" {
		t.Errorf("requests differ (-want +got):\n%s", diff)
	}
	secret, err := c.CurrentKey()
	if err != nil || string(secret.Reveal()) != "new" {
		t.Errorf("the key in use is not the new one: %v", err)
	}
	secret.Wipe()
	if again, _ := c.CurrentKey(); string(again.Reveal()) != "new" {
		t.Error("a wiped copy has wiped the key")
	}
}

func TestAKeyThatCannotBeUsedIsCalledByItsName(t *testing.T) {
	s := newService(t, says(200, "{}"))
	for name, read := range map[string]func() (rotator.Secret, error){
		"no file": func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("no such file") }, "two lines": key("a\nb"), "empty": key(" "),
	} {
		c := s.client(t, Options{Key: read, KeyWords: "the master key"})
		if _, err := c.Write(t.Context(), Call{Method: http.MethodPost, Path: "/x"}); rotator.KindOf(err) != rotator.Transient || !strings.Contains(err.Error(), "the master key") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(s.asked()) != 0 {
		t.Errorf("%d requests were made without a key", len(s.asked()))
	}
}

func TestAWriteThatCouldNotBeAuthorizedWasNotMade(t *testing.T) {
	s := newService(t, says(200, "{}"))
	for name, c := range map[string]struct {
		err  error
		want rotator.Kind
	}{
		"a token call whose answer was lost": {rotator.NewFault("POST /token", rotator.UnknownOutcome, "lost"), rotator.Transient},
		"a token that is refused":            {rotator.NewFault("POST /token", rotator.Denied, "no"), rotator.Denied},
		"a token endpoint that throttles":    {&rotator.Fault{Op: "POST /token", Kind: rotator.Throttled, RetryAfter: time.Hour}, rotator.Throttled},
		"something else":                     {errors.New("no"), rotator.Transient},
	} {
		client := s.client(t, Options{Key: key("k"), Authorize: func(*http.Request, rotator.Secret) error { return c.err }})
		_, err := client.Write(t.Context(), Call{Method: http.MethodPost, Path: "/x"})
		if rotator.KindOf(err) != c.want || rotator.RetryAfterOf(err) != rotator.RetryAfterOf(c.err) || !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want kind %s", name, err, c.want)
		}
	}
	if len(s.asked()) != 0 {
		t.Errorf("%d requests were made", len(s.asked()))
	}
}

// A call that Authorize makes must not count as the request's own connection: then a write that never left would have an
// unknown outcome.
func TestACallOfAuthorizeIsNotTakenForTheRequest(t *testing.T) {
	token := newService(t, says(200, "{}"))
	gone := newService(t, says(200, "{}"))
	client := gone.client(t, Options{Authorize: func(req *http.Request, _ rotator.Secret) error {
		return token.client(t, Options{}).GetObject(req.Context(), Call{Method: http.MethodGet, Path: "/token"}, &struct{}{})
	}})
	gone.Close()
	_, err := client.Write(t.Context(), Call{Method: http.MethodPost, Path: "/x"})
	if rotator.KindOf(err) != rotator.Transient || len(token.asked()) != 1 {
		t.Errorf("got %v after %d calls for a token, want a transient fault after one", err, len(token.asked()))
	}
}

func TestAWriteIsSentOnceWhateverHappens(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   rotator.Kind
	}{
		"throttled": {says(429, ""), rotator.Throttled}, "denied": {says(401, ""), rotator.Denied}, "failed": {says(503, ""), rotator.UnknownOutcome},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, rotator.UnknownOutcome},
	} {
		s := newService(t, c.answer)
		_, err := s.client(t, Options{Key: key("old", "new")}).Write(t.Context(), Call{Method: http.MethodPut, Path: "/x", Body: []byte("{}")})
		if rotator.KindOf(err) != c.want || len(s.asked()) != 1 {
			t.Errorf("%s: got %v after %d requests, want kind %s after one", name, err, len(s.asked()), c.want)
		}
	}
}

func TestAProvidersOwnWordsAndNoCredential(t *testing.T) {
	own := func(r Refusal) *rotator.Fault {
		r.Said = string(r.Body)
		return Classify(r)
	}
	for name, c := range map[string]struct {
		authorize func(*http.Request, rotator.Secret) error
		echo      func(*http.Request) string
	}{
		"a bearer token": {func(r *http.Request, _ rotator.Secret) error {
			r.Header.Set("Authorization", "Bearer T0KEN")
			return nil
		},
			func(r *http.Request) string { return r.Header.Get("Authorization") }},
		"a basic password": {func(r *http.Request, s rotator.Secret) error { r.SetBasicAuth("ann", string(s.Reveal())); return nil },
			func(r *http.Request) string { _, p, _ := r.BasicAuth(); return p + " " + r.Header.Get("Authorization") }},
		"a key in JSON": {func(r *http.Request, s rotator.Secret) error { r.Header.Set("X-Key", string(s.Reveal())); return nil },
			func(r *http.Request) string { b, _ := json.Marshal(r.Header.Get("X-Key")); return string(b) }},
	} {
		s := newService(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintf(w, "odd credential: %s", c.echo(r))
		})
		const planted = `S3CR3T<&>"/x`
		_, err := s.client(t, Options{Key: key(planted), Classify: own, Authorize: c.authorize}).Get(t.Context(), Call{Method: http.MethodGet, Path: "/x"})
		if err == nil || !strings.Contains(err.Error(), "odd credential") || strings.Contains(err.Error(), "S3CR3T") || strings.Contains(err.Error(), "T0KEN") ||
			strings.Contains(err.Error(), "YW5uOl") {
			t.Errorf("%s: got %v, want the service's words without the credential", name, err)
		}
	}
}

func TestReadListGivesTheVisitorsErrorBack(t *testing.T) {
	s := newService(t, says(200, `[{"id":1},{"id":2}]`))
	stop := errors.New("enough")
	visit := func(*item) error { return stop }
	err := ReadList(t.Context(), s.client(t, Options{}), Call{Method: http.MethodGet, Path: "/x", Stream: true}, &List[item]{Visit: visit})
	if err != stop { //nolint:errorlint // it must be the very same
		t.Errorf("got %v", err)
	}
	err = ReadList(t.Context(), s.client(t, Options{}), Call{Method: http.MethodGet, Path: "/x", Limit: 5}, &List[item]{Visit: func(*item) error { return nil }})
	if rotator.KindOf(err) != rotator.Invalid || !errors.Is(err, errTooLarge) {
		t.Errorf("an answer beyond its bound: %v", err)
	}
}

func TestACancelledCallWasNotMade(t *testing.T) {
	s := newService(t, says(200, "{}"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if _, err := s.client(t, Options{}).Write(ctx, Call{Method: method, Path: "/x"}); rotator.KindOf(err) != rotator.Transient || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", method, err)
		}
	}
	if len(s.asked()) != 0 {
		t.Errorf("%d requests were made", len(s.asked()))
	}
}

func TestCheckBaseURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.com/v2/":       "https://example.com/v2",
		"https://example.com":           "https://example.com",
		"http://localhost:8080/v2":      "http://localhost:8080/v2",
		"http://127.0.0.1:1/":           "http://127.0.0.1:1",
		"http://[::1]:1/a%2Fb/":         "http://[::1]:1/a%2Fb",
		"http://example.com":            "unencrypted",
		"example.com":                   "such as https://sample",
		"ftp://example.com":             "such as https://sample",
		"https://":                      "such as https://sample",
		"https://us\x7fer@example.com":  "such as https://sample",
		"https://ann:hunter2@host/":     "no user",
		"https://host/?key=hunter2":     "no user, query",
		"https://host/#hunter2":         "fragment",
		"ftp://ann:hunter2@example.com": "not complete",
	} {
		base, err := CheckBaseURL(text, "https://sample")
		if err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")) || err == nil && base.String() != want {
			t.Errorf("%s became %v, %v; want %s", text, base, err, want)
		}
	}
}

func FuzzCheckBaseURL(f *testing.F) {
	f.Add("https://example.com/v2/")
	f.Add("http://[::1]/%2F")
	f.Fuzz(func(t *testing.T, text string) {
		base, err := CheckBaseURL(text, "x")
		if err != nil {
			return
		}
		if base.Host == "" || base.User != nil || base.RawQuery != "" || base.Scheme != "https" && !loopback(base.Hostname()) {
			t.Errorf("%q was taken as %q", text, base)
		}
	})
}
