package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"github.com/rotatord/rotatord/web"
)

// actions are requests that change something, with bodies that would succeed.
func actions() []struct{ method, path, body string } {
	chosen := `"provider":"cc","user":"u1","credential":"ci"`
	return []struct{ method, path, body string }{
		{http.MethodPost, "/-/reload", ""},
		{http.MethodPost, "/api/v1/rotations", `{` + chosen + `}`},
		{http.MethodPost, "/api/v1/holds", `{` + chosen + `,"until":"2199-01-02T00:00:00Z","reason":"x"}`},
		{http.MethodDelete, "/api/v1/holds?provider=cc&user=u1&credential=ci", ""},
		{http.MethodPost, "/api/v1/providers/cc/approve", ""},
		{http.MethodPost, "/api/v1/scan", ""},
	}
}

func TestActingOverTheNetworkNeedsAuthentication(t *testing.T) {
	s := serveNetwork(t, fleet)
	for _, a := range actions() {
		s.ask(a.method, a.path, a.body).want(t, 403, "no authentication", "server.web_config_file", "127.0.0.1")
	}
	for _, path := range everything() {
		if r := s.ask(http.MethodGet, path, "", "Host", "rotatord.example"); r.status == 403 {
			t.Errorf("GET %s is refused: %s", path, r.body)
		}
	}
	if did := s.operator.did(); len(did) > 0 {
		t.Errorf("did %v", did)
	}
}

// A handler that is not behind Serve does not know where it is reachable, and assumes the worst.
func TestActingOnABareHandlerIsRefused(t *testing.T) {
	s := serve(t, fleet)
	for _, a := range actions() {
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, httptest.NewRequest(a.method, a.path, strings.NewReader(a.body)))
		if w.Code != 403 {
			t.Errorf("%s %s: %d", a.method, a.path, w.Code)
		}
	}
}

func TestActingOnLoopback(t *testing.T) {
	s := serve(t, fleet)
	for _, a := range actions() {
		if r := s.ask(a.method, a.path, a.body); r.status >= 300 {
			t.Errorf("%s %s: %d %s", a.method, a.path, r.status, r.body)
		}
	}
}

func TestUnixSocketIsLocal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, l, fleet)
	s.url = "http://rotatord"
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	s.client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	s.ask(http.MethodPost, "/api/v1/scan", "").want(t, 202)
}

func TestHostHeader(t *testing.T) {
	s := serve(t, fleet)
	for host, allowed := range map[string]bool{
		"localhost": true, "LOCALHOST:9650": true, "127.0.0.1": true, "127.0.0.1:80": true, "[::1]": true, "[::1]:9650": true,
		"evil.example": false, "evil.example:9650": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "10.0.0.1": false,
	} {
		for _, path := range []string{"/", "/metrics", "/api/v1/status", "/-/healthy"} {
			r := s.ask(http.MethodGet, path, "", "Host", host)
			if refused := r.status == 403; refused == allowed {
				t.Errorf("Host %s, GET %s: %d %s", host, path, r.status, r.body)
			}
		}
		if r := s.ask(http.MethodPost, "/api/v1/scan", "", "Host", host); (r.status == 202) != allowed {
			t.Errorf("Host %s, POST: %d %s", host, r.status, r.body)
		}
	}
	s.ask(http.MethodGet, "/api/v1/status", "", "Host", "evil.example").problem(t, 403, "evil.example", "server.web_config_file")
}

func TestOtherSitesCannotAct(t *testing.T) {
	s := serve(t, fleet)
	for _, a := range actions() {
		s.ask(a.method, a.path, a.body, "Sec-Fetch-Site", "cross-site").want(t, 403, "another site")
		s.ask(a.method, a.path, a.body, "Origin", "https://evil.example").want(t, 403, "another site")
	}
	if did := s.operator.did(); len(did) > 0 {
		t.Errorf("did %v", did)
	}
	s.ask(http.MethodPost, "/api/v1/scan", "", "Sec-Fetch-Site", "same-origin").want(t, 202)
}

func TestClaimedActorsCannotForgeLogs(t *testing.T) {
	s := serve(t, fleet)
	s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"cc","user":"u1","credential":"ci","actor":" a\nb\u001b[2J\u202ec "}`).want(t, 202)
	s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"cc","user":"u1","credential":"ci","actor":"`+strings.Repeat("x", 101)+`"}`).problem(t, 422)
	if diff := cmp.Diff([]string{"rotate cc/u1/ci manual unverified:ab[2Jc"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

func TestBrowsersAreToldToRunNothing(t *testing.T) {
	s := serve(t, fleet)
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	for _, path := range append(everything(), "/nothing") {
		h := s.get(path).header
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Frame-Options") != "deny" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" ||
			h.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("GET %s: %v", path, h)
		}
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("GET %s: %v", path, h)
		}
	}
}

// writeWebConfig makes a web config file with the users, whose passwords are their names backwards.
func writeWebConfig(t *testing.T, path, more string, users ...string) {
	t.Helper()
	text := more
	if len(users) > 0 {
		text += "\nbasic_auth_users:\n"
	}
	for _, u := range users {
		hash, err := bcrypt.GenerateFromPassword([]byte(backwards(u)), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("  %s: %s\n", u, hash)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func backwards(s string) string {
	b := []byte(s)
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return string(b)
}

func as(user string) []string {
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, backwards(user))
	return []string{"Authorization", r.Header.Get("Authorization")}
}

func TestBasicAuth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	writeWebConfig(t, file, "", "reader", "actor")
	s := serveNetwork(t, fleet, func(o *web.Options, _ *site) {
		o.WebConfigFile = file
		o.Allow = func() web.Allow { return web.Allow{Read: []string{"reader", "actor"}, Act: []string{"actor"}} }
	})
	for _, path := range everything() {
		s.get(path).want(t, 401)
		if r := s.ask(http.MethodGet, path, "", as("reader")...); r.status == 401 || r.status == 403 {
			t.Errorf("GET %s: %d %s", path, r.status, r.body)
		}
	}
	for _, a := range actions() {
		s.ask(a.method, a.path, a.body).want(t, 401)
		s.ask(a.method, a.path, a.body, as("reader")...).want(t, 403, "reader", "server.allow.act")
	}
	if did := s.operator.did(); len(did) > 0 {
		t.Fatalf("did %v", did)
	}
	s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"cc","user":"u1","credential":"ci","actor":"somebody else"}`, as("actor")...).want(t, 202)
	if diff := cmp.Diff([]string{"rotate cc/u1/ci manual actor"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

func TestWhoMayOnlyAct(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	writeWebConfig(t, file, "", "actor")
	s := serve(t, fleet, func(o *web.Options, _ *site) {
		o.WebConfigFile = file
		o.Allow = func() web.Allow { return web.Allow{Act: []string{"*"}} }
	})
	s.ask(http.MethodGet, "/api/v1/status", "", as("actor")...).problem(t, 403, "server.allow.read")
	s.ask(http.MethodGet, "/metrics", "", as("actor")...).want(t, 403)
	s.ask(http.MethodGet, "/-/ready", "", as("actor")...).want(t, 503, "starting") // a probe tells nobody anything
	s.ask(http.MethodPost, "/api/v1/scan", "", as("actor")...).want(t, 202)
}

// Once the users are taken out of the file nobody checks passwords any more, so a name that is sent proves nothing.
func TestUsersTakenOutOfTheFileAreNotBelieved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "web.yml")
	writeWebConfig(t, file, "", "actor")
	s := serveNetwork(t, fleet, func(o *web.Options, _ *site) { o.WebConfigFile = file })
	s.ask(http.MethodPost, "/api/v1/scan", "", as("actor")...).want(t, 202)
	writeWebConfig(t, file, "", []string{}...)
	s.ask(http.MethodPost, "/api/v1/scan", "", as("actor")...).want(t, 403, "no authentication")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.ask(http.MethodPost, "/api/v1/scan", "", as("actor")...).want(t, 500)
	if diff := cmp.Diff([]string{"scan"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = a.newKey()
	a.cert = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, a.key)
	a.write("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

func (a *authority) sign(c, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	a.n++
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(a.n), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue makes a certificate for a server on 127.0.0.1 or for a client.
func (a *authority) issue(c x509.Certificate) tls.Certificate {
	a.t.Helper()
	key := a.newKey()
	c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	cert := a.sign(&c, a.cert, key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// serveTLS starts a server with a certificate of the authority that asks clients for theirs.
func (a *authority) serveTLS(clientAuth string, users ...string) *site {
	a.t.Helper()
	own := a.issue(x509.Certificate{})
	a.write("server.pem", "CERTIFICATE", own.Certificate[0])
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write("server.key", "PRIVATE KEY", key)
	file := filepath.Join(a.dir, "web.yml")
	writeWebConfig(a.t, file, "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n  client_ca_file: ca.pem\n  client_auth_type: "+clientAuth+"\n", users...)
	s := serveNetwork(a.t, fleet, func(o *web.Options, _ *site) { o.WebConfigFile = file })
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	s.client = a.client()
	return s
}

func (a *authority) client(certs ...tls.Certificate) *http.Client {
	trust := a.trust()
	trust.Certificates = certs
	return &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
}

// trust accepts the servers of the authority.
func (a *authority) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}

func TestClientCertificates(t *testing.T) {
	a := newAuthority(t)
	s := a.serveTLS("VerifyClientCertIfGiven")

	s.get("/-/healthy").want(t, 200) // a probe needs no name
	s.get("/api/v1/status").problem(t, 403, "nobody was authenticated")
	s.ask(http.MethodPost, "/api/v1/scan", "").problem(t, 403, "nobody was authenticated")
	s.ask(http.MethodPost, "/api/v1/scan", "", as("actor")...).problem(t, 403) // no users are listed: nobody checked that password

	rotate := `{"provider":"cc","user":"u1","credential":"ci","actor":"somebody else"}`
	spiffe, err := url.Parse("spiffe://example/ops")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []x509.Certificate{
		{Subject: pkix.Name{CommonName: "ops"}, DNSNames: []string{"other"}},
		{URIs: []*url.URL{spiffe}},
		{DNSNames: []string{"ops.example"}},
		{EmailAddresses: []string{"ops@example.com"}},
	} {
		s.client.CloseIdleConnections()
		s.client = a.client(a.issue(c))
		s.ask(http.MethodPost, "/api/v1/rotations", rotate).want(t, 202)
	}
	want := []string{"rotate cc/u1/ci manual ops", "rotate cc/u1/ci manual spiffe://example/ops", "rotate cc/u1/ci manual ops.example", "rotate cc/u1/ci manual ops@example.com"}
	if diff := cmp.Diff(want, s.operator.did()); diff != "" {
		t.Error(diff)
	}
	s.client.CloseIdleConnections()
	s.client = a.client(a.issue(x509.Certificate{}))
	s.ask(http.MethodPost, "/api/v1/rotations", rotate).problem(t, 403, "nobody was authenticated") // it has no name
}

// A certificate that nobody verified names nobody.
func TestUnverifiedCertificatesAreNotBelieved(t *testing.T) {
	a := newAuthority(t)
	s := a.serveTLS("RequireAnyClientCert")
	s.client = a.client(newAuthority(t).issue(x509.Certificate{Subject: pkix.Name{CommonName: "ops"}}))
	s.ask(http.MethodPost, "/api/v1/scan", "").problem(t, 403, "no authentication")
	if did := s.operator.did(); len(did) > 0 {
		t.Errorf("did %v", did)
	}
}
