package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// Emulator is an issuing system that is served over real HTTP on a loopback address, faults and admin handler included.
type Emulator struct {
	System
	// Root is where it is served, BaseURL where its API begins, and AdminURL where its admin handler is.
	Root, BaseURL, AdminURL string
	// Client makes the calls of consumers.
	Client *http.Client

	t       testing.TB
	address string
	server  *http.Server

	mu      sync.Mutex
	secrets []string
	watch   func(Call)
	ahead   time.Duration
}

// Ahead has the system tell a time in its answers that is ahead by so much.
func (e *Emulator) Ahead(by time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ahead = by
}

// Call is one call to the emulated API by somebody else than a consumer.
type Call struct {
	// Method and Path are the request's; Path is below the API's base.
	Method, Path string
	// Done is false when the call arrives, and true when it was carried out and answered, or left unanswered.
	Done bool
}

// Serve serves a system until the test ends.
func Serve(t testing.TB, s System) *Emulator {
	t.Helper()
	e := &Emulator{System: s, t: t, address: "127.0.0.1:0", Client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 10 * time.Second,
	}}
	e.Learn(e.ManagerSecret())
	e.Up()
	e.Root = "http://" + e.address
	e.BaseURL, e.AdminURL = e.Root+e.BasePath(), e.Root+"/_emulator"
	t.Cleanup(func() {
		e.Client.CloseIdleConnections()
		e.Down()
	})
	return e
}

// Up serves the system, after [Emulator.Down] at the same address as before.
func (e *Emulator) Up() {
	e.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", e.address)
	if err != nil {
		e.t.Fatalf("serve the emulator: %v", err)
	}
	e.address = l.Addr().String()
	mux := http.NewServeMux()
	mux.Handle("/_emulator/", e.AdminHandler())
	mux.HandleFunc("/", e.serve)
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go e.server.Serve(l) //nolint:errcheck // it ends when it is closed
}

// Down refuses and cuts all connections. The system keeps its state.
func (e *Emulator) Down() { _ = e.server.Close() }

// Watch calls f at the beginning and at the end of each call that is not a consumer's. It holds the call up, and is called by
// several goroutines at once.
func (e *Emulator) Watch(f func(Call)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.watch = f
}

// Order orders faults.
func (e *Emulator) Order(faults ...emulator.Fault) {
	e.t.Helper()
	if err := e.Orders().Add(faults...); err != nil {
		e.t.Fatal(err)
	}
}

// Key is the key of that id, if it is there.
func (e *Emulator) Key(id string) (Key, bool) {
	keys := e.Keys("")
	i := slices.IndexFunc(keys, func(k Key) bool { return k.ID == id })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}

// Active are the keys of a user that are accepted.
func (e *Emulator) Active(userID string) []Key {
	return slices.DeleteFunc(e.Keys(userID), func(k Key) bool { return k.Status != KeyActive })
}

// AddService puts a service user into the account, with a key of that age.
func (e *Emulator) AddService(name, key string, age time.Duration) Service {
	e.t.Helper()
	s, err := e.NewService(name, key, age)
	if err != nil {
		e.t.Fatal(err)
	}
	e.Learn(s.Secret)
	return s
}

// Secrets are all the secrets that were ever handed out: the administrator's, those of seeded keys, and those in answers to
// create calls.
func (e *Emulator) Secrets() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.secrets...)
}

// Use calls the API with a secret as a consumer does. It returns an error if the provider refuses the secret, or answers
// nothing.
func (e *Emulator) Use(ctx context.Context, secret string) error {
	path, header := e.Consumer()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.BaseURL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set(header, secret)
	req.Header.Set(consumerHeader, "1")
	answer, err := e.Client.Do(req)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // only the status counts
	if answer.StatusCode != http.StatusOK {
		return &RefusedError{Status: answer.StatusCode, Key: e.describe(secret)}
	}
	return nil
}

// RefusedError says that the provider refused a secret.
type RefusedError struct {
	Status int
	// Key is what the secret belongs to.
	Key string
}

// Error names the key and the answer.
func (r *RefusedError) Error() string {
	return fmt.Sprintf("the provider answers %d to %s", r.Status, r.Key)
}

// Refused reports whether err is a refusal of the provider.
func Refused(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}

// describe says what a secret is, without it.
func (e *Emulator) describe(secret string) string {
	k, ok := e.KeyOfSecret(secret)
	if !ok {
		return fmt.Sprintf("a text of %d bytes that is no key", len(secret))
	}
	return fmt.Sprintf("key %s (id %s, %s)", k.Name, k.ID, k.Status)
}

// consumerHeader marks the calls of consumers.
const consumerHeader = "X-Consumer"

func (e *Emulator) serve(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, e.BasePath())
	if r.Header.Get(consumerHeader) != "" {
		e.ServeHTTP(w, r)
		return
	}
	e.mu.Lock()
	watch, ahead := e.watch, e.ahead
	e.mu.Unlock()
	if ahead != 0 {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
	}
	if watch != nil {
		watch(Call{Method: r.Method, Path: path})
		defer watch(Call{Method: r.Method, Path: path, Done: true})
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut && r.Method != http.MethodPatch {
		e.ServeHTTP(w, r)
		return
	}
	tap := &tap{ResponseWriter: w}
	defer func() { e.learnFrom(tap.body.Bytes()) }()
	e.ServeHTTP(tap, r)
}

// Learn adds a secret that somebody made by hand to the [Emulator.Secrets].
func (e *Emulator) Learn(secret string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.secrets = append(e.secrets, secret)
}

// learnFrom finds the secrets in the answer to a creation, even if the answer was cut.
func (e *Emulator) learnFrom(body []byte) {
	for _, found := range e.Shown().FindAllSubmatch(body, -1) {
		var secret string
		if json.Unmarshal([]byte(`"`+string(found[1])+`"`), &secret) == nil {
			e.Learn(secret)
		}
	}
}

// tap keeps a copy of what goes out.
type tap struct {
	http.ResponseWriter
	body bytes.Buffer
}

// Write implements http.ResponseWriter.
func (t *tap) Write(p []byte) (int, error) {
	t.body.Write(p)
	return t.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }
