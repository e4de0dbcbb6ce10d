package e2e

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// front is a proxy that stands before a real server and may interfere.
type front struct {
	URL string

	mu   sync.Mutex
	rule rule
}

// rule decides about one request: it forwards it or answers in the server's place.
type rule func(w http.ResponseWriter, r *http.Request, forward http.Handler)

func newFront(t *testing.T, target string) *front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: to.Scheme, Host: to.Host}) },
		ErrorLog: log.New(io.Discard, "", 0), // a daemon that was killed takes no answers
	}
	f := &front{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		decide := f.rule
		f.mu.Unlock()
		// What was sent arrives, also when the sender is dead by then.
		r = r.WithContext(context.WithoutCancel(r.Context()))
		if decide == nil {
			forward.ServeHTTP(w, r)
			return
		}
		decide(w, r, forward)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	t.Cleanup(server.Close)
	f.URL = server.URL + to.Path
	return f
}

// set puts a rule in force, or none.
func (f *front) set(decide rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rule = decide
}
