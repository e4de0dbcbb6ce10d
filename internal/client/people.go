package client

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/rotatord/rotatord/web"
)

// errExposed is why a key is not handed over.
var errExposed = errors.New("the key would go over the network unencrypted, so it was not sent; use https, or run the command on the daemon's machine")

// Supply hands over a key that a person made. The key is sent as the body, never as part of the address, and only encrypted or
// within this machine.
func (c *Client) Supply(ctx context.Context, s web.Selection, key []byte, keyID string, expires time.Time) (r web.Rotation, err error) {
	if c.exposed() {
		return r, errExposed
	}
	q := url.Values{"provider": {s.Provider}, "user": {s.User}, "credential": {s.Credential}, "actor": {c.actor}}
	if keyID != "" {
		q.Set("key_id", keyID)
	}
	if !expires.IsZero() {
		q.Set("expires", expires.UTC().Format(time.RFC3339))
	}
	return r, c.send(ctx, http.MethodPost, "/api/v1/supplies?"+q.Encode(), "text/plain", bytes.NewReader(key), &r)
}

// Removed says that a person removed what the credential's rotation asked to be removed.
func (c *Client) Removed(ctx context.Context, s web.Selection) (r web.Rotation, err error) {
	return r, c.call(ctx, http.MethodPost, "/api/v1/removals", web.RemovalRequest{Selection: s, Actor: c.actor}, &r)
}

// CreateServiceUser asks for a service user.
func (c *Client) CreateServiceUser(ctx context.Context, r web.UserRequest) (u web.ServiceUser, err error) {
	r.Actor = c.actor
	return u, c.call(ctx, http.MethodPost, "/api/v1/service-users", r, &u)
}

// ServiceUsers lists the service users that must exist.
func (c *Client) ServiceUsers(ctx context.Context) (u web.ServiceUsers, err error) {
	return u, c.call(ctx, http.MethodGet, "/api/v1/service-users", nil, &u)
}
