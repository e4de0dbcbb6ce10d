package certcentral

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// The bounds on answers, in bytes. A list of keys is one answer however many there are, so its bound is only there to end
// an answer that never ends.
const (
	maxAnswer   = 1 << 20
	maxUserPage = 64 << 20
	maxKeyList  = 1 << 30
	maxError    = 64 << 10
)

const (
	// tries is how often a read is sent when the service throttles it.
	tries = 3
	// longestPause is the longest Retry-After that a read sits out itself; a longer one is the caller's to wait for.
	longestPause = 30 * time.Second
	// pauseUnasked is how long a read waits when the service throttles without saying for how long: the shorter window.
	pauseUnasked = 5 * time.Second
)

// idleConnections are kept for reads; net/http's own default of 2 makes concurrent reads dial anew.
const idleConnections = 16

// call is one operation of the API.
type call struct {
	name   string // for metrics, from a closed list
	method string
	path   string // below the base URL
	query  url.Values
	body   []byte         // of a write
	secret rotator.Secret // sent in place of the manager key; the rates are the manager's and do not apply then
	limit  int64          // the largest answer taken, in bytes
	shows  bool           // the answer shows a secret that nobody knows yet: none is quoted that may come after the effect
	stream bool           // the answer is read at a visitor's pace: the timeout bounds each read, not the whole
}

func (c call) op() string { return c.method + " " + c.path }

// write reports whether the call changes something, so that it is never repeated.
func (c call) write() bool { return c.method != http.MethodGet }

// answer is a success. Its body must be closed.
type answer struct {
	status int
	body   io.ReadCloser
}

// clients returns one client for reads and one for writes. Neither follows redirects: a key belongs to one host.
//
// Each write has a connection of its own. An idle one may have been closed by the other side just now, and a create that
// meets it ends with an unknown outcome that costs minutes to clear up; and net/http repeats requests on reused connections
// only.
func clients(rt http.RoundTripper) (reads, writes *http.Client) {
	if rt == nil {
		rt = http.DefaultTransport
	}
	client := func(rt http.RoundTripper) *http.Client {
		return &http.Client{
			Transport:     rt,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
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
	return t
}

// get sends a read, sits out throttling for a while, and takes up a manager key that was rotated meanwhile.
func (p *Provider) get(ctx context.Context, c call) (*answer, error) {
	for try := 1; ; try++ {
		ans, used, err := p.send(ctx, c)
		if err == nil {
			return ans, nil
		}
		again, pauseErr := p.again(ctx, c, try, used, err)
		if ctx.Err() != nil {
			return nil, unsent(c, ctx.Err())
		}
		if pauseErr != nil || !again {
			return nil, err
		}
	}
}

// again reports whether a read that failed should be sent once more, having waited as long as was asked.
func (p *Provider) again(ctx context.Context, c call, try int, used rotator.Secret, err error) (bool, error) {
	switch {
	case try == tries:
		return false, nil
	case rotator.KindOf(err) == rotator.Throttled && !errors.Is(err, errTooLong):
		pause := rotator.RetryAfterOf(err)
		if pause == 0 {
			pause = pauseUnasked
		}
		if pause > longestPause {
			return false, nil
		}
		return true, sleep(ctx, pause)
	case rotator.KindOf(err) == rotator.Denied && c.secret.Empty():
		return p.keys.refresh(used)
	default:
		return false, nil
	}
}

// write sends a request that changes something: once, whatever happens.
func (p *Provider) write(ctx context.Context, c call) (*answer, error) {
	ans, used, err := p.send(ctx, c)
	if err != nil && rotator.KindOf(err) == rotator.Denied {
		// The next call shall use a key that was rotated meanwhile. If it cannot be read the next call says so.
		_, _ = p.keys.refresh(used)
	}
	return ans, err
}

// send makes one request. It returns the key it used, so that a refusal can be told from that of an older key.
func (p *Provider) send(ctx context.Context, c call) (*answer, rotator.Secret, error) {
	secret := c.secret
	if secret.Empty() {
		if err := p.rates.wait(ctx); err != nil {
			return nil, secret, unsent(c, err)
		}
		var err error
		if secret, err = p.keys.get(); err != nil {
			return nil, secret, &rotator.Fault{Op: c.op(), Kind: rotator.Transient, Err: err}
		}
	}
	if ctx.Err() != nil {
		return nil, secret, unsent(c, ctx.Err())
	}
	ans, err := p.exchange(ctx, c, secret)
	return ans, secret, err
}

// exchange sends the request and turns everything but a success into a fault.
func (p *Provider) exchange(ctx context.Context, c call, secret rotator.Secret) (*answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(p.options.Timeout, func() { cancel(errTimeout) })
	finish := func() {
		watch.Stop()
		cancel(nil)
	}
	var trace sent
	req, err := p.request(trace.watch(ctx), c, secret)
	if err != nil {
		finish()
		return nil, &rotator.Fault{Op: c.op(), Kind: rotator.Invalid, Err: err}
	}
	client := p.reads
	if c.write() {
		client = p.writes
	}
	started := time.Now()
	resp, err := client.Do(req) //nolint:bodyclose // the caller closes it, as answer.body
	p.options.Observe(c.name, code(resp, err), time.Since(started))
	if err != nil {
		defer finish()
		return nil, lost(ctx, c, trace.maybe(), err)
	}
	body := &boundedBody{body: resp.Body, left: c.limit, ctx: ctx, finish: finish}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = body.Close() }()
		return nil, refused(c, resp, secret)
	}
	if c.stream {
		body.watch, body.timeout = watch, p.options.Timeout // from now on each read is timed by itself
	}
	return &answer{status: resp.StatusCode, body: body}, nil
}

func (p *Provider) request(ctx context.Context, c call, secret rotator.Secret) (*http.Request, error) {
	u := *p.base
	u.Path += c.path
	u.RawQuery = c.query.Encode()
	var body io.Reader
	if c.body != nil {
		body = bytes.NewReader(c.body)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("the request cannot be made: %w", err)
	}
	req.GetBody = nil // without it net/http cannot send the body a second time
	req.Header.Set("X-DC-DEVKEY", string(secret.Reveal()))
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", p.options.UserAgent)
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func code(resp *http.Response, err error) string {
	if err != nil {
		return "error"
	}
	return strconv.Itoa(resp.StatusCode)
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

// errTimeout is the cause of a context that ended because the service was too slow.
var errTimeout = errors.New("the service did not answer in time")

// errTooLarge ends the reading of an answer that goes beyond its bound.
var errTooLarge = errors.New("the answer is larger than any that is expected")

// boundedBody bounds an answer in size and, for streams, each read in time. The time that a visitor takes does not count.
type boundedBody struct {
	body    io.ReadCloser
	left    int64           // bytes that may still come
	ctx     context.Context // whose cause says why a read failed
	finish  func()
	watch   *time.Timer // of a stream; nil otherwise
	timeout time.Duration
}

// Read implements io.Reader.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.atBound()
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if b.watch != nil {
		b.watch.Reset(b.timeout)
		defer b.watch.Stop()
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// atBound tells an answer of exactly the permitted size from a larger one.
func (b *boundedBody) atBound() error {
	var one [1]byte
	if n, err := b.body.Read(one[:]); n == 0 && errors.Is(err, io.EOF) {
		return io.EOF
	}
	return errTooLarge
}

// Close implements io.Closer.
func (b *boundedBody) Close() error {
	err := b.body.Close()
	b.finish()
	return err
}
