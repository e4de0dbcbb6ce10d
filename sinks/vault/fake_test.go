package vault_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/sinks/vault"
)

// fake answers as a server does that has a token "t", a KV engine of version 2 at "secret", and nothing in it; what is in
// answers goes before that. It stands in for what the real one cannot be made to do.
type fake struct {
	answers map[string]http.HandlerFunc // by method and path

	mu   sync.Mutex
	seen []*http.Request
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // what was sent does not matter
	f.mu.Lock()
	f.seen = append(f.seen, r)
	f.mu.Unlock()
	if answer, ok := f.answers[r.Method+" "+r.URL.Path]; ok {
		answer(w, r)
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/auth/token/lookup-self":
		_, _ = io.WriteString(w, `{"data":{"id":"t","ttl":3600,"expire_time":"2030-01-01T00:00:00Z"}}`)
	case "GET /v1/sys/internal/ui/mounts/secret":
		_, _ = io.WriteString(w, `{"data":{"type":"kv","options":{"version":"2"}}}`)
	case "PUT /v1/secret/data/robot":
		_, _ = io.WriteString(w, `{"data":{"version":1}}`)
	case "PUT /v1/secret/metadata/robot":
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errors":[]}`)
	}
}

func (f *fake) count(request string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.seen {
		if r.Method+" "+r.URL.Path == request {
			n++
		}
	}
	return n
}

// fakeSink is a sink that talks to the fake.
func fakeSink(t *testing.T, f *fake, change func(*vault.Options)) *vault.Sink {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "token")
	putToken(t, path, "t")
	o := vault.Options{Address: server.URL, Auth: vault.Auth{TokenFile: path}, Path: "{{.ServiceUser}}"}
	if change != nil {
		change(&o)
	}
	return newSink(t, o)
}

const (
	readRequest  = "GET /v1/secret/data/robot"
	writeRequest = "PUT /v1/secret/data/robot"
)

func answer(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func TestNamespace(t *testing.T) {
	for _, namespace := range []string{"", "teams/platform"} {
		f := &fake{}
		s := fakeSink(t, f, func(o *vault.Options) { o.Namespace = namespace })
		deliver(t, s, delivery(t, s, 1))
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, r := range f.seen {
			if got := r.Header.Get("X-Vault-Namespace"); got != namespace {
				t.Errorf("%s %s went to namespace %q, want %q", r.Method, r.URL.Path, got, namespace)
			}
			if r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("X-Vault-Token") != "t" {
				t.Errorf("%s %s has headers %v", r.Method, r.URL.Path, r.Header)
			}
		}
	}
}

func TestNamespaceIsInTheAdvice(t *testing.T) {
	f := &fake{answers: map[string]http.HandlerFunc{readRequest: answer(200, `{"data":{"data":{"a":"b"},"metadata":{"version":4}}}`)}}
	s := fakeSink(t, f, func(o *vault.Options) { o.Namespace = "teams/platform" })
	refused(t, s, delivery(t, s, 1), rotator.Conflict, "vault kv delete -namespace=teams/platform -mount=secret robot")
}

func TestBasePathOfAProxy(t *testing.T) {
	f := &fake{}
	s := fakeSink(t, f, func(o *vault.Options) { o.Address += "/vault/" })
	_, err := s.Deliver(t.Context(), delivery(t, s, 1))
	if f.count("GET /vault/v1/auth/token/lookup-self") != 1 {
		t.Errorf("the base path was not kept: %v", err)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := &fake{}
	other := httptest.NewServer(elsewhere)
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, request := range []string{readRequest, writeRequest} {
			t.Run(fmt.Sprint(code, " ", request), func(t *testing.T) {
				f := &fake{answers: map[string]http.HandlerFunc{request: func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, other.URL+r.URL.Path+"?token=t", code)
				}}}
				s := fakeSink(t, f, nil)
				refused(t, s, delivery(t, s, 1), rotator.Transient, "points to "+other.URL+", where")
			})
		}
	}
	if len(elsewhere.seen) != 0 {
		t.Errorf("%d requests reached the other host", len(elsewhere.seen))
	}
}

func TestAnswersAreBounded(t *testing.T) {
	long := `{"data":{"data":{"a":"` + strings.Repeat("x", 2<<20) + `"}}}`
	for _, code := range []int{200, 400, 404, 500} {
		f := &fake{answers: map[string]http.HandlerFunc{readRequest: answer(code, long)}}
		s := fakeSink(t, f, nil)
		refused(t, s, delivery(t, s, 1), rotator.Transient, "longer than 1 MiB")
	}
}

func TestAnswersThatAreNotVaults(t *testing.T) {
	for _, body := range []string{"", "<html>", "[]", `{"data":7}`} {
		for _, code := range []int{200, 404} {
			f := &fake{answers: map[string]http.HandlerFunc{readRequest: answer(code, body)}}
			s := fakeSink(t, f, nil)
			if _, err := s.Deliver(t.Context(), delivery(t, s, 1)); err == nil || f.count(writeRequest) != 0 {
				t.Errorf("%d %q was taken for nothing there: %v", code, body, err)
			}
		}
	}
}

func TestAnswersByStatus(t *testing.T) {
	for _, test := range []struct {
		code  int
		body  string
		kind  rotator.Kind
		reads int
		words string
	}{
		{400, `{"errors":["missing client token"]}`, rotator.Denied, 1, "no token was sent"},
		{400, `{"errors":["invalid path"]}`, rotator.Invalid, 1, "invalid path"},
		{401, `{}`, rotator.Denied, 1, "401"},
		{403, `{"errors":["permission denied"]}`, rotator.Denied, 1, "permission denied"},
		{404, `{"errors":["no handler for route"]}`, rotator.Gone, 1, "no handler for route"},
		{405, `{"errors":["unsupported operation"]}`, rotator.Invalid, 1, "405"},
		{412, `{"errors":["required index state not present"]}`, rotator.Transient, 3, "412"},
		{429, `{"errors":["rate limit quota exceeded"]}`, rotator.Throttled, 1, "429"},
		{472, ``, rotator.Transient, 3, "472"},
		{500, `{"errors":["internal error"]}`, rotator.Transient, 3, "internal error"},
		{500, `{"errors":["` + strings.Repeat("long ", 200) + `"]}`, rotator.Transient, 3, "…"},
		{500, "two\nlines\x00", rotator.Transient, 3, "two lines"},
		{502, `<html>bad gateway</html>`, rotator.Transient, 3, "bad gateway"},
		{503, `{"errors":["Vault is sealed"]}`, rotator.Transient, 1, "unseal"},
		{503, `{"errors":["standby"]}`, rotator.Transient, 3, "503"},
	} {
		t.Run(fmt.Sprintf("%d %.20s", test.code, test.body), func(t *testing.T) {
			f := &fake{answers: map[string]http.HandlerFunc{readRequest: answer(test.code, test.body)}}
			s := fakeSink(t, f, nil)
			refused(t, s, delivery(t, s, 1), test.kind, test.words)
			if got := f.count(readRequest); got != test.reads {
				t.Errorf("it was read %d times, want %d", got, test.reads)
			}
			f = &fake{answers: map[string]http.HandlerFunc{writeRequest: answer(test.code, test.body)}}
			s = fakeSink(t, f, nil)
			refused(t, s, delivery(t, s, 1), test.kind, test.words)
			if got := f.count(writeRequest); got != 1 {
				t.Errorf("it was written %d times, want once", got)
			}
		})
	}
}

func TestVersionNotTold(t *testing.T) {
	for _, code := range []int{403, 404} {
		f := &fake{answers: map[string]http.HandlerFunc{"GET /v1/sys/internal/ui/mounts/secret": answer(code, `{"errors":["preflight"]}`)}}
		s := fakeSink(t, f, nil)
		_, err := s.Deliver(t.Context(), delivery(t, s, 1))
		if err == nil || !strings.Contains(err.Error(), "set kv_version") || f.count(writeRequest) != 0 {
			t.Errorf("%d: %v", code, err)
		}
		s = fakeSink(t, f, func(o *vault.Options) { o.KVVersion = 2 })
		deliver(t, s, delivery(t, s, 1))
	}
}

func TestThrottled(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "7": 7 * time.Second, "soon": 0, "-1": 0, "99999999999": 0} {
		f := &fake{answers: map[string]http.HandlerFunc{readRequest: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", text)
			w.WriteHeader(http.StatusTooManyRequests)
		}}}
		s := fakeSink(t, f, nil)
		_, err := s.Deliver(t.Context(), delivery(t, s, 1))
		if rotator.KindOf(err) != rotator.Throttled || rotator.RetryAfterOf(err) != want {
			t.Errorf("Retry-After %q gave %v after %s", text, err, rotator.RetryAfterOf(err))
		}
	}
}

func TestAServerThatRepeatsTheSecret(t *testing.T) {
	f := &fake{answers: map[string]http.HandlerFunc{writeRequest: answer(400, `{"errors":["cannot store `+secret+`-1"]}`)}}
	s := fakeSink(t, f, nil)
	refused(t, s, delivery(t, s, 1), rotator.Invalid, "cannot store [secret]")
}

func TestAServerThatRepeatsTheToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	putToken(t, token, "hvs.TOKEN-of-the-tests")
	for _, request := range []string{readRequest, writeRequest, "PUT /v1/secret/metadata/robot", "GET /v1/sys/internal/ui/mounts/secret"} {
		for _, code := range []int{400, 403, 500} {
			f := &fake{answers: map[string]http.HandlerFunc{request: func(w http.ResponseWriter, r *http.Request) {
				answer(code, `{"errors":["who sends `+r.Header.Get("X-Vault-Token")+`?"]}`)(w, r)
			}}}
			s := fakeSink(t, f, func(o *vault.Options) { o.Auth.TokenFile = token })
			_, err := s.Deliver(t.Context(), delivery(t, s, 1))
			if err == nil || !strings.Contains(err.Error(), "who sends [secret]?") || strings.Contains(err.Error(), "TOKEN") {
				t.Errorf("%d to %s: got %v, want the server's words without the token", code, request, err)
			}
		}
	}
}

func TestReadsAreRepeated(t *testing.T) {
	var tries atomic.Int64
	f := &fake{answers: map[string]http.HandlerFunc{readRequest: func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) < 3 {
			panic(http.ErrAbortHandler)
		}
		answer(404, `{"errors":[]}`)(w, r)
	}}}
	s := fakeSink(t, f, nil)
	deliver(t, s, delivery(t, s, 1))
}

func TestLookupsThatSayNothing(t *testing.T) {
	for _, body := range []string{"", "{}", `{"data":{}}`, `{"data":{"ttl":"soon"}}`} {
		f := &fake{answers: map[string]http.HandlerFunc{"GET /v1/auth/token/lookup-self": answer(200, body)}}
		s := fakeSink(t, f, nil)
		if err := s.Ping(t.Context()); err == nil {
			t.Errorf("the answer %q was taken for a valid token", body)
		}
	}
}

func TestLoginsThatSayNothing(t *testing.T) {
	for _, body := range []string{"", "{}", `{"auth":{}}`, "<html>"} {
		f := &fake{answers: map[string]http.HandlerFunc{"PUT /v1/auth/approle/login": answer(200, body)}}
		s := fakeSink(t, f, func(o *vault.Options) {
			o.Auth = vault.Auth{AppRole: &vault.AppRole{RoleID: "r", SecretID: func() (rotator.Secret, error) { return rotator.SecretString("s"), nil }}}
		})
		if err := s.Ping(t.Context()); err == nil {
			t.Errorf("the answer %q was taken for a login", body)
		}
	}
}

func TestOperationsAreAllKnown(t *testing.T) {
	l, f := new(log), &fake{}
	s := fakeSink(t, f, func(o *vault.Options) { o.Observer = l.observe })
	deliver(t, s, delivery(t, s, 1))
	known := map[string]bool{}
	for _, operation := range vault.Operations() {
		known[operation] = true
	}
	for _, r := range l.seen {
		if !known[r.Operation] {
			t.Errorf("the operation %q is not listed", r.Operation)
		}
	}
	for operation, want := range map[string]int{"lookup": 1, "detect": 1, "read": 2, "write": 1, "mark": 1} {
		if got := l.count(operation); got != want {
			t.Errorf("%s was observed %d times, want %d", operation, got, want)
		}
	}
}

func TestManyRefusalsLeadToOneLogin(t *testing.T) {
	const many = 20
	var logins atomic.Int64
	var refusals sync.WaitGroup
	refusals.Add(many)
	f := &fake{answers: map[string]http.HandlerFunc{
		"PUT /v1/auth/approle/login": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"auth":{"client_token":"t-%d","lease_duration":3600,"renewable":true}}`, logins.Add(1))
		},
		"GET /v1/auth/token/lookup-self": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Vault-Token") != "t-1" {
				answer(200, `{"data":{"ttl":3600,"expire_time":"2030-01-01T00:00:00Z"}}`)(w, r)
				return
			}
			refusals.Done()
			refusals.Wait() // all were sent with the first token
			answer(403, `{"errors":["permission denied"]}`)(w, r)
		},
	}}
	s := fakeSink(t, f, func(o *vault.Options) {
		o.Auth = vault.Auth{AppRole: &vault.AppRole{RoleID: "r", SecretID: func() (rotator.Secret, error) { return rotator.SecretString("s"), nil }}}
	})
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := logins.Load(); got != 2 {
		t.Errorf("%d logins, want 2", got)
	}
	if got := f.count("PUT /v1/auth/token/revoke-self"); got != 1 {
		t.Errorf("%d tokens were given back, want 1", got)
	}
}
