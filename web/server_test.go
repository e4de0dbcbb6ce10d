package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/internal/viewtest"
)

var (
	_ web.Operator = (*engine.Engine)(nil)
	_ web.Reader   = rotator.Store(nil)
	_ web.Reader   = (*viewtest.Journal)(nil)
)

// operator notes what it is asked to do.
type operator struct {
	mu    sync.Mutex
	calls []string
	// fails has the errors of credentials by their base names.
	fails map[string]error
}

func (o *operator) note(parts ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, strings.Join(parts, " "))
}

func (o *operator) did() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.calls)
}

func (o *operator) StartOver(_ context.Context, c rotator.CredentialID, actor string) (rotator.Rotation, error) {
	return o.Rotate(context.Background(), c, "start over", actor)
}

func (o *operator) Rotate(_ context.Context, c rotator.CredentialID, reason rotator.Reason, actor string) (rotator.Rotation, error) {
	o.note("rotate", c.String(), string(reason), actor)
	return rotator.Rotation{ID: "r-" + c.Base, CredentialID: c, Stage: rotator.StagePlanned, Reason: reason}, o.fails[c.Base]
}

func (o *operator) Hold(_ context.Context, h rotator.Hold) error {
	o.note("hold", h.String(), h.By, h.Until.Format(time.DateOnly), h.Reason)
	return o.fails[h.Base]
}

func (o *operator) Undo(_ context.Context, h rotator.Hold) (rotator.Rotation, error) {
	o.note("undo", h.String(), h.By, h.Until.Format(time.DateOnly), h.Reason)
	return rotator.Rotation{ID: "r-" + h.Base, CredentialID: h.CredentialID, Stage: rotator.StageReactivating, Reason: rotator.ReasonManual}, o.fails[h.Base]
}

func (o *operator) Release(_ context.Context, c rotator.CredentialID, actor string) error {
	o.note("release", c.String(), actor)
	return o.fails[c.Base]
}

func (o *operator) Approve(_ context.Context, provider, actor string, within time.Duration) (int, error) {
	o.note("approve", provider, actor, within.String())
	return 42, o.fails[provider]
}

func (o *operator) ScanNow() { o.note("scan") }

func (o *operator) Supply(_ context.Context, c rotator.CredentialID, s rotator.Supplied, actor string) (rotator.Rotation, error) {
	o.note("supply", c.String(), string(s.Secret.Reveal()), s.KeyID, s.Expires.Format(time.DateOnly), actor)
	return rotator.Rotation{ID: "r-" + c.Base, CredentialID: c, Stage: rotator.StageMinted, Reason: rotator.ReasonManual}, o.fails[c.Base]
}

func (o *operator) Removed(_ context.Context, c rotator.CredentialID, actor string) (rotator.Rotation, error) {
	o.note("removed", c.String(), actor)
	return rotator.Rotation{ID: "r-" + c.Base, CredentialID: c, Stage: rotator.StageRevoking, Reason: rotator.ReasonManual}, o.fails[c.Base]
}

func (o *operator) Provision(_ context.Context, d rotator.DeclaredUser, actor string) (rotator.Provision, error) {
	o.note("provision", d.Provider, d.Label, d.Credential, d.Spec.Email, actor)
	return rotator.Provision{DeclaredUser: d, State: rotator.ProvisionWanted, Actor: actor}, o.fails[d.Credential]
}

// site is a server under test, on a real listener.
type site struct {
	*web.Server
	t        *testing.T
	url      string
	client   *http.Client
	journal  *viewtest.Journal
	operator *operator
	stop     context.CancelFunc
	ended    chan error
}

type change func(*web.Options, *site)

// serve starts a server on a loopback address, without authentication.
func serve(t *testing.T, changes ...change) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, changes...)
}

// network is a listener that says it is bound to every address.
type network struct{ net.Listener }

func (network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 9650} }

// serveNetwork starts a server that believes to be reachable over the network.
func serveNetwork(t *testing.T, changes ...change) *site {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, network{l}, changes...)
	s.url = strings.Replace(s.url, "0.0.0.0:9650", l.Addr().String(), 1)
	return s
}

func serveOn(t *testing.T, l net.Listener, changes ...change) *site {
	t.Helper()
	s := &site{t: t, url: "http://" + l.Addr().String(), client: http.DefaultClient, journal: &viewtest.Journal{}, operator: &operator{}, ended: make(chan error, 1)}
	o := web.Options{
		Operator: s.operator, Providers: func() []string { return []string{"cc"} },
		Metrics: prometheus.NewRegistry(), Version: "1.2.3",
		Reload: func(context.Context) error { return nil },
	}
	for _, c := range changes {
		c(&o, s)
	}
	o.Journal = s.journal
	server, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = server
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go func() { s.ended <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-s.ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		s.ended <- nil
		s.client.CloseIdleConnections()
	})
	return s
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask makes a request. headers are pairs of name and value.
func (s *site) ask(method, path, body string, headers ...string) reply {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: string(text)}
}

func (s *site) get(path string) reply { s.t.Helper(); return s.ask(http.MethodGet, path, "") }

// want fails the test unless the answer has the status and holds all the texts.
func (r reply) want(t *testing.T, status int, texts ...string) {
	t.Helper()
	if r.status != status {
		t.Errorf("status %d, want %d: %s", r.status, status, r.body)
	}
	for _, text := range texts {
		if !strings.Contains(r.body, text) {
			t.Errorf("%q is not in the answer:\n%s", text, r.body)
		}
	}
}

// problem is want for an error of the API.
func (r reply) problem(t *testing.T, status int, texts ...string) web.Problem {
	t.Helper()
	r.want(t, status, texts...)
	if got := r.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q, want a problem", got)
	}
	var p web.Problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	if p.Status != status || p.Detail == "" {
		t.Errorf("the problem does not say what is wrong: %+v", p)
	}
	return p
}

func decode[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader([]byte(r.body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

func TestHealthAndReadiness(t *testing.T) {
	s := serve(t)
	s.get("/-/healthy").want(t, 200, "running")
	s.get("/-/ready").want(t, 503, "rotatord is starting")
	s.SetReady()
	s.get("/-/ready").want(t, 200)
	s.SetUnready("the journal is being upgraded")
	s.get("/-/ready").want(t, 503, "not ready: the journal is being upgraded")
	s.get("/-/healthy").want(t, 200)
	s.ask(http.MethodHead, "/-/healthy", "").want(t, 200)
}

func TestReload(t *testing.T) {
	var verdict error
	s := serve(t, func(o *web.Options, _ *site) { o.Reload = func(context.Context) error { return verdict } })
	s.ask(http.MethodPost, "/-/reload", "").want(t, 200, "in force")
	verdict = errors.New("a.yaml:3:5: grace: is not a duration\na.yaml:9:1: no sinks")
	s.ask(http.MethodPost, "/-/reload", "").want(t, 500, "stays in force", "a.yaml:3:5", "a.yaml:9:1")
	s.get("/-/reload").want(t, 405)
}

func TestMetricsAreServed(t *testing.T) {
	registry := prometheus.NewRegistry()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "rotatord_test", Help: "A test."})
	registry.MustRegister(g)
	s := serve(t, func(o *web.Options, _ *site) { o.Metrics = registry })
	s.get("/metrics").want(t, 200, "rotatord_test 0")
}

func TestWebConfigFileThatCannotBeUsed(t *testing.T) {
	_, err := web.New(web.Options{WebConfigFile: t.TempDir() + "/missing.yml"})
	if err == nil || !strings.Contains(err.Error(), "missing.yml") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestStopFinishesAnswersInFlight(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(o *web.Options, _ *site) {
		o.Reload = func(ctx context.Context) error {
			close(entered)
			<-leave
			return ctx.Err()
		}
	})
	answered := make(chan reply, 1)
	go func() { answered <- s.ask(http.MethodPost, "/-/reload", "") }()
	<-entered
	s.stop()
	for refused := false; !refused; { // the listener closes first
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if refused = err != nil; !refused {
			_ = conn.Close()
		}
	}
	close(leave)
	(<-answered).want(t, 200, "in force")
}

func TestServeSaysWhyItEnded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	server, err := web.New(web.Options{Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(t.Context(), l); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("got %v, want an error that names the address", err)
	}
}

func TestLargeBodiesAndHeadersAreRefused(t *testing.T) {
	s := serve(t)
	s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"`+strings.Repeat("x", 128<<10)+`"}`).problem(t, 413)
	s.ask(http.MethodGet, "/-/healthy", "", "X-Long", strings.Repeat("x", 256<<10)).want(t, 431)
	if len(s.operator.did()) > 0 {
		t.Error("something was done")
	}
}
