package client

import (
	"context"
	"net/http"

	"github.com/rotatord/rotatord/web"
)

// Seal asks where the seal key stands.
func (c *Client) Seal(ctx context.Context) (s web.Seal, err error) {
	return s, c.call(ctx, http.MethodGet, "/api/v1/seal", nil, &s)
}

// Reload has the daemon read its configuration, and the seal key, anew. The error says why it did not take them.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/-/reload", nil, nil)
}
