package dataspot_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/providers/providertest"
	"github.com/rotatord/rotatord/rotator"
)

// server is an emulated server over real HTTP, and a count of what reached it. When its test ends, it must never have been told to
// delete anything.
type server struct {
	*emulator.Dataspot
	url string

	mu   sync.Mutex
	seen []string // method and path below the database
}

func newServer(t *testing.T, o emulator.DataspotOptions) *server {
	t.Helper()
	s := &server{Dataspot: emulator.NewDataspot(o)}
	below := s.BasePath() + "/rest/" + s.Database()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+strings.TrimPrefix(r.URL.Path, below))
		s.mu.Unlock()
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		web.Close()
		if s.CollectionDeletes() != 0 || s.requests(func(r string) bool { return strings.HasPrefix(r, http.MethodDelete) }) != 0 {
			t.Errorf("the server was told to delete: %v", s.seen)
		}
	})
	s.url = web.URL
	return s
}

const throwaway = "throw-away"

// options are those of a provider for the server's first tenant.
func (s *server) options(change func(*dataspot.Options)) dataspot.Options {
	o := dataspot.Options{
		Name: "ds", BaseURL: s.url + s.BasePath(), Database: s.Database(), Tenant: "ACME", Key: fixed(s.ManagerSecret("ACME")),
		TenantHeader: "dataspot-tenant", Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	return o
}

func (s *server) provider(t *testing.T, change func(*dataspot.Options)) *dataspot.Provider {
	t.Helper()
	p, err := dataspot.New(s.options(change))
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return p
}

// creating asks for keys to be made by PATCH.
func creating(o *dataspot.Options) {
	o.CreateKeys, o.ThrowawayUser = dataspot.ByPatch, throwaway
}

func fixed(secret string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(secret), nil }
}

func (s *server) requests(match func(string) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.seen {
		if match(r) {
			n++
		}
	}
	return n
}

func (s *server) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = nil
}

func (s *server) order(t *testing.T, f ...emulator.Fault) {
	t.Helper()
	if err := s.Faults.Add(f...); err != nil {
		t.Fatalf("ordering a fault: %v", err)
	}
}

func (s *server) addUser(t *testing.T, login string) string {
	t.Helper()
	id, err := s.AddServiceUser("ACME", login)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (s *server) addKey(t *testing.T, userID, name string) (string, rotator.Secret) {
	t.Helper()
	id, value, err := s.AddKey(emulator.DataspotKey{UserID: userID, Name: name, Expires: time.Now().Add(30 * 24 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return id, rotator.SecretString(value)
}

var matches = map[providertest.Op]emulator.Match{
	providertest.OpScan:  {Method: "GET", Path: "/rest/*/users"},
	providertest.OpMint:  {Method: "PATCH", Path: "/rest/*/users/*"},
	providertest.OpCheck: {Method: "GET", Path: "/rest/*/tenants/*"},
}

var isOp = map[providertest.Op]func(string) bool{
	providertest.OpScan:  func(s string) bool { return s == "GET /users" },
	providertest.OpMint:  func(s string) bool { return strings.HasPrefix(s, "PATCH /users/") },
	providertest.OpCheck: func(s string) bool { return strings.HasPrefix(s, "GET /tenants/") },
}

var effects = map[providertest.Disturbance]emulator.Effect{
	providertest.LostBefore:  {Kind: emulator.EffectLost},
	providertest.LostAfter:   {Kind: emulator.EffectLost, AfterEffect: true},
	providertest.ResetBefore: {Kind: emulator.EffectReset},
	providertest.ResetAfter:  {Kind: emulator.EffectReset, AfterEffect: true},
	providertest.FailBefore:  {Kind: emulator.EffectStatus, Status: http.StatusBadGateway},
	providertest.FailAfter:   {Kind: emulator.EffectStatus, Status: http.StatusBadGateway, AfterEffect: true},
	providertest.Throttled:   {Kind: emulator.EffectStatus, Status: http.StatusTooManyRequests, RetryAfter: emulator.Duration(time.Minute)},
	providertest.Refused:     {Kind: emulator.EffectStatus, Status: http.StatusUnauthorized},
	providertest.Garbage:     {Kind: emulator.EffectGarbage},
	providertest.Truncated:   {Kind: emulator.EffectTruncate},
	providertest.Cut:         {Kind: emulator.EffectCut},
	providertest.RepeatPage:  {Kind: emulator.EffectRepeatPage},
	providertest.Stalled:     {Kind: emulator.EffectDelay, Delay: emulator.Duration(time.Hour)},
}

// harness is that of a server that people make keys at, or of one whose keys are made by calls and listed.
func harness(t *testing.T, byCall bool) providertest.Harness {
	s := newServer(t, emulator.DataspotOptions{ShowKeys: byCall, ContextPath: "/dataspot"})
	s.addUser(t, throwaway)
	p := s.provider(t, func(o *dataspot.Options) {
		if byCall {
			creating(o)
			o.ListsKeys = true
		}
	})
	if byCall {
		// What the throw-away user has to show is tested elsewhere; the disturbances shall hit what comes after it.
		first := s.addUser(t, "first")
		if _, err := p.Mint(t.Context(), rotator.MintRequest{UserID: first, Name: "first", Lifetime: 48 * time.Hour}); err != nil {
			t.Fatalf("the first Mint: %v", err)
		}
		s.forget()
	}
	var users atomic.Int32
	return providertest.Harness{
		Provider: p, PageSize: 3, Anonymous: true, Secrets: []string{s.ManagerSecret("ACME")},
		AddUser: func(t *testing.T) string { return s.addUser(t, fmt.Sprintf("user-%d", users.Add(1))) },
		AddKey:  s.addKey,
		Keys: func(_ *testing.T, userID string) (keys []rotator.Key) {
			for _, k := range s.Keys(userID) {
				keys = append(keys, rotator.Key{ID: k.ID, UserID: userID, Name: k.Name, State: rotator.KeyActive})
			}
			return keys
		},
		Disturb: func(t *testing.T, op providertest.Op, nth int, d providertest.Disturbance) {
			s.order(t, emulator.Fault{Match: matches[op], Nth: nth, Count: 1, Effect: effects[d]})
		},
		Requests: func(op providertest.Op) int { return s.requests(isOp[op]) },
	}
}

func TestConformance(t *testing.T) {
	t.Run("keys made by people", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providertest.Harness { return harness(t, false) })
	})
	t.Run("keys made by calls", func(t *testing.T) {
		providertest.Run(t, func(t *testing.T) providertest.Harness { return harness(t, true) })
	})
}
