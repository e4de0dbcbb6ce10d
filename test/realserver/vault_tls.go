package realserver

import (
	"crypto/tls"
	"crypto/x509"
	"os"
)

// tlsConfig is what the tests' own client trusts and shows.
func (v *VaultServer) tlsConfig() *tls.Config {
	v.t.Helper()
	pem, err := os.ReadFile(v.Authority.File)
	if err != nil {
		v.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	cert, err := tls.LoadX509KeyPair(v.clients[0], v.clients[1])
	if err != nil {
		v.t.Fatal(err)
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
}
