package digicertone_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/providers/providertest"
	"github.com/rotatord/rotatord/rotator"
)

// instance is an emulated instance over real HTTP, and a record of what reached it.
type instance struct {
	*emulator.DigiCertOne
	url string

	mu   sync.Mutex
	seen []string // method and path below the base
}

func newInstance(t *testing.T, o emulator.DigiCertOneOptions) *instance {
	t.Helper()
	if o.Rates == nil {
		o.Rates = []emulator.Rate{}
	}
	i := &instance{DigiCertOne: emulator.NewDigiCertOne(o)}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

// ServeHTTP implements http.Handler.
func (i *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	call := r.Method + " " + strings.TrimPrefix(r.URL.Path, i.BasePath())
	if call == "GET /user/me" && r.Header.Get("X-Api-Key") == i.ManagerSecret() {
		call = "GET /user/me as the manager" // and no proof of another's token
	}
	i.seen = append(i.seen, call)
	i.mu.Unlock()
	i.DigiCertOne.ServeHTTP(w, r)
}

// provider returns a provider for the instance with the manager's token, unless o says otherwise.
func (i *instance) provider(t *testing.T, o digicertone.Options) *digicertone.Provider {
	t.Helper()
	if o.BaseURL == "" {
		o.BaseURL = i.url
	}
	if o.Key == nil && o.ClientCertFile == "" {
		o.Key = fixed(i.ManagerSecret())
	}
	if o.Rates == nil {
		o.Rates = []digicertone.Rate{}
	}
	p, err := digicertone.New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return p
}

func fixed(secret string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(secret), nil }
}

func (i *instance) requests(match func(string) bool) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, s := range i.seen {
		if match(s) {
			n++
		}
	}
	return n
}

func (i *instance) order(t *testing.T, f ...emulator.Fault) {
	t.Helper()
	if err := i.Faults.Add(f...); err != nil {
		t.Fatalf("ordering a fault: %v", err)
	}
}

func (i *instance) addUser(t *testing.T, u emulator.DigiCertOneUser) (id, secret string) {
	t.Helper()
	id, secret, err := i.AddServiceUser(u)
	if err != nil {
		t.Fatal(err)
	}
	return id, secret
}

func (i *instance) addToken(t *testing.T, k emulator.DigiCertOneToken) (id string, secret rotator.Secret) {
	t.Helper()
	id, text, err := i.AddToken(k)
	if err != nil {
		t.Fatal(err)
	}
	return id, rotator.SecretString(text)
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

func keyState(disabled bool) rotator.KeyState {
	if disabled {
		return rotator.KeyDisabled
	}
	return rotator.KeyActive
}

func TestConformanceTokens(t *testing.T) {
	for name, pages := range map[string]int{"bare lists": 0, "pages": 3} {
		t.Run(name, func(t *testing.T) {
			providertest.Run(t, func(t *testing.T) providertest.Harness { return tokenHarness(t, pages) })
		})
	}
}

func tokenHarness(t *testing.T, pages int) providertest.Harness {
	i := newInstance(t, emulator.DigiCertOneOptions{NamesPerUser: true, PageLimit: pages})
	matches := map[providertest.Op]emulator.Match{
		providertest.OpScan:   {Method: "GET", Caller: "manager"},
		providertest.OpMint:   {Method: "POST", Path: "/api-access-token"},
		providertest.OpCheck:  {Method: "GET", Path: "/user/me"},
		providertest.OpRetire: {Method: "DELETE", Path: "/api-access-token/*"},
	}
	isOp := map[providertest.Op]func(string) bool{
		providertest.OpScan:   func(s string) bool { return s == "GET /user" || s == "GET /api-access-token" },
		providertest.OpMint:   func(s string) bool { return s == "POST /api-access-token" },
		providertest.OpCheck:  func(s string) bool { return s == "GET /user/me" },
		providertest.OpRetire: func(s string) bool { return strings.HasPrefix(s, "DELETE ") },
	}
	users := 0
	return providertest.Harness{
		Provider: i.provider(t, digicertone.Options{PageSize: pages}),
		PageSize: 3,
		Secrets:  []string{i.ManagerSecret()},
		AddUser: func(t *testing.T) string {
			users++
			id, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: fmt.Sprintf("user %d", users)})
			return id
		},
		AddKey: func(t *testing.T, userID, name string) (string, rotator.Secret) {
			return i.addToken(t, emulator.DigiCertOneToken{UserID: userID, Name: name})
		},
		Keys: func(_ *testing.T, userID string) (keys []rotator.Key) {
			for _, k := range i.Tokens(userID) {
				keys = append(keys, rotator.Key{ID: k.ID, UserID: userID, Name: k.Name, State: keyState(k.Disabled)})
			}
			return keys
		},
		Disturb: func(t *testing.T, op providertest.Op, nth int, d providertest.Disturbance) {
			i.order(t, emulator.Fault{Match: matches[op], Nth: nth, Count: 1, Effect: effects[d]})
		},
		Requests: func(op providertest.Op) int { return i.requests(isOp[op]) },
	}
}

func TestConformanceRecreate(t *testing.T) {
	providertest.Run(t, recreateHarness)
}

// perUser lets the suite see several keys of different names at one user, where every key is a user of its own: the user
// "u1" with the key "ci" is the service user "u1 ci".
type perUser struct {
	*digicertone.Provider
	template string

	mu    sync.Mutex
	bases map[[sha256.Size]byte]string // by the secrets' hashes
}

func (p *perUser) note(name string, secret rotator.Secret) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bases[sha256.Sum256(secret.Reveal())], _ = rotator.SplitName(name)
}

// perUserVisitor turns names back.
type perUserVisitor struct {
	rotator.Visitor
	only string
	seen map[string]bool
}

// User implements rotator.Visitor.
func (v perUserVisitor) User(u rotator.ServiceUser) error {
	u.ID, _, _ = strings.Cut(u.ID, " ")
	if v.seen[u.ID] || v.only != "" && v.only != u.ID {
		return nil
	}
	v.seen[u.ID] = true
	return v.Visitor.User(u)
}

// Key implements rotator.Visitor.
func (v perUserVisitor) Key(k rotator.Key) error {
	k.UserID, k.Name, _ = strings.Cut(k.Name, " ")
	if v.only != "" && v.only != k.UserID {
		return nil
	}
	return v.Visitor.Key(k)
}

// Scan implements rotator.Provider.
func (p *perUser) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	return p.Provider.Scan(ctx, rotator.Scope{}, perUserVisitor{v, s.UserID, map[string]bool{}})
}

// Mint implements rotator.Provider.
func (p *perUser) Mint(ctx context.Context, req rotator.MintRequest) (rotator.Minted, error) {
	if req.UserID != "" && req.Name != "" {
		base, _ := rotator.SplitName(req.Name)
		req.UserID, req.Name = req.UserID+" "+base, req.UserID+" "+req.Name
	}
	req.Replaces = p.template
	m, err := p.Provider.Mint(ctx, req)
	if err == nil {
		p.note(req.Name[strings.Index(req.Name, " ")+1:], m.Secret)
	}
	return m, err
}

// Check implements rotator.Provider.
func (p *perUser) Check(ctx context.Context, userID string, secret rotator.Secret) error {
	p.mu.Lock()
	base := p.bases[sha256.Sum256(secret.Reveal())]
	p.mu.Unlock()
	return p.Provider.Check(ctx, userID+" "+base, secret)
}

func recreateHarness(t *testing.T) providertest.Harness {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	template, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "template of-all", Roles: []string{"AM_ACCOUNT_USER"}})
	p := &perUser{Provider: i.provider(t, digicertone.Options{Mode: digicertone.RecreateMode}), template: template, bases: map[[sha256.Size]byte]string{}}
	matches := map[providertest.Op]emulator.Match{
		providertest.OpScan:   {Method: "GET", Path: "/user", Caller: "manager"},
		providertest.OpMint:   {Method: "POST", Path: "/user"},
		providertest.OpCheck:  {Method: "GET", Path: "/user/me"},
		providertest.OpRetire: {Method: "DELETE", Path: "/user/*"},
	}
	isOp := map[providertest.Op]func(string) bool{
		providertest.OpScan:   func(s string) bool { return s == "GET /user" },
		providertest.OpMint:   func(s string) bool { return s == "POST /user" },
		providertest.OpCheck:  func(s string) bool { return s == "GET /user/me" },
		providertest.OpRetire: func(s string) bool { return strings.HasPrefix(s, "DELETE ") },
	}
	users := 0
	return providertest.Harness{
		Provider: p,
		PageSize: 3,
		Secrets:  []string{i.ManagerSecret()},
		AddUser: func(t *testing.T) string {
			users++
			return fmt.Sprintf("u%d", users)
		},
		AddKey: func(t *testing.T, userID, name string) (string, rotator.Secret) {
			full := userID + " " + name
			id, text := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: full, FirstToken: full})
			p.note(name, rotator.SecretString(text))
			return id, rotator.SecretString(text)
		},
		Keys: func(_ *testing.T, userID string) (keys []rotator.Key) {
			for _, u := range i.Users() {
				if name, ok := strings.CutPrefix(u.FriendlyName, userID+" "); ok {
					keys = append(keys, rotator.Key{ID: u.ID, UserID: userID, Name: name, State: keyState(u.Disabled)})
				}
			}
			return keys
		},
		Disturb: func(t *testing.T, op providertest.Op, nth int, d providertest.Disturbance) {
			i.order(t, emulator.Fault{Match: matches[op], Nth: nth, Count: 1, Effect: effects[d]})
		},
		Requests: func(op providertest.Op) int { return i.requests(isOp[op]) },
	}
}
