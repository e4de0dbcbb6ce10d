package rest

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/rotatord/rotatord/rotator/outbound"
)

// idleConnections are kept for reads; net/http's own default of 2 makes concurrent reads dial anew.
const idleConnections = 16

// clients returns one client for reads and one for writes. Neither follows redirects: a key belongs to one host.
//
// Each write has a connection of its own. An idle one may have been closed by the other side just now, and a create that
// meets it ends with an unknown outcome that costs minutes to clear up; and net/http repeats requests on reused connections
// only.
func clients(rt http.RoundTripper) (reads, writes *http.Client) {
	if rt == nil {
		rt = outbound.Transport(nil)
	}
	client := func(rt http.RoundTripper) *http.Client {
		return &http.Client{Transport: rt, CheckRedirect: outbound.NoRedirect}
	}
	t, ok := rt.(*http.Transport)
	if !ok {
		return client(rt), client(rt)
	}
	pooled := hardened(t)
	pooled.MaxIdleConnsPerHost = max(pooled.MaxIdleConnsPerHost, idleConnections)
	single := hardened(t)
	single.DisableKeepAlives = true
	single.ForceAttemptHTTP2 = false
	single.Protocols = new(http.Protocols)
	single.Protocols.SetHTTP1(true)
	return client(pooled), client(single)
}

func hardened(t *http.Transport) *http.Transport {
	t = t.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.MinVersion = max(t.TLSClientConfig.MinVersion, tls.VersionTLS12)
	if t.MaxResponseHeaderBytes == 0 {
		t.MaxResponseHeaderBytes = outbound.MaxHeader
	}
	return t
}

// sent learns from net/http whether anything can have left. Without word from it (another kind of transport) the answer is
// that it may have.
type sent struct{ asked, got atomic.Bool }

func (s *sent) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { s.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { s.got.Store(true) },
	})
}

// maybe is false only if a connection was asked for and never had: refused, no such host, a failed TLS handshake.
func (s *sent) maybe() bool { return !s.asked.Load() || s.got.Load() }
