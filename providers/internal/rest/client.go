package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/outbound"
)

const (
	// tries is how often a read is sent when the service throttles it.
	tries = 3
	// longestPause is the longest Retry-After that a read sits out itself; a longer one is the caller's to wait for.
	longestPause = 30 * time.Second
	// pauseUnasked is how long a read waits when the service throttles without saying for how long.
	pauseUnasked = 5 * time.Second
)

// Client makes calls to one API with one key. It is safe for concurrent use.
type Client struct {
	options Options
	keys    *keyring
	reads   *http.Client
	writes  *http.Client
	rates   *throttle
	skew    skew
}

// New returns a client. It makes no call and does not read the key.
func New(o Options) *Client {
	o = o.withDefaults()
	c := &Client{options: o, keys: &keyring{read: o.Key, words: o.KeyWords}, rates: newThrottle(o.Rates)}
	c.reads, c.writes = clients(o.Transport)
	return c
}

// RefreshKey reads the daemon's own key anew. Without Options.Key it does nothing.
func (c *Client) RefreshKey() error {
	_, err := c.keys.refresh(rotator.Secret{})
	return err
}

// CurrentKey returns the daemon's own key as it is in use, reading it if that has not happened yet. Without Options.Key
// it is empty. What it returns is a copy: to wipe it does the client no harm.
func (c *Client) CurrentKey() (rotator.Secret, error) {
	secret, err := c.keys.get()
	if err != nil || secret.Empty() {
		return rotator.Secret{}, err
	}
	return rotator.NewSecret(bytes.Clone(secret.Reveal())), nil
}

// Get sends a read, sits out throttling for a while, and takes up a key that was replaced meanwhile. Every error is a
// [*rotator.Fault].
func (c *Client) Get(ctx context.Context, call Call) (*Answer, error) {
	for try := 1; ; try++ {
		ans, used, err := c.send(ctx, call)
		if err == nil {
			return ans, nil
		}
		again, pauseErr := c.again(ctx, call, try, used, err)
		if ctx.Err() != nil {
			return nil, unsent(call, ctx.Err())
		}
		if pauseErr != nil || !again {
			return nil, err
		}
	}
}

// GetObject makes a read whose answer is one small object.
func (c *Client) GetObject(ctx context.Context, call Call, into any) error {
	ans, err := c.Get(ctx, call)
	if err != nil {
		return err
	}
	defer func() { _ = ans.Body.Close() }()
	if err := ReadObject(ans.Body, into); err != nil {
		return Unreadable(call.Op(), err)
	}
	return nil
}

// Write sends a request that changes something: once, whatever happens. Every error is a [*rotator.Fault], of kind
// [rotator.UnknownOutcome] if the service may have done it.
func (c *Client) Write(ctx context.Context, call Call) (*Answer, error) {
	ans, used, err := c.send(ctx, call)
	if err != nil && rotator.KindOf(err) == rotator.Denied && call.Secret.Empty() {
		// The next call shall use a key that was replaced meanwhile. If it cannot be read the next call says so.
		_, _ = c.keys.refresh(used)
	}
	return ans, err
}

// again reports whether a read that failed should be sent once more, having waited as long as was asked.
func (c *Client) again(ctx context.Context, call Call, try int, used rotator.Secret, err error) (bool, error) {
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
	case rotator.KindOf(err) == rotator.Denied && call.Secret.Empty():
		return c.keys.refresh(used)
	default:
		return false, nil
	}
}

// send makes one request. It returns the key it used, so that a refusal can be told from that of an older key.
func (c *Client) send(ctx context.Context, call Call) (*Answer, rotator.Secret, error) {
	secret := call.Secret
	if secret.Empty() {
		if err := c.rates.wait(ctx); err != nil {
			return nil, secret, unsent(call, err)
		}
		var err error
		if secret, err = c.keys.get(); err != nil {
			return nil, secret, &rotator.Fault{Op: call.Op(), Kind: rotator.Transient, Err: err}
		}
	}
	if ctx.Err() != nil {
		return nil, secret, unsent(call, ctx.Err())
	}
	ans, err := c.exchange(ctx, call, secret)
	return ans, secret, err
}

// exchange sends the request and turns everything but a success into a fault.
func (c *Client) exchange(ctx context.Context, call Call, secret rotator.Secret) (*Answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(c.options.Timeout, func() { cancel(errTimeout) })
	finish := func() {
		watch.Stop()
		cancel(nil)
	}
	req, err := c.request(ctx, call, secret)
	if err != nil {
		defer finish()
		return nil, err
	}
	client := c.reads
	if call.IsWrite() {
		client = c.writes
	}
	// Only now, so that what Authorize sent is not taken for this request.
	var trace sent
	req = req.WithContext(trace.watch(ctx))
	started := time.Now()
	resp, err := client.Do(req) //nolint:bodyclose // the caller closes it, as Answer.Body
	c.options.Observe(call.Name, code(resp, err), time.Since(started))
	if err != nil {
		defer finish()
		_, forbidden := errors.AsType[*outbound.RefusedError](err)
		return nil, lost(ctx, call, trace.maybe() && !forbidden, err)
	}
	now := c.options.Clock.Read()
	c.skew.note(resp.Header, now.Wall.Add(-time.Since(started)), now) // both by the clock as it is now: it may have been set meanwhile
	body := &boundedBody{body: resp.Body, left: call.limit(), ctx: ctx, finish: finish}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer func() { _ = body.Close() }()
		return nil, c.options.Classify(refused(call, resp, credentials(req, secret)))
	}
	if call.Stream {
		body.watch, body.timeout = watch, c.options.Timeout // from now on each read is timed by itself
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

func (c *Client) request(ctx context.Context, call Call, secret rotator.Secret) (*http.Request, error) {
	u, err := c.address(call)
	if err != nil {
		return nil, rotator.NewFault(call.Op(), rotator.Invalid, "the request cannot be made: %w", err)
	}
	var body io.Reader
	if call.Body != nil {
		body = bytes.NewReader(call.Body)
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, u.String(), body)
	if err != nil {
		return nil, rotator.NewFault(call.Op(), rotator.Invalid, "the request cannot be made: %w", err)
	}
	req.GetBody = nil // without it net/http cannot send the body a second time
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.options.UserAgent)
	if call.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := c.options.Authorize(req, secret); err != nil {
		return nil, unauthorized(ctx, call, err)
	}
	return req, nil
}

// address puts the path, which is escaped already, below the base.
func (c *Client) address(call Call) (*url.URL, error) {
	path, err := url.PathUnescape(call.Path)
	if err != nil {
		return nil, fmt.Errorf("its path is not escaped as paths are: %w", err)
	}
	u := *c.options.Base
	u.Path, u.RawPath = u.Path+path, u.EscapedPath()+call.Path
	u.RawQuery = call.Query.Encode()
	return &u, nil
}

func code(resp *http.Response, err error) string {
	if err != nil {
		return "error"
	}
	return strconv.Itoa(resp.StatusCode)
}
