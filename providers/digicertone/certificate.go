package digicertone

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// clientAuthHost goes before the host of calls that present a certificate (the API's own reference page).
const clientAuthHost = "clientauth."

// withCertificate is the API's root for calls with a client certificate.
func withCertificate(base *url.URL) *url.URL {
	u := *base
	if !strings.HasPrefix(u.Host, clientAuthHost) {
		u.Host = clientAuthHost + u.Host
	}
	return &u
}

// withoutCertificate is the API's root for calls with a key alone, whatever the configuration names.
func withoutCertificate(base *url.URL) *url.URL {
	u := *base
	u.Host = strings.TrimPrefix(u.Host, clientAuthHost)
	return &u
}

// pair is a client certificate in two files that are read again when one of them changes.
type pair struct {
	certFile, keyFile string

	mu     sync.Mutex
	loaded *tls.Certificate
	seen   [2]stamp
}

// stamp tells one content of a file from the next.
type stamp struct {
	modified time.Time
	size     int64
}

// certificate returns the pair as it stands in the files. While they are being replaced, and do not fit each other, it
// returns the one before.
func (p *pair) certificate() (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen, err := p.stamps()
	if err == nil && p.loaded != nil && seen == p.seen {
		return p.loaded, nil
	}
	if err == nil {
		var fresh tls.Certificate
		if fresh, err = tls.LoadX509KeyPair(p.certFile, p.keyFile); err == nil {
			p.loaded, p.seen = &fresh, seen
		}
	}
	if p.loaded != nil {
		return p.loaded, nil
	}
	return nil, fmt.Errorf("the client certificate in %s, with its key in %s, cannot be used: %w", p.certFile, p.keyFile, err)
}

func (p *pair) stamps() (seen [2]stamp, err error) {
	for i, name := range []string{p.certFile, p.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return seen, err
		}
		seen[i] = stamp{info.ModTime(), info.Size()}
	}
	return seen, nil
}

// presenting returns the transport with the certificate presented in every handshake.
func (p *pair) presenting(rt http.RoundTripper) (http.RoundTripper, error) {
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return nil, errors.New("a client certificate needs a transport of net/http")
	}
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.certificate() }
	return t, nil
}
