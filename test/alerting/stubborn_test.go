package alerting

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// resting has a daemon stand under a freeze with keys that are past most of their renewal window, and then, in its place, under a hold.
func (x *exports) resting(t *testing.T) {
	t.Helper()
	daemon.Binary(t)
	cc := daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	late := cc.AddService("ci-late", "deploy", 89*day)
	config := fmt.Sprintf(`scan: {schedule: "@every 1s"}
providers: [{name: cc, %s, %s, labels: {team: pki}}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: ci, %s}]
`, cc.Options(cc.Root), account, rotates)
	from, to := time.Now().Add(-10*day), time.Now().Add(20*day)
	s := &scene{t: t, cc: cc, d: daemon.New(t, daemon.Config{Files: map[string]string{"cc.key": cc.ManagerSecret()},
		YAML: config + fmt.Sprintf("freezes: [{from: %s, to: %s, reason: a test}]\n", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))})}
	s.keys()
	s.d.Start()
	s.await(1, "rotatord_blocked_timestamp_seconds", `reason="frozen"`)
	x.frozen = s.series()
	s.run("hold", "--for", "12h", "--reason", "a test", "cc/"+late.UserID+"/deploy")
	s.d.Configure(config)
	if status, answer := s.d.Send("POST", "/-/reload", nil); status >= 400 {
		t.Fatalf("reload answers %d: %s", status, answer)
	}
	s.await(1, "rotatord_blocked_timestamp_seconds", `reason="held"`)
	x.held = s.series()
	s.d.Stop()
}

// certified has a daemon serve TLS with a certificate that ends in ten days.
func (x *exports) certified(t *testing.T) {
	t.Helper()
	cc := daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})
	certificate, key, trusted := selfSigned(t, time.Now().Add(10*day))
	s := &scene{t: t, cc: cc, d: daemon.New(t, daemon.Config{YAML: fmt.Sprintf(`server: {listen: "127.0.0.1:0", web_config_file: $DIR/web.yml}
providers: [{name: cc, %s}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: ci, %s}]
`, cc.Options(cc.Root), rotates), Files: map[string]string{"cc.key": cc.ManagerSecret(), "chain.pem": certificate, "key.pem": key,
		"web.yml": "tls_server_config: {cert_file: chain.pem, key_file: key.pem}\n"}})}
	s.keys()
	s.d.Launch()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	daemon.Await(t, daemon.Patience, "a scrape over TLS", func() error {
		base, listens := strings.CutPrefix(s.d.URL(), "http://")
		if !listens || base == "" {
			return fmt.Errorf("the daemon does not listen yet")
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+base+"/metrics", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		now := time.Now()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "\nrotatord_ready 1\n") {
			return fmt.Errorf("it is not ready: %s, %w", answer.Status, err)
		}
		x.ending = parse(t, string(text), now)
		return nil
	})
	s.d.Stop()
}

// late has a daemon whose clock is behind that of its account.
func (x *exports) late(t *testing.T) {
	t.Helper()
	s := &scene{t: t, cc: daemon.Emulate(t, emulator.CertCentralOptions{Rates: []emulator.Rate{}})}
	s.cc.Ahead(time.Hour)
	s.d = daemon.New(t, daemon.Config{YAML: fmt.Sprintf(`providers: [{name: cc, %s, labels: {team: pki}}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: ci, %s}]
`, s.cc.Options(s.cc.Root), rotates), Files: map[string]string{"cc.key": s.cc.ManagerSecret()}})
	s.keys()
	s.cc.AddService("ci-young", "deploy", day)
	s.d.Start()
	s.await(3600, "rotatord_provider_clock_skew_seconds", `provider="cc"`)
	x.skewed = s.series()
	s.d.Stop()
}

// selfSigned is a certificate for the loopback and its key, in PEM, and what trusts it.
func selfSigned(t *testing.T, ends time.Time) (certificate, key string, trusted *x509.CertPool) {
	t.Helper()
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: ends, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &pair.PublicKey, pair)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(chain)
	return string(chain), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), trusted
}

// second is another daemon at the same account, with a journal of its own.
func (s *scene) second() []series {
	s.t.Helper()
	other := &scene{t: s.t, d: daemon.New(s.t, daemon.Config{YAML: fmt.Sprintf(`providers: [{name: cc, %s, %s, labels: {team: pki}}]
sinks: [{name: disk, type: file, path: "$DIR/keys/{{.ServiceUser}}", root: $DIR/keys}]
policies: [{name: none, match: {service_users: [nobody]}, %s}]
`, s.cc.Options(s.cc.Root), account, rotates), Files: map[string]string{"cc.key": s.cc.ManagerSecret()}})}
	other.keys()
	other.d.Start()
	defer other.d.Stop()
	other.await(1, "rotatord_lease_held", `provider="cc"`)
	all := other.series()
	for i := range all {
		all[i].labels = merged(all[i].labels, labels{"instance": "two.example.com:9650"})
	}
	return all
}

// refuses is a server that denies everything.
func refuses(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"errors": ["permission denied"]}`, http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// keys makes the folder that the file sink writes below.
func (s *scene) keys() {
	s.t.Helper()
	if err := os.MkdirAll(s.d.Path("keys"), 0o700); err != nil {
		s.t.Fatal(err)
	}
}
