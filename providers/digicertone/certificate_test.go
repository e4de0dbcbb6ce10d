package digicertone_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

// secured is an instance over TLS that asks for client certificates, and a transport that reaches it under any name.
type secured struct {
	*instance
	transport *http.Transport
	hosts     []string // of the calls
}

func newSecured(t *testing.T, o emulator.DigiCertOneOptions) *secured {
	t.Helper()
	s := &secured{instance: newInstance(t, o)}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hosts = append(s.hosts, r.Host)
		s.mu.Unlock()
		s.instance.ServeHTTP(w, r)
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}, // any name is to lead here
	}
	t.Cleanup(s.transport.CloseIdleConnections)
	return s
}

// writePair writes a fresh client certificate and its key and returns the certificate.
func writePair(t *testing.T, certFile, keyFile string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "rotator"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestClientCertificate(t *testing.T) {
	for _, tc := range []struct {
		name string
		rule emulator.DigiCertOneKeyRule
		send bool
		host string
	}{
		{"alone", emulator.KeyRefused, false, "https://one.example"},
		{"alone, with the host written out", emulator.KeyRefused, false, "https://clientauth.one.example"},
		{"with the token", emulator.KeyRequired, true, "https://one.example"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSecured(t, emulator.DigiCertOneOptions{KeyWithCertificate: tc.rule})
			admin, secret := s.addUser(t, emulator.DigiCertOneUser{FriendlyName: "rotator", FirstToken: "rotator", Roles: []string{"AM_ACCOUNT_ADMIN"}})
			user, _ := s.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
			dir := t.TempDir()
			certFile, keyFile := filepath.Join(dir, "one.pem"), filepath.Join(dir, "one-key.pem")
			trust := func() {
				if err := s.TrustCertificate(admin, writePair(t, certFile, keyFile)); err != nil {
					t.Fatal(err)
				}
			}
			trust()
			o := digicertone.Options{BaseURL: tc.host, Transport: s.transport, ClientCertFile: certFile, ClientKeyFile: keyFile, SendKeyWithCertificate: tc.send}
			if tc.send {
				o.Key = fixed(secret)
			}
			p := s.provider(t, o)
			m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci-r0001", Lifetime: 90 * day})
			if err != nil {
				t.Fatal(err)
			}
			if self, own, err := p.Self(t.Context()); err != nil || self != admin || own.Empty() == tc.send {
				t.Errorf("Self: %q, %v", self, err)
			}
			if err := p.Check(t.Context(), user, m.Secret); err != nil {
				t.Errorf("the new token is proved by itself, without the certificate: %v", err)
			}
			if got := strings.Join(s.hosts, " "); got != "clientauth.one.example clientauth.one.example one.example" {
				t.Errorf("the calls went to %s", got)
			}
			trust() // a new pair in the same files; writes have a connection of their own
			if err := p.Retire(t.Context(), rotator.Key{ID: m.KeyID}); err != nil {
				t.Errorf("with a certificate that was renewed: %v", err)
			}
		})
	}
}

func TestACertificateThatCannotBeRead(t *testing.T) {
	s := newSecured(t, emulator.DigiCertOneOptions{})
	dir := t.TempDir()
	o := digicertone.Options{BaseURL: "https://one.example", Transport: s.transport, ClientCertFile: filepath.Join(dir, "c"), ClientKeyFile: filepath.Join(dir, "k")}
	p := s.provider(t, o)
	user, _ := s.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	_, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci"})
	wantKind(t, err, rotator.Transient, filepath.Join(dir, "c")) // nothing can have left
	if len(s.Tokens(user)) != 0 || len(s.hosts) != 0 {
		t.Error("something was sent without the certificate")
	}
	if err := s.TrustCertificate(s.Users()[0].ID, writePair(t, o.ClientCertFile, o.ClientKeyFile)); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, p, ""); len(got.users) != 1 {
		t.Errorf("once it is there the scan shows %+v", got)
	}
	// Half a replacement: the certificate is there, and its key is not yet.
	if err := os.WriteFile(o.ClientKeyFile, []byte("not yet"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci"}); err != nil {
		t.Errorf("amid a replacement the pair before is used: %v", err)
	}
}

func TestCredentialsFollowNoRedirect(t *testing.T) {
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	p, err := digicertone.New(digicertone.Options{BaseURL: server.URL, Key: fixed("key")})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, p.Scan(t.Context(), rotator.Scope{}, &seen{}), rotator.Invalid, "redirect")
	wantKind(t, p.Check(t.Context(), "u", rotator.SecretString("other")), rotator.Transient, "redirect")
	if reached {
		t.Error("a redirect was followed")
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	good := digicertone.Options{BaseURL: "https://one.example", Key: fixed("key")}
	for words, edit := range map[string]func(*digicertone.Options){
		"not complete":            func(o *digicertone.Options) { o.BaseURL = "one.example" },
		"unencrypted":             func(o *digicertone.Options) { o.BaseURL = "http://one.example" },
		"neither a way":           func(o *digicertone.Options) { o.Key = nil },
		"both a file":             func(o *digicertone.Options) { o.ClientCertFile = "/c" },
		"sent along":              func(o *digicertone.Options) { o.ClientCertFile, o.ClientKeyFile = "/c", "/k" },
		"needs both":              func(o *digicertone.Options) { o.SendKeyWithCertificate = true },
		"token or recreate":       func(o *digicertone.Options) { o.Mode = "both" },
		"full or partial":         func(o *digicertone.Options) { o.UpdateStyle = "half" },
		"must begin with /":       func(o *digicertone.Options) { o.APIPath = "account" },
		"is no id":                func(o *digicertone.Options) { o.AccountID = "a/b" },
		"page size":               func(o *digicertone.Options) { o.PageSize = -1 },
		"bounds on keys":          func(o *digicertone.Options) { o.MaxNameLength = -1 },
		"timeout":                 func(o *digicertone.Options) { o.Timeout = -1 },
		"above zero":              func(o *digicertone.Options) { o.Rates = []digicertone.Rate{{}} },
		"fields.user_id must not": func(o *digicertone.Options) { o.Fields = digicertone.DefaultFields(); o.Fields.UserID = "" },
		"three different": func(o *digicertone.Options) {
			o.Statuses = digicertone.Statuses{Active: "x", Disabled: "x", Expired: "y"}
		},
		"paths.enable_user": func(o *digicertone.Options) { o.Paths = digicertone.DefaultPaths(); o.Paths.EnableUser = "/user" },
		"transport of net/http": func(o *digicertone.Options) {
			o.ClientCertFile, o.ClientKeyFile, o.Key, o.Transport = "/c", "/k", nil, noTransport{}
		},
		"dot without a name beside": func(o *digicertone.Options) { o.Fields = digicertone.DefaultFields(); o.Fields.TokenValue = "a..b" },
	} {
		o := good
		edit(&o)
		if _, err := digicertone.New(o); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want an error with %q", err, words)
		}
	}
}

type noTransport struct{ http.RoundTripper }
