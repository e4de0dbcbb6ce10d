package session

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/outbound"
)

// maxAnswer bounds what is read of an answer, in bytes: Vault's own limit for a request is 32 MiB, but an entry of ours
// has a few hundred.
const maxAnswer = 1 << 20

// dialer makes API clients that share connections and differ in their token.
type dialer struct {
	address, namespace string
	timeout            time.Duration
	http               *http.Client
}

func newDialer(o Options) (*dialer, error) {
	trust, err := tlsConfig(o)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:                  outbound.Proxy,
		DialContext:            outbound.Dialer(o.Timeout).DialContext,
		TLSClientConfig:        trust,
		TLSHandshakeTimeout:    o.Timeout,
		ResponseHeaderTimeout:  o.Timeout,
		MaxResponseHeaderBytes: outbound.MaxHeader,
		IdleConnTimeout:        90 * time.Second,
		MaxIdleConnsPerHost:    16,
		// HTTP/1.1 alone: a refused client certificate comes to light as such, where HTTP/2 may say only that there is no connection.
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	client := &http.Client{Transport: guard{transport}, CheckRedirect: outbound.NoRedirect}
	d := &dialer{address: o.Address, namespace: o.Namespace, timeout: o.Timeout, http: client}
	_, err = d.client("") // finds what is wrong with the environment that the library looks at
	return d, err
}

// client returns a client with the token, or with none. It takes no value from the environment: each one that the library
// would take is set here.
func (d *dialer) client(token string) (*api.Client, error) {
	c, err := api.NewClient(&api.Config{
		Address: d.address, HttpClient: d.http, Timeout: d.timeout, MaxRetries: 0, DisableRedirects: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make a Vault client: %w", err)
	}
	headers := http.Header{api.RequestHeaderName: {"true"}}
	if d.namespace != "" {
		headers.Set(api.NamespaceHeaderName, d.namespace)
	}
	c.SetHeaders(headers)
	c.SetToken(token)
	return c, nil
}

func tlsConfig(o Options) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM", o.CAFile)
		}
	}
	if o.CertFile == "" {
		return config, nil
	}
	if _, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile); err != nil {
		return nil, fmt.Errorf("cert_file and key_file: %w", err)
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		return &pair, err
	}
	return config, nil
}

// guard stands between the API client and the network, and turns into errors what the client would take for success or read
// without end.
type guard struct{ next http.RoundTripper }

// redirected is the error for an answer that leads elsewhere. The client would take one, unfollowed, for an empty success.
type redirected struct {
	status int
	to     string
}

func (r redirected) Error() string {
	return fmt.Sprintf("the server answered %d and points to %s, where token and secret are not sent; "+
		"set address to the active server, or to a load balancer that finds it", r.status, r.to)
}

// throttled is the error for 429; the client would drop how long to wait.
type throttled struct{ after time.Duration }

func (t throttled) Error() string {
	return "the server answered 429: a rate limit quota is used up"
}

var errLongAnswer = errors.New("the answer is longer than 1 MiB, so it is not Vault's")

// RoundTrip sends one request.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	switch {
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		_ = answer.Body.Close() // nothing of it is wanted
		return nil, redirected{answer.StatusCode, redirectHost(answer)}
	case answer.StatusCode == http.StatusTooManyRequests:
		_ = answer.Body.Close() // as above
		return nil, throttled{retryAfter(answer.Header.Get("Retry-After"))}
	}
	answer.Body = &limited{answer.Body, maxAnswer}
	if token := r.Header.Get(api.AuthHeaderName); len(token) >= shortestToken && answer.StatusCode >= 400 {
		return mask(answer, token)
	}
	return answer, nil
}

// shortestToken keeps ordinary words from being masked for tokens that guard nothing; Vault's own have 26 characters and more.
const shortestToken = 8

// mask takes the token out of an error answer, should the server or a proxy repeat the request in it: the answer's words go into
// logs and pages.
func mask(answer *http.Response, token string) (*http.Response, error) {
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close() // it has been read
	if err != nil {
		return nil, err
	}
	text = bytes.ReplaceAll(text, []byte(token), []byte(rotator.SecretString(token).String()))
	answer.Body = io.NopCloser(bytes.NewReader(text))
	answer.ContentLength = int64(len(text))
	return answer, nil
}

// redirectHost leaves out path and query, which may hold more than people should see.
func redirectHost(answer *http.Response) string {
	to, err := answer.Location()
	if err != nil {
		return "nowhere"
	}
	return to.Scheme + "://" + to.Host
}

// retryAfter reads whole seconds; Vault sends no dates. What it cannot read is zero: unknown.
func retryAfter(text string) time.Duration {
	seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// limited is a body that fails, and does not end in silence, where it is too long.
type limited struct {
	io.ReadCloser
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLongAnswer
	}
	n, err := l.ReadCloser.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}
