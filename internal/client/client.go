// Package client speaks to a running daemon's HTTP API.
package client

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
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator/outbound"
	"github.com/rotatord/rotatord/web"
)

// Client is a connection to one daemon.
type Client struct {
	base  *url.URL
	http  *http.Client
	actor string
}

// maxAnswer bounds what is read of one answer.
const maxAnswer = 64 << 20

// New returns a client for the daemon at address, such as http://127.0.0.1:9650. User name and password in the address
// are sent as basic authentication, and for them the address must be https, or this machine's. The actor named to a daemon that
// authenticates nobody is the user of this machine.
func New(address string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("the daemon's address must be like http://127.0.0.1:9650")
	}
	c := &Client{base: u, actor: actor(), http: &http.Client{
		Timeout: 30 * time.Second, Transport: outbound.Transport(nil), CheckRedirect: outbound.NoRedirect,
	}}
	if u.User != nil && c.exposed() {
		return nil, fmt.Errorf("the password for %s would go over the network unencrypted; write https://", u.Host)
	}
	return c, nil
}

// exposed reports whether what is sent can be read on its way.
func (c *Client) exposed() bool {
	host := c.base.Hostname()
	ip := net.ParseIP(host)
	return c.base.Scheme == "http" && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// redirected is the error for an answer that leads elsewhere. A key that is handed over, or a password, is for one daemon.
func redirected(res *http.Response) error {
	to := "nowhere"
	if u, err := res.Location(); err == nil {
		to = u.Scheme + "://" + u.Host
	}
	return &Error{Status: res.StatusCode, Detail: fmt.Sprintf("the answer points to %s, which is not followed; use that address for --server if it is the daemon's", to)}
}

func actor() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// Error is an answer that is not a success.
type Error struct {
	Status int
	Detail string
}

// Error says what the daemon said.
func (e *Error) Error() string { return e.Detail }

// call sends in, if any, and decodes the answer into out, if any.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	return c.send(ctx, method, path, "application/json", body, out)
}

// send sends a body of any kind and decodes the answer into out, if any.
func (c *Client) send(ctx context.Context, method, path, kind string, body io.Reader, out any) error {
	target := strings.TrimSuffix(c.base.String(), "/") + path
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was only read
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the daemon's answer: %w", err)
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return redirected(res)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return problem(res.StatusCode, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the answer from %s is not what a daemon says: %w; is it rotatord that answers there?", c.base.Redacted(), err)
	}
	return nil
}

func (c *Client) unreachable(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("no daemon answers at %s: %w; is it running, and is --server (or ROTATORD_SERVER) right?", c.base.Redacted(), op.Err)
	}
	return err
}

func problem(status int, body []byte) error {
	var p struct {
		Title  string `json:"title"`
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		return &Error{Status: status, Detail: fmt.Sprintf("%d %s: %s", status, http.StatusText(status), strings.TrimSpace(string(body)))}
	}
	for _, e := range p.Errors {
		p.Detail += "; " + strings.TrimSpace(e.Location+" "+e.Message)
	}
	return &Error{Status: status, Detail: p.Detail}
}

// Status asks what needs a person, what is in motion and what is due next.
func (c *Client) Status(ctx context.Context) (s web.Status, err error) {
	return s, c.call(ctx, http.MethodGet, "/api/v1/status", nil, &s)
}

// Rotate plans rotations of everything that is selected.
func (c *Client) Rotate(ctx context.Context, r web.RotateRequest) (a web.RotateAnswer, err error) {
	r.Actor = c.actor
	return a, c.call(ctx, http.MethodPost, "/api/v1/rotations", r, &a)
}

// Hold places holds on everything that is selected.
func (c *Client) Hold(ctx context.Context, r web.HoldRequest) (t web.Touched, err error) {
	r.Actor = c.actor
	return t, c.call(ctx, http.MethodPost, "/api/v1/holds", r, &t)
}

// Undo brings an old key back that is only switched off.
func (c *Client) Undo(ctx context.Context, r web.HoldRequest) (o web.Rotation, err error) {
	r.Actor = c.actor
	return o, c.call(ctx, http.MethodPost, "/api/v1/undo", r, &o)
}

// Release ends holds on everything that is selected.
func (c *Client) Release(ctx context.Context, s web.Selection) (t web.Touched, err error) {
	q := url.Values{"provider": {s.Provider}, "user": {s.User}, "credential": {s.Credential}, "actor": {c.actor}}
	return t, c.call(ctx, http.MethodDelete, "/api/v1/holds?"+q.Encode(), nil, &t)
}

// Approve lets through what the blast-radius cap holds back at a provider.
func (c *Client) Approve(ctx context.Context, provider string, within time.Duration) (a web.Approval, err error) {
	r := web.ApproveRequest{Within: within.String(), Actor: c.actor}
	return a, c.call(ctx, http.MethodPost, "/api/v1/providers/"+url.PathEscape(provider)+"/approve", r, &a)
}

// Healthy returns nil if the daemon says that it is alive.
func (c *Client) Healthy(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "", nil, nil)
}
