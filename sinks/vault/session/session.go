package session

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
)

// Session keeps a valid token at hand. It is safe for concurrent use.
type Session struct {
	dial    *dialer
	method  method
	observe func(Request)
	// gate is held by the one goroutine that logs in, renews or looks the token up.
	gate chan struct{}

	mu      sync.Mutex
	current *grant // nil before the first login; replaced, never changed
}

// New makes a session. It reads the certificates and sends nothing. The error joins everything that is wrong with the options.
func New(o Options) (*Session, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	dial, err := newDialer(o)
	if err != nil {
		return nil, err
	}
	return &Session{dial: dial, method: newMethod(o.Auth), observe: o.Observer, gate: make(chan struct{}, 1)}, nil
}

// Call runs send with a client that has a valid token, and tells the observer of it as operation. If the token is refused, it
// runs send once more with another: a refused request has changed nothing. send returns faults, as [Classify] makes them.
func (s *Session) Call(ctx context.Context, operation string, send func(*api.Client) error) error {
	return s.with(ctx, func(g *grant) error {
		return s.timed(operation, func() error { return send(g.client) })
	})
}

// Check asks the server whether it is there, unsealed, and takes the token. It renews the token where that is due.
func (s *Session) Check(ctx context.Context) error {
	return s.with(ctx, func(g *grant) error { return s.check(ctx, g) })
}

// Expires is when the token in use ends: zero before the first login, and for a token that never ends.
func (s *Session) Expires() time.Time {
	if g := s.grant(); g != nil {
		return g.expires
	}
	return time.Time{}
}

// Ends is when the credential ends that a person has to replace: the secret id of an AppRole, where the server tells, or a token. It is
// zero for what the session logs in with anew, for what never ends, and for a token that is renewed in good time.
func (s *Session) Ends() time.Time {
	g := s.grant()
	if g != nil && g.own {
		return g.secretEnds
	}
	if g == nil || g.expires.IsZero() || g.renewable && time.Until(g.expires) > g.ttl/3 {
		return time.Time{}
	}
	return g.expires
}

func (s *Session) grant() *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *Session) set(g grant) *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = &g
	return &g
}

func (s *Session) enter(ctx context.Context) (leave func(), err error) {
	select {
	case s.gate <- struct{}{}:
		return func() { <-s.gate }, nil
	case <-ctx.Done():
		return nil, Classify(s.method.String(), ctx.Err())
	}
}

// with runs send with a valid token, and once more with another if that token is refused: a refused request has changed
// nothing.
func (s *Session) with(ctx context.Context, send func(*grant) error) error {
	g, err := s.ready(ctx)
	if err != nil {
		return err
	}
	err = send(g)
	if rotator.KindOf(err) != rotator.Denied {
		return err
	}
	next, loginErr := s.again(ctx, g)
	if loginErr != nil {
		return loginErr
	}
	if next == g {
		return err
	}
	return send(next)
}

// ready returns a token that is believed to be valid, after a login or a renewal where one is due.
func (s *Session) ready(ctx context.Context) (*grant, error) {
	if g := s.grant(); g != nil && g.fresh(time.Now()) {
		if _, watched := s.method.(*tokenFile); !watched {
			return g, nil
		}
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	g := s.grant()
	switch {
	case g == nil || s.method.outdated():
		return s.login(ctx)
	case g.fresh(time.Now()):
		return g, nil
	default:
		return s.prolong(ctx, g)
	}
}

// fresh reports whether nothing has to be done about the grant yet.
func (g *grant) fresh(now time.Time) bool { return g.renewAt.IsZero() || now.Before(g.renewAt) }

// again gets another token after the given one was refused. It returns the same one when there is no other: a token
// file that has not changed.
func (s *Session) again(ctx context.Context, refused *grant) (*grant, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if g := s.grant(); g != refused {
		return g, nil
	}
	if _, watched := s.method.(*tokenFile); watched && !s.method.outdated() {
		return refused, nil
	}
	g, err := s.login(ctx)
	if err == nil && refused.own {
		s.revoke(ctx, refused)
	}
	return g, err
}

// prolong renews a token, or gets another where that does not help much: near its longest life, Vault grants less and less. A token
// that is still valid stays in use while the server cannot be asked.
func (s *Session) prolong(ctx context.Context, g *grant) (*grant, error) {
	alive := time.Now().Before(g.expires)
	if g.renewable && (alive || !g.own) {
		renewed, err := s.renew(ctx, g)
		switch {
		case err == nil && (!g.own || time.Until(renewed.expires) > g.ttl/3):
			return s.set(renewed), nil
		case err != nil && passing(err):
			return g, nil
		}
	}
	if !g.own && alive { // whoever writes the file will replace it
		kept := *g
		kept.renewAt = g.expires
		return s.set(kept), nil
	}
	next, err := s.login(ctx)
	if err != nil && alive && passing(err) {
		return g, nil
	}
	return next, err
}

// passing reports whether an error is about the server's state, and not about the credential.
func passing(err error) bool {
	kind := rotator.KindOf(err)
	return kind == rotator.Transient || kind == rotator.Throttled
}

// login is called with the gate held.
func (s *Session) login(ctx context.Context) (*grant, error) {
	g, err := s.method.login(ctx, s)
	if err != nil {
		return nil, err
	}
	return s.set(g), nil
}

// ask logs in at an auth method's path. Any answer that is not about the server's own state means that the credential is bad.
func (s *Session) ask(ctx context.Context, op string, credential rotator.Secret, body map[string]any) (grant, error) {
	anonymous, err := s.dial.client("")
	if err != nil {
		return grant{}, Classify(op, err)
	}
	var answer *api.Secret
	err = s.timed(opLogin, func() error {
		var err error
		answer, err = anonymous.Logical().WriteWithContext(ctx, op, body)
		return loginFault(op, err, credential)
	})
	if err != nil {
		return grant{}, err
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return grant{}, rotator.NewFault(op, rotator.Invalid, "%w; check address and mount", errNoAuth)
	}
	client, err := s.dial.client(answer.Auth.ClientToken)
	if err != nil {
		return grant{}, Classify(op, err)
	}
	ttl := time.Duration(answer.Auth.LeaseDuration) * time.Second
	g := grant{client: client, own: true, ttl: ttl, renewable: answer.Auth.Renewable, role: answer.Auth.Metadata["role_name"]}
	if ttl == 0 { // for ever: every other login is given a time to live
		return g, nil
	}
	return g.lasting(ttl, time.Now()), nil
}

func loginFault(op string, err error, credential rotator.Secret) error {
	fault := Classify(op, err, credential)
	if Status(err) == http.StatusBadRequest {
		return rotator.NewFault(op, rotator.Denied, "the login was refused: %w", fault)
	}
	return fault
}

func (s *Session) renew(ctx context.Context, g *grant) (grant, error) {
	var answer *api.Secret
	err := s.timed(opRenew, func() error {
		var err error
		answer, err = g.client.Auth().Token().RenewSelfWithContext(ctx, 0)
		return Classify("auth/token/renew-self", err)
	})
	if err != nil {
		return grant{}, err
	}
	if answer == nil || answer.Auth == nil {
		return grant{}, rotator.NewFault("auth/token/renew-self", rotator.Invalid, "%w", errNoAuth)
	}
	renewed := *g
	renewed.renewable = answer.Auth.Renewable
	return renewed.lasting(time.Duration(answer.Auth.LeaseDuration)*time.Second, time.Now()), nil
}

// lookup asks what the server knows of a client's token.
func (s *Session) lookup(ctx context.Context, client *api.Client) (grant, error) {
	const op = "auth/token/lookup-self"
	var answer *api.Secret
	err := s.timed(opLookup, func() error {
		var err error
		answer, err = client.Auth().Token().LookupSelfWithContext(ctx)
		return Classify(op, err)
	})
	if err != nil {
		return grant{}, err
	}
	ttl, err := answer.TokenTTL()
	if err != nil || answer == nil || answer.Data["ttl"] == nil {
		return grant{}, rotator.NewFault(op, rotator.Invalid, "the answer does not say how long the token lives; check address")
	}
	renewable, _ := answer.TokenIsRenewable() // absent for tokens that are not
	g := grant{client: client, ttl: ttl, renewable: renewable}
	if ttl == 0 && answer.Data["expire_time"] == nil { // whole seconds: one that ends has 0 in its last
		return g, nil
	}
	return g.lasting(ttl, time.Now()), nil
}

// check asks the server about the token, and notes how long it still lives.
func (s *Session) check(ctx context.Context, g *grant) error {
	seen, err := s.lookup(ctx, g.client)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == g {
		known := *g
		known.expires = seen.expires
		s.current = &known
	}
	return nil
}

// revoke gives back a token that was refused. It may be expired, and then there is nothing to give back.
func (s *Session) revoke(ctx context.Context, g *grant) {
	_ = s.timed(opRevoke, func() error {
		return Classify("auth/token/revoke-self", g.client.Auth().Token().RevokeSelfWithContext(ctx, ""))
	})
}

// timed tells the observer of one request.
func (s *Session) timed(operation string, send func() error) error {
	start := time.Now()
	err := send()
	s.observe(Request{Operation: operation, Took: time.Since(start), Err: err})
	return err
}
