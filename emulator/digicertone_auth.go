package emulator

import (
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	d1Header = "X-Api-Key"
	// d1ClientAuthHost is put before the host's name by clients that present a certificate.
	d1ClientAuthHost = "clientauth."
)

// d1Identity is what a call shows of its caller, valid or not: the token, or the user of a client certificate. The zero
// value is a stranger.
type d1Identity struct {
	id, name string // of the token or of the certificate's user, for usage and faults
	user     *d1User
	token    *d1Token // nil for a certificate without a key
}

// whose identifies the caller of a call for its usage and its faults: "" for a stranger.
func (s *DigiCertOne) whose(r *http.Request) (id, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, _ := s.identify(r)
	return who.id, who.name
}

// identify follows the documents: on the host for client certificates the certificate counts, elsewhere the key alone.
func (s *DigiCertOne) identify(r *http.Request) (d1Identity, *d1Error) {
	secret := r.Header.Get(d1Header)
	token := s.bySecret(secret)
	if !strings.HasPrefix(r.Host, d1ClientAuthHost) {
		if token == nil {
			return d1Identity{}, d1BadKey
		}
		return d1Identity{id: tokenID(token.id), name: token.name, user: &s.users[token.user-1], token: token}, nil
	}
	user := s.byCertificate(r)
	if user == nil {
		return d1Identity{}, d1BadKey
	}
	who := d1Identity{id: userID(user.id), name: user.name, user: user}
	switch {
	case secret == "" && s.options.KeyWithCertificate == KeyRequired:
		return who, d1BadKey
	case secret == "":
		return who, nil
	case s.options.KeyWithCertificate == KeyRefused:
		return who, d1BadRequest("Leave out x-api-key with a client certificate.")
	case token == nil || token.user != user.id:
		return who, d1BadKey
	}
	who.token = token
	return who, nil
}

// byCertificate finds the user of the certificate that was presented. The handshake has proved that the client holds its
// key, and [DigiCertOne.TrustCertificate] that the certificate is that user's.
func (s *DigiCertOne) byCertificate(r *http.Request) *d1User {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	leaf := r.TLS.PeerCertificates[0]
	if now := s.options.Now(); now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return nil
	}
	id, ok := s.certificates[sha256.Sum256(leaf.Raw)]
	if !ok {
		return nil
	}
	return &s.users[id-1]
}

// TrustCertificate makes a client certificate one of a user's. Whoever presents it in a TLS handshake with the host
// "clientauth." is that user, as long as the certificate is in force.
func (s *DigiCertOne) TrustCertificate(userID string, certificate *x509.Certificate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(userID)
	if u == nil {
		return d1NoUser(userID)
	}
	s.certificates[sha256.Sum256(certificate.Raw)] = u.id
	return nil
}

// d1Caller is who makes a call and what it may do.
type d1Caller struct {
	user         int
	view, manage bool
	accounts     []int
}

// reaches reports whether the caller has access to a user's account. Access to the primary one is asked for, which is the
// stricter reading.
func (c d1Caller) reaches(u *d1User) bool { return slices.Contains(c.accounts, u.accounts[0]) }

// admit lets a call in or says why not: the instance must be up, the token or certificate alive and within its rates. It
// records the use.
func (s *DigiCertOne) admit(r *http.Request) (d1Caller, *d1Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	if now.Before(s.maintenance) {
		return d1Caller{}, d1Maintenance.after(s.maintenance.Sub(now))
	}
	who, refusal := s.identify(r)
	usage := s.usageOf(who.id)
	if refusal == nil && !s.accepts(who, now) {
		refusal = d1BadKey
	}
	if refusal != nil {
		usage.refuse(now, r)
		return d1Caller{}, refusal
	}
	if wait := s.windowsOf(who.id).enter(now); wait > 0 {
		usage.Throttled++
		return d1Caller{}, d1TooMany.after(wait)
	}
	usage.accept(now)
	if who.token != nil {
		who.token.use(now.UnixNano(), s.options.LastUsedLag)
	}
	return callerOf(who.user), nil
}

func callerOf(u *d1User) d1Caller {
	c := d1Caller{user: u.id, accounts: slices.Clone(u.accounts)}
	for _, id := range u.roles {
		c.view = c.view || slices.Contains(d1Roles[id-1].Permissions, d1ViewUsers)
		c.manage = c.manage || slices.Contains(d1Roles[id-1].Permissions, d1ManageUsers)
	}
	return c
}

// accepts reports whether a call of the caller is let in, propagation considered.
func (s *DigiCertOne) accepts(who d1Identity, now time.Time) bool {
	at, lag := now.UnixNano(), int64(s.options.DisabledAcceptedFor)
	if !who.user.alive(at, lag) {
		return false
	}
	t := who.token
	return t == nil || (t.alive(at, lag) && (t.minted == 0 || at >= t.minted+int64(s.options.NewTokenRefusedFor)))
}

// Authenticates reports whether a call with that token would be let in now, if no fault and no rate is in its way. It does
// not count as a use.
func (s *DigiCertOne) Authenticates(secret string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.bySecret(secret)
	return t != nil && s.accepts(d1Identity{user: &s.users[t.user-1], token: t}, s.options.Now())
}

func (s *DigiCertOne) windowsOf(id string) *windows {
	if s.windows[id] == nil {
		s.windows[id] = newWindows(s.options.Rates)
	}
	return s.windows[id]
}
