package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"

	"github.com/rotatord/rotatord/test/daemon"
)

// ambush is one thing that goes wrong for one service user: an answer that says more than it should.
type ambush struct {
	// service is whose request it is; empty for those that are nobody's, such as lists and logins.
	service string
	request string
	// times is how often it strikes: reads are repeated before they count as failed.
	times int
	// after lets the request be carried out first.
	after  bool
	answer func(seen) (status int, body string)
}

// seen is what the answer can be made of.
type seen struct {
	// echo is the whole request, with its headers and its body.
	echo string
	// body is the real answer's body, if the request was carried out.
	body string
}

// quoted is the text as one JSON string.
func quoted(text string) string {
	b, _ := json.Marshal(text) // a text can be encoded
	return string(b)
}

// said is CertCentral's form of an error, and vaultSaid is Vault's.
func said(text string) string      { return `{"errors":[{"code":"oops","message":` + quoted(text) + `}]}` }
func vaultSaid(text string) string { return `{"errors":[` + quoted(text) + `]}` }

// always answers with a status and a form of the echoed request.
func always(status int, form func(string) string) func(seen) (int, string) {
	return func(s seen) (int, string) { return status, form(s.echo) }
}

// blurt answers with a status and a text in which %s is the secret that the real answer holds.
func blurt(status int, format string) func(seen) (int, string) {
	return func(s seen) (int, string) {
		var created struct {
			Secret string `json:"api_key"`
		}
		_ = json.Unmarshal([]byte(s.body), &created) // an answer without one blurts nothing
		return status, fmt.Sprintf(format, created.Secret)
	}
}

func plain(text string) string { return "<html><pre>" + text + "</pre></html>" }

// ambushes lie in wait in the fronts before the provider and before Vault.
type ambushes struct {
	f *fleet

	mu      sync.Mutex
	waiting []*ambush
	tokens  []string // that Vault gave out
}

// left are those that have not struck.
func (a *ambushes) left() (names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.waiting {
		if w.times > 0 {
			names = append(names, w.service+" "+w.request)
		}
	}
	return names
}

func (a *ambushes) take(service, request string) *ambush {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range a.waiting {
		if w.times > 0 && w.service == service && w.request == request {
			w.times--
			return w
		}
	}
	return nil
}

// provider is a [rule].
func (a *ambushes) provider(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	path := strings.TrimPrefix(r.URL.Path, a.f.provider.BasePath())
	a.spring(a.ofProvider(r, path), a.f.provider.Request(r.Method, path), w, r, forward)
}

// ofProvider is the name of the service user that a request is about.
func (a *ambushes) ofProvider(r *http.Request, path string) string {
	user := ""
	parts := strings.Split(path, "/")
	switch a.f.provider.Request(r.Method, path) {
	case daemon.RequestMint:
		user = parts[len(parts)-1]
	case daemon.RequestRevoke:
		k, _ := a.f.provider.Key(parts[2])
		user = k.UserID
	case daemon.RequestCheck:
		k, _ := a.f.provider.KeyOfSecret(r.Header.Get("X-DC-DEVKEY"))
		user = k.UserID
	}
	for _, s := range a.f.services {
		if s.UserID == user {
			return s.Name
		}
	}
	return ""
}

// vault is a [rule].
func (a *ambushes) vault(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	name := ""
	for _, s := range a.f.services {
		if strings.HasSuffix(r.URL.Path, a.f.vaultPath(s)) {
			name = s.Name
		}
	}
	request := vaultRequest(r.Method, r.URL.Path)
	if strings.HasSuffix(r.URL.Path, "/approle/login") {
		request = "login"
		answer := record(r, forward, a.take(name, request))
		a.learnToken(answer.Body.Bytes())
		relay(w, answer)
		return
	}
	a.spring(name, request, w, r, forward)
}

func (a *ambushes) learnToken(answer []byte) {
	var login struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if json.Unmarshal(answer, &login) == nil && login.Auth.Token != "" {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.tokens = append(a.tokens, login.Auth.Token)
	}
}

func (a *ambushes) spring(service, request string, w http.ResponseWriter, r *http.Request, forward http.Handler) {
	if trap := a.take(service, request); trap != nil {
		relay(w, record(r, forward, trap))
		return
	}
	forward.ServeHTTP(w, r)
}

// record makes the answer to a request: the real one, or the ambush's.
func record(r *http.Request, forward http.Handler, trap *ambush) *httptest.ResponseRecorder {
	body, _ := io.ReadAll(r.Body) // what cannot be read is not echoed
	r.Body = io.NopCloser(bytes.NewReader(body))
	head, _ := httputil.DumpRequest(r, false) // a request that was received can be dumped
	answer := httptest.NewRecorder()
	if trap == nil || trap.after {
		forward.ServeHTTP(answer, r)
	}
	if trap == nil {
		return answer
	}
	status, text := trap.answer(seen{echo: string(head) + string(body), body: answer.Body.String()})
	lie := httptest.NewRecorder()
	lie.Header().Set("Content-Type", "application/json")
	if status >= 300 && status < 400 {
		lie.Header().Set("Location", "http://"+r.Host+"/elsewhere?key="+r.Header.Get("X-DC-DEVKEY")+r.Header.Get("X-Vault-Token"))
	}
	lie.WriteHeader(status)
	_, _ = lie.WriteString(text) // into memory
	return lie
}

func relay(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the daemon may be gone
}

// lay adds a service user with an ambush of its own.
func (a *ambushes) lay(name string, trap ambush) daemon.Service {
	s := a.f.provider.AddService(name, "key", dueAge)
	trap.service = name
	trap.times = max(1, trap.times)
	a.f.services = append(a.f.services, s)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = append(a.waiting, &trap)
	return s
}
