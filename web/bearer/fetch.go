package bearer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/rotatord/rotatord/rotator/outbound"
)

const (
	// fetchTime bounds one request to the issuer.
	fetchTime = 10 * time.Second
	// fetchPause is the least time between two requests for one document: tokens with unknown key ids come from anybody, and must
	// not become requests to the issuer one for one. A new key of the issuer is accepted at most so much later.
	fetchPause = 10 * time.Second
	// largestDocument bounds what the issuer may answer.
	largestDocument = 1 << 20
)

// errAskedLately is why a document was not asked for again.
var errAskedLately = errors.New("the issuer's keys were asked for a moment ago")

func newClient(transport http.RoundTripper, now func() time.Time) *http.Client {
	if transport == nil {
		transport = outbound.Transport(nil)
	}
	return &http.Client{Timeout: fetchTime, CheckRedirect: outbound.NoRedirect,
		Transport: &fetcher{next: transport, now: now, last: map[string]fetched{}}}
}

// fetcher asks the issuer for its few documents: encrypted, seldom, and whole.
type fetcher struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	last map[string]fetched
}

// fetched is when a document was asked for last, and whether it came.
type fetched struct {
	at   time.Time
	came bool
}

// RoundTrip implements [http.RoundTripper].
func (f *fetcher) RoundTrip(r *http.Request) (*http.Response, error) {
	if !private(r.URL) {
		return nil, fmt.Errorf("%w: %s is not https", ErrUnavailable, r.URL.Redacted())
	}
	if err := f.allow(r.URL.String()); err != nil {
		return nil, err
	}
	resp, err := f.fetch(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last[r.URL.String()] = fetched{at: f.now(), came: err == nil}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return resp, nil
}

// private reports whether nobody on the way can change the answer.
func private(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (f *fetcher) allow(document string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, asked := f.last[document]
	switch {
	case !asked || f.now().Sub(last.at).Abs() >= fetchPause:
		return nil
	case !last.came:
		return fmt.Errorf("%w; it is asked again in a moment", ErrUnavailable)
	default:
		return errAskedLately
	}
}

// fetch reads the whole document, so that half of one is not mistaken for an issuer without keys.
func (f *fetcher) fetch(r *http.Request) (*http.Response, error) {
	resp, err := f.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestDocument+1))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("it answered %d", resp.StatusCode)
	case len(body) > largestDocument || !json.Valid(body):
		return nil, errors.New("its answer is too large or no JSON")
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// unavailableKey leads to where knownKeys leaves the error that the library turns into text.
type unavailableKey struct{}

type knownKeys struct{ oidc.KeySet }

// VerifySignature implements [oidc.KeySet].
func (k knownKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	if errors.Is(err, ErrUnavailable) {
		if told, ok := ctx.Value(unavailableKey{}).(*error); ok {
			*told = err
		}
	}
	return payload, err
}
