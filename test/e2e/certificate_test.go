package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
	"github.com/rotatord/rotatord/test/realserver"
)

// withCertificate is an instance of DigiCert ONE at which the daemon signs in with a client certificate.
type withCertificate struct{ daemon.System }

// Options name the instance by its public name.
func (withCertificate) Options(string) string {
	return "type: digicert_one, base_url: https://" + publicName + ", client_cert_file: $DIR/client.pem, client_key_file: $DIR/client-key.pem, ca_file: $DIR/ca.pem"
}

const (
	publicName = "one.example"
	authName   = "clientauth." + publicName
)

// TestClientCertificate has the daemon sign in by mutual TLS: its own calls go to the host for client certificates, and a new key
// is tried at the plain one, without the certificate.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	instance := newInstance(0)
	authority := realserver.NewAuthority(t)
	certFile, keyFile := authority.Issue(t, "rotatord")
	trust(t, instance.Users()[0].ID, certFile, instance.TrustCertificate)
	f := newFleet(t, daemon.Serve(t, withCertificate{daemon.DigiCertOneTokens(instance)}))
	old := f.provider.AddService("ci-build", "build", dueAge)
	f.services = []daemon.Service{old}
	hosts := &hosts{calls: map[string][]string{}}
	proxy := tunnel(t, serveTLS(t, authority, hosts.note(instance)))
	f.env = []string{"HTTPS_PROXY=" + proxy}
	f.files = map[string]string{"secret-id": f.secretID, "client.pem": read(t, certFile), "client-key.pem": read(t, keyFile), "ca.pem": read(t, authority.File)}
	f.prepare(f.config("json", soakPolicy))
	if out, errs, code := f.d.Command("check-config", "--online", "-c", f.d.ConfigPath); code != 0 {
		t.Errorf("check-config --online ends with %d: %s%s", code, out, errs)
	}
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	f.awaitDone(1)
	consumers.verdict(t, 2)
	f.onlyKey(old)
	f.d.Stop()
	hosts.judge(t)
}

// hosts notes which calls came to which host.
type hosts struct {
	mu    sync.Mutex
	calls map[string][]string
}

func (h *hosts) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		what := r.Method + " " + r.URL.Path
		if len(r.TLS.PeerCertificates) > 0 {
			what += " with a certificate"
		}
		if r.Header.Get("X-Api-Key") != "" {
			what += " with a key"
		}
		h.mu.Lock()
		h.calls[r.Host] = append(h.calls[r.Host], what)
		h.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// judge fails the test if a credential was shown where it does not belong.
func (h *hosts) judge(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, what := range h.calls[authName] {
		if strings.HasSuffix(what, "with a key") || !strings.HasSuffix(what, "with a certificate") {
			t.Errorf("%s got: %s", authName, what)
		}
	}
	for _, what := range h.calls[publicName] {
		if what != "GET /account/api/v1/user/me with a key" {
			t.Errorf("%s got: %s", publicName, what)
		}
	}
	if len(h.calls[authName]) == 0 || len(h.calls[publicName]) == 0 || len(h.calls) != 2 {
		t.Errorf("the calls were %v", h.calls)
	}
}

// serveTLS serves a handler under both names, and asks for a client certificate. It returns the address.
func serveTLS(t *testing.T, authority *realserver.Authority, h http.Handler) string {
	t.Helper()
	config := &tls.Config{ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	for _, name := range []string{publicName, authName} {
		pair, err := tls.LoadX509KeyPair(authority.Issue(t, name))
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	server := httptest.NewUnstartedServer(h)
	server.TLS, server.Config.ErrorLog = config, log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// tunnel is a proxy that leads to one address, whatever name is asked for: names that no resolver knows lead somewhere.
func tunnel(t *testing.T, target string) string {
	t.Helper()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only tunnels", http.StatusMethodNotAllowed)
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer out.Close()
		in, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer in.Close()
		_, _ = fmt.Fprint(in, "HTTP/1.1 200 OK\r\n\r\n") // who is gone reads nothing
		go func() {
			_, _ = io.Copy(out, in)
			_ = out.Close()
		}()
		_, _ = io.Copy(in, out)
	}))
	t.Cleanup(proxy.CloseClientConnections)
	return proxy.URL
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// trust makes the certificate in a file one of a user's.
func trust(t *testing.T, user, certFile string, by func(string, *x509.Certificate) error) {
	t.Helper()
	block, _ := pem.Decode([]byte(read(t, certFile)))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err == nil {
		err = by(user, certificate)
	}
	if err != nil {
		t.Fatal(err)
	}
}
