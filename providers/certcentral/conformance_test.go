package certcentral_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/providers/providertest"
	"github.com/rotatord/rotatord/rotator"
)

// account is an emulated account over real HTTP, and a count of what reached it.
type account struct {
	*emulator.CertCentral
	url string

	mu   sync.Mutex
	seen []string // method and path below the base
}

func newAccount(t *testing.T, o emulator.CertCentralOptions) *account {
	t.Helper()
	if o.Rates == nil {
		o.Rates = []emulator.Rate{}
	}
	a := &account{CertCentral: emulator.NewCertCentral(o)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r.Method+" "+strings.TrimPrefix(r.URL.Path, a.BasePath()))
		a.mu.Unlock()
		a.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL + a.BasePath()
	return a
}

// provider returns a provider for the account with the manager key, unless o says otherwise.
func (a *account) provider(t *testing.T, o certcentral.Options) *certcentral.Provider {
	t.Helper()
	o.BaseURL = a.url
	if o.Key == nil {
		o.Key = fixed(a.ManagerSecret())
	}
	if o.Rates == nil {
		o.Rates = []certcentral.Rate{}
	}
	p, err := certcentral.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return p
}

func fixed(secret string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(secret), nil }
}

func (a *account) requests(match func(string) bool) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.seen {
		if match(s) {
			n++
		}
	}
	return n
}

func (a *account) order(t *testing.T, f ...emulator.Fault) {
	t.Helper()
	if err := a.Faults.Add(f...); err != nil {
		t.Fatalf("ordering a fault: %v", err)
	}
}

func (a *account) addKey(t *testing.T, k emulator.CertCentralKey) (id string, secret rotator.Secret) {
	t.Helper()
	n, text, err := a.AddKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.FormatInt(n, 10), rotator.SecretString(text)
}

func parse(t *testing.T, id string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var matches = map[providertest.Op]emulator.Match{
	// What the manager reads, but for its own user.
	providertest.OpScan:   {Method: "GET", Caller: "manager"},
	providertest.OpMint:   {Method: "POST", Path: "/key/user/*"},
	providertest.OpCheck:  {Method: "GET", Path: "/user/me"},
	providertest.OpRetire: {Method: "PUT", Path: "/key/*/status"},
}

var effects = map[providertest.Disturbance]emulator.Effect{
	providertest.LostBefore:  {Kind: emulator.EffectLost},
	providertest.LostAfter:   {Kind: emulator.EffectLost, AfterEffect: true},
	providertest.ResetBefore: {Kind: emulator.EffectReset},
	providertest.ResetAfter:  {Kind: emulator.EffectReset, AfterEffect: true},
	providertest.FailBefore:  {Kind: emulator.EffectStatus, Status: http.StatusBadGateway},
	providertest.FailAfter:   {Kind: emulator.EffectStatus, Status: http.StatusBadGateway, AfterEffect: true},
	providertest.Throttled:   {Kind: emulator.EffectStatus, Status: http.StatusTooManyRequests, RetryAfter: emulator.Duration(time.Minute)},
	providertest.Refused:     {Kind: emulator.EffectStatus, Status: http.StatusForbidden},
	providertest.Garbage:     {Kind: emulator.EffectGarbage},
	providertest.Truncated:   {Kind: emulator.EffectTruncate},
	providertest.Cut:         {Kind: emulator.EffectCut},
	providertest.RepeatPage:  {Kind: emulator.EffectRepeatPage},
	providertest.Stalled:     {Kind: emulator.EffectDelay, Delay: emulator.Duration(time.Hour)},
}

var states = map[string]rotator.KeyState{"active": rotator.KeyActive, "revoked": rotator.KeyRevoked}

func TestConformance(t *testing.T) {
	providertest.Run(t, func(t *testing.T) providertest.Harness {
		a := newAccount(t, emulator.CertCentralOptions{})
		const pageSize = 3
		return providertest.Harness{
			Provider: a.provider(t, certcentral.Options{PageSize: pageSize}),
			PageSize: pageSize,
			Secrets:  []string{a.ManagerSecret()},
			AddUser: func(*testing.T) string {
				return strconv.FormatInt(a.AddUser(emulator.CertCentralUser{}), 10)
			},
			AddKey: func(t *testing.T, userID, name string) (string, rotator.Secret) {
				return a.addKey(t, emulator.CertCentralKey{UserID: parse(t, userID), Name: name})
			},
			Keys: func(t *testing.T, userID string) (keys []rotator.Key) {
				for _, k := range a.Keys(parse(t, userID)) {
					keys = append(keys, rotator.Key{ID: strconv.FormatInt(k.ID, 10), UserID: userID, Name: k.Name, State: states[k.Status]})
				}
				return keys
			},
			Disturb: func(t *testing.T, op providertest.Op, nth int, d providertest.Disturbance) {
				a.order(t, emulator.Fault{Match: matches[op], Nth: nth, Count: 1, Effect: effects[d]})
			},
			Requests: func(op providertest.Op) int { return a.requests(isOp[op]) },
		}
	})
}

var isOp = map[providertest.Op]func(string) bool{
	providertest.OpScan:   func(s string) bool { return s == "GET /user/api-only" || s == "GET /key" },
	providertest.OpMint:   func(s string) bool { return strings.HasPrefix(s, "POST /key/user/") },
	providertest.OpCheck:  func(s string) bool { return s == "GET /user/me" },
	providertest.OpRetire: func(s string) bool { return strings.HasPrefix(s, "PUT /key/") },
}
