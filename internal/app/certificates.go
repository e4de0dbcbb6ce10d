package app

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/metrics"
)

// certificates are those that the daemon shows to others, as they stand in their files now. One that cannot be read is left out: whoever
// needs it says so.
func (a *App) certificates() []metrics.Certificate {
	c := a.config.Load()
	var all []metrics.Certificate
	add := func(kind, name string, chain []byte) {
		if ends := firstEnd(chain); !ends.IsZero() {
			all = append(all, metrics.Certificate{Kind: kind, Name: name, Ends: ends})
		}
	}
	if chain, err := web.ServerCertificate(c.Server.WebConfigFile); err == nil {
		add("listener", c.Server.Listen, chain)
	}
	for _, f := range clientCertificates(c) {
		if chain, err := os.ReadFile(f.path); err == nil {
			add(f.kind, f.name, chain)
		}
	}
	return all
}

// certificateFile is the file of a client certificate, and what it is shown to.
type certificateFile struct{ kind, name, path string }

func clientCertificates(c *config.Config) []certificateFile {
	var all []certificateFile
	for i := range c.Providers {
		if p := &c.Providers[i]; p.DigiCertOne != nil && p.DigiCertOne.ClientCertFile != "" {
			all = append(all, certificateFile{"provider", p.Name, p.DigiCertOne.ClientCertFile})
		}
	}
	for i := range c.Sinks {
		if s := &c.Sinks[i]; s.Vault != nil && s.Vault.CertFile != "" {
			all = append(all, certificateFile{"sink", s.Name, s.Vault.CertFile})
		}
	}
	if t := c.Store.Seal.VaultTransit; t != nil && t.CertFile != "" {
		all = append(all, certificateFile{"seal", t.Key, t.CertFile})
	}
	return all
}

// firstEnd is when the first certificate of a chain in PEM ends; zero where there is none that can be read.
func firstEnd(chain []byte) time.Time {
	var ends time.Time
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue
		}
		if ends.IsZero() || cert.NotAfter.Before(ends) {
			ends = cert.NotAfter
		}
	}
	return ends
}
