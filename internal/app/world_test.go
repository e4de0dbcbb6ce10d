package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/internal/client"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/web"
)

// world is a folder with a configuration, and an emulated provider.
type world struct {
	t        *testing.T
	dir      string
	emulator *emulator.CertCentral
	server   *httptest.Server
	logs     *observer.ObservedLogs
	core     zapcore.Core
	retry    engine.Backoff
	drain    time.Duration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), emulator: emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}}),
		retry: engine.Backoff{Base: 20 * time.Millisecond, Max: 200 * time.Millisecond}}
	w.core, w.logs = observer.New(zapcore.InfoLevel)
	w.server = httptest.NewServer(w.emulator)
	t.Cleanup(w.server.Close)
	w.write("seal.key", seal.NewKey())
	w.write("manager.key", w.emulator.ManagerSecret())
	w.configure(usual)
	return w
}

// usual is what most tests run on: one policy for the keys named deploy, which are not due before they are a month old.
const usual = `
server: {listen: "127.0.0.1:0"}
store: {path: DIR/state/rotatord.db, seal: {key_file: DIR/seal.key}}
scan: {schedule: "@every 1h"}
providers:
  - {name: certcentral, type: certcentral, base_url: "BASE", api_key_file: DIR/manager.key, propagation: 1s, rates: [{requests: 100000, per: 1s}]}
sinks:
  - {name: disk, type: file, path: "DIR/keys/{{.ServiceUser}}"}
policies:
  - {name: monthly, match: {keys: [deploy]}, max_age: 60d, renew_before: 30d, grace: 0s, idle: 0s, sinks: [disk]}
`

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, content string) {
	w.t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// configure writes the configuration, with the folder and the provider's address in it.
func (w *world) configure(yaml string) {
	w.t.Helper()
	w.write("rotatord.yaml", strings.NewReplacer("DIR", w.dir, "BASE", w.server.URL+w.emulator.BasePath()).Replace(yaml))
}

// user puts a service user with a key of that age into the provider.
func (w *world) user(name, key string, age time.Duration) {
	w.t.Helper()
	id := w.emulator.AddUser(emulator.CertCentralUser{Username: name})
	if _, _, err := w.emulator.AddKey(emulator.CertCentralKey{UserID: id, Name: key, Created: time.Now().Add(-age)}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) options() Options {
	return Options{ConfigPath: w.path("rotatord.yaml"), Version: "test", Log: zap.New(w.core), Retry: w.retry, Drain: w.drain}
}

// running is an app that runs.
type running struct {
	*App
	t      *testing.T
	client *client.Client
	cancel context.CancelFunc
	ended  chan error
}

// run starts the app, and ends it with the test at the latest.
func (w *world) run() *running {
	w.t.Helper()
	a, err := New(w.t.Context(), w.options())
	if err != nil {
		w.t.Fatalf("New: %v", err)
	}
	c, err := client.New("http://" + a.Addr())
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{App: a, t: w.t, client: c, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- a.Run(ctx) }()
	w.t.Cleanup(func() { _ = r.stop() })
	await(w.t, "it to be ready", func() error {
		status, text := r.get("/-/ready")
		return want(status == http.StatusOK, "it answers %d: %s", status, text)
	})
	return r
}

// stop ends the app and returns what Run returned; again, if it has ended before.
func (r *running) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- err
	return err
}

func (r *running) get(path string) (int, string) {
	r.t.Helper()
	return r.ask(http.MethodGet, path)
}

func (r *running) ask(method, path string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.Addr()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (r *running) status() web.Status {
	r.t.Helper()
	s, err := r.client.Status(r.t.Context())
	if err != nil {
		r.t.Fatalf("status: %v", err)
	}
	return s
}

// metric is the value of the series as it stands in the exposition, labels and all.
func (r *running) metric(series string) float64 {
	r.t.Helper()
	_, text := r.get("/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				r.t.Fatalf("%s: %v", line, err)
			}
			return n
		}
	}
	r.t.Fatalf("/metrics has no series %s", series)
	return 0
}

// patience is how long an effect is waited for; a busy machine takes its time.
const patience = 30 * time.Second

// await looks until look returns nil.
func await(t *testing.T, what string, look func() error) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for give := time.Now().Add(patience); ; <-tick.C {
		err := look()
		if err == nil {
			return
		}
		if time.Now().After(give) {
			t.Fatalf("waited %s in vain for %s: %v", patience, what, err)
		}
	}
}

// want makes an error of what is not so.
func want(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// exists waits until the file is there.
func exists(t *testing.T, path string) {
	t.Helper()
	await(t, path, func() error {
		_, err := os.Stat(path)
		return err
	})
}

// missing fails the test if the file is there.
func missing(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there, or cannot be looked for: %v", path, err)
	}
}
