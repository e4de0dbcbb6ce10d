package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/web"
)

// FuzzRequest sends anything to everything, as somebody may who reaches the listener on this machine. No request is answered with
// 500, as long as nothing that the daemon needs has failed, none makes it log an error, and no answer holds what is sealed.
func FuzzRequest(f *testing.F) {
	s := &site{operator: &operator{}}
	fleet(nil, s)
	core, logged := observer.New(zapcore.ErrorLevel)
	server, err := web.New(web.Options{
		Journal: s.journal, Operator: s.operator, Providers: func() []string { return []string{"cc"} }, Metrics: prometheus.NewRegistry(),
		Version: "1.2.3", Reload: func(context.Context) error { return nil }, Log: zap.New(core),
	})
	if err != nil {
		f.Fatal(err)
	}
	server.SetReady()
	for _, path := range everything() {
		f.Add(http.MethodGet, path, "", "", "localhost", "")
	}
	for _, a := range actions() {
		f.Add(a.method, a.path, "application/json", a.body, "127.0.0.1:9650", "")
		f.Add(a.method, a.path, "application/json", a.body, "evil.example", "cross-site")
		f.Add(a.method, a.path, "application/cbor", "\xff", "[::1]", "none")
	}
	f.Add(http.MethodPost, "/api/v1/supplies?provider=cc&user=u1&credential=ci", "text/plain", "a key", "localhost", "")
	f.Add(http.MethodPost, "/api/v1/holds", "application/json", `{"provider":"[","user":"\\","credential":"*","until":"2199-01-02T00:00:00Z","reason":"\n"}`, "localhost", "")
	f.Add(http.MethodGet, "/api/v1/keys?cursor=%00&limit=-1&finding=x", "", "", "localhost", "")
	f.Add(http.MethodGet, "/api/v1/credentials?label=%00&cursor=WyJhIiwiYiIsImMiXQ&search=%25%27&state=managed&limit=1", "", "", "localhost", "")
	f.Add("OPTIONS", "//api/../-/reload%2f", "", "", "", "same-origin")
	at := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9650}
	f.Fuzz(func(t *testing.T, method, target, kind, body, host, site string) {
		req, err := http.NewRequestWithContext(web.ReceivedOn(t.Context(), at), method, "http://localhost"+target, strings.NewReader(body))
		if err != nil || strings.Contains(target+body+host+kind, planted) {
			return // not a request, or one that says it itself
		}
		req.Host, req.RemoteAddr, req.RequestURI = host, "127.0.0.1:5", target
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, req)
		s.operator.forget()
		if w.Code == http.StatusInternalServerError || w.Code < 200 {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), planted) {
			t.Errorf("what is sealed is in the answer: %s", w.Body)
		}
		for name, values := range w.Header() {
			if strings.ContainsAny(strings.Join(values, ""), "\r\n") {
				t.Errorf("the header %s has a line break: %q", name, values)
			}
		}
		if lines := logged.TakeAll(); len(lines) > 0 {
			t.Errorf("logged %v", lines)
		}
	})
}

// forget drops what was noted.
func (o *operator) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = nil
}
