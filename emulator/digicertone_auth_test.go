package emulator

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// clientCertificate makes one that is in force for that long from the start of a rig on.
func clientCertificate(t *testing.T, lifetime time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ci"}, NotBefore: d1Start, NotAfter: d1Start.Add(lifetime),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// presenting is a handler that sees that certificate in every request, as if a handshake had shown it.
func presenting(next http.Handler, certificates ...*x509.Certificate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{PeerCertificates: certificates}
		next.ServeHTTP(w, r)
	})
}

func TestDigiCertOneClientCertificates(t *testing.T) {
	certificate, unknown := clientCertificate(t, time.Hour), clientCertificate(t, time.Hour)
	const own, others = "own", "others"
	for _, c := range []struct {
		name, host, key string
		rule            DigiCertOneKeyRule
		shown           []*x509.Certificate
		after           time.Duration
		status          int
		code            string
	}{
		{"certificate alone", "clientauth.one.example", "", KeyRefused, []*x509.Certificate{certificate.Leaf}, 0, 200, ""},
		{"certificate alone, key allowed", "clientauth.one.example", "", KeyAllowed, []*x509.Certificate{certificate.Leaf}, 0, 200, ""},
		{"certificate alone, key required", "clientauth.one.example", "", KeyRequired, []*x509.Certificate{certificate.Leaf}, 0, 401, "invalid_api_key"},
		{"with a key", "clientauth.one.example", own, KeyRefused, []*x509.Certificate{certificate.Leaf}, 0, 400, "invalid_request"},
		{"with a key that is allowed", "clientauth.one.example", own, KeyAllowed, []*x509.Certificate{certificate.Leaf}, 0, 200, ""},
		{"with a key that is required", "clientauth.one.example", own, KeyRequired, []*x509.Certificate{certificate.Leaf}, 0, 200, ""},
		{"with another user's key", "clientauth.one.example", others, KeyAllowed, []*x509.Certificate{certificate.Leaf}, 0, 401, "invalid_api_key"},
		{"with nobody's key", "clientauth.one.example", "nobody's", KeyAllowed, []*x509.Certificate{certificate.Leaf}, 0, 401, "invalid_api_key"},
		{"a certificate that nobody has", "clientauth.one.example", "", KeyRefused, []*x509.Certificate{unknown.Leaf}, 0, 401, "invalid_api_key"},
		{"no certificate", "clientauth.one.example", own, KeyAllowed, nil, 0, 401, "invalid_api_key"},
		{"a certificate that has expired", "clientauth.one.example", "", KeyRefused, []*x509.Certificate{certificate.Leaf}, 2 * time.Hour, 401, "invalid_api_key"},
		{"a certificate that is not yet in force", "clientauth.one.example", "", KeyRefused, []*x509.Certificate{certificate.Leaf}, -time.Hour, 401, "invalid_api_key"},
		{"certificate alone at the host for keys", "one.example", "", KeyRefused, []*x509.Certificate{certificate.Leaf}, 0, 401, "invalid_api_key"},
		{"key alone at the host for keys", "one.example", own, KeyRefused, nil, 0, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{KeyWithCertificate: c.rule})
			user, _, secret := g.add(t, "ci", "")
			if err := g.TrustCertificate(user, certificate.Leaf); err != nil {
				t.Fatal(err)
			}
			switch c.key {
			case own:
				c.key = secret
			case others:
				c.key = g.ManagerSecret()
			}
			g.host, g.via = "https://"+c.host, InMemory(presenting(g.DigiCertOne, c.shown...))
			g.clock.at = d1Start.Add(c.after)
			r := g.do(t, c.key, "GET", "/user/me", "")
			r.want(t, c.status, c.code)
			if c.status == 200 && r.object(t)["id"] != user {
				t.Errorf("me is %s", r.body)
			}
		})
	}
}

func TestDigiCertOneACertificateLivesAndDiesWithItsUser(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user := g.addUser(t, DigiCertOneUser{FriendlyName: "ci", EndDate: "2028-02-29"})
	certificate := clientCertificate(t, 48*time.Hour)
	if err := g.TrustCertificate(user, certificate.Leaf); err != nil {
		t.Fatal(err)
	}
	if err := g.TrustCertificate("x", certificate.Leaf); err == nil {
		t.Error("nobody has a certificate")
	}
	g.host, g.via = "https://clientauth.one.example", InMemory(presenting(g.DigiCertOne, certificate.Leaf))
	want := func(status int) {
		t.Helper()
		g.do(t, "", "GET", "/user/me", "").want(t, status, "")
	}
	want(200)
	if err := g.DisableUser(user, true); err != nil {
		t.Fatal(err)
	}
	want(401)
	if err := g.DisableUser(user, false); err != nil {
		t.Fatal(err)
	}
	g.clock.at = lastMoment(t, "2028-02-29")
	want(200)
	g.clock.at = g.clock.at.Add(1)
	want(401)
	if u := g.Usage(user); u.OK != 2 || u.Refused != 2 {
		t.Errorf("the usage of the certificate's user is %+v", u)
	}
}

// TestDigiCertOneMutualTLS makes a real handshake, with the host's name in front of which clients put "clientauth.".
func TestDigiCertOneMutualTLS(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user := g.addUser(t, DigiCertOneUser{FriendlyName: "ci"})
	certificate := clientCertificate(t, time.Hour)
	if err := g.TrustCertificate(user, certificate.Leaf); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(g.DigiCertOne)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for want, certificates := range map[int][]tls.Certificate{200: {certificate}, 401: nil} {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, ServerName: "example.com"},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
			},
		}
		t.Cleanup(transport.CloseIdleConnections)
		g.host, g.via = "https://clientauth.one.example", transport
		g.do(t, "", "GET", "/user/me", "").want(t, want, "")
	}
}

func TestDigiCertOneBadKeys(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	_, _, expired := g.add(t, "expired", "2028-02-28")
	_, token, disabled := g.add(t, "disabled", "")
	if err := g.DisableToken(token, true); err != nil {
		t.Fatal(err)
	}
	removed, removedSecret := g.addToken(t, DigiCertOneToken{UserID: g.addUser(t, DigiCertOneUser{FriendlyName: "removed"}), Name: "removed"})
	if err := g.RemoveToken(removed); err != nil {
		t.Fatal(err)
	}
	_, _, orphan := g.add(t, "orphan", "")
	if err := g.RemoveUser(g.Users()[len(g.Users())-1].ID); err != nil {
		t.Fatal(err)
	}
	off := g.addUser(t, DigiCertOneUser{FriendlyName: "off", Disabled: true})
	_, idle := g.addToken(t, DigiCertOneToken{UserID: off, Name: "idle"})
	_, asleep := g.addToken(t, DigiCertOneToken{UserID: g.Users()[0].ID, Name: "asleep", Disabled: true})
	for name, secret := range map[string]string{
		"none": "", "unknown": "nobody's", "expired": expired, "disabled": disabled, "removed": removedSecret, "of a removed user": orphan,
		"of a disabled user": idle, "disabled from the beginning": asleep,
	} {
		t.Run(name, func(t *testing.T) { g.works(t, secret, false) })
	}
	strangers := g.Usage("")
	if strangers.Refused != 2 || len(strangers.Refusals) != 2 || strangers.Refusals[0].Path != "/user/me" {
		t.Errorf("the usage of strangers is %+v", strangers)
	}
	if u := g.AllUsage()[token]; u.Refused != 1 || u.OK != 0 {
		t.Errorf("the usage of the disabled token is %+v", u)
	}
	r := g.do(t, "nobody's", "GET", "/nothing", "")
	r.want(t, 401, "invalid_api_key") // a path is not given away to a stranger
	req := httptest.NewRequest(http.MethodGet, "/other/api/v1/user/me", nil)
	answer := httptest.NewRecorder()
	g.ServeHTTP(answer, req)
	if answer.Code != 404 {
		t.Errorf("another product's path is answered with %d", answer.Code)
	}
}
