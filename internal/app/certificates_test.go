package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web/metrics"
)

// certificateUntil is a certificate in PEM.
func certificateUntil(t *testing.T, ends time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTheEndsOfCertificatesAreRead(t *testing.T) {
	dir, day := t.TempDir(), 24*time.Hour
	now := time.Now().UTC().Truncate(time.Second)
	for name, content := range map[string][]byte{
		"chain.pem":  append(certificateUntil(t, now.Add(20*day)), certificateUntil(t, now.Add(10*day))...), // an authority that ends first
		"client.pem": certificateUntil(t, now.Add(30*day)),
		"broken.pem": []byte("nothing of the kind"),
		"web.yml":    []byte("tls_server_config: {cert_file: chain.pem, key_file: key.pem}\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client := filepath.Join(dir, "client.pem")
	a := &App{}
	c := &config.Config{
		Server: config.Server{Listen: "127.0.0.1:9650", WebConfigFile: filepath.Join(dir, "web.yml")},
		Store:  config.Store{Seal: config.Seal{VaultTransit: &config.VaultTransit{Key: "rotatord", CertFile: client}}},
		Providers: []config.Provider{{Name: "one", DigiCertOne: &config.DigiCertOne{ClientCertFile: client}},
			{Name: "gone", DigiCertOne: &config.DigiCertOne{ClientCertFile: filepath.Join(dir, "none.pem")}}, {Name: "cc", CertCentral: &config.CertCentral{}}},
		Sinks: []config.Sink{{Name: "vault", Vault: &config.Vault{CertFile: client}}, {Name: "broken", Vault: &config.Vault{CertFile: filepath.Join(dir, "broken.pem")}},
			{Name: "disk", File: &config.File{}}},
	}
	a.config.Store(c)
	want := []metrics.Certificate{
		{Kind: "listener", Name: "127.0.0.1:9650", Ends: now.Add(10 * day)}, {Kind: "provider", Name: "one", Ends: now.Add(30 * day)},
		{Kind: "sink", Name: "vault", Ends: now.Add(30 * day)}, {Kind: "seal", Name: "rotatord", Ends: now.Add(30 * day)},
	}
	if diff := cmp.Diff(want, a.certificates()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Somebody puts another one into the file.
	if err := os.WriteFile(filepath.Join(dir, "chain.pem"), certificateUntil(t, now.Add(90*day)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := a.certificates()[0].Ends; !got.Equal(now.Add(90 * day)) {
		t.Errorf("after the exchange it ends at %s", got)
	}
	// Without TLS there is none.
	plain := *c
	plain.Server.WebConfigFile = ""
	a.config.Store(&plain)
	if got := a.certificates(); len(got) != 3 || got[0].Kind != "provider" {
		t.Errorf("%+v", got)
	}
}
