package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/web"
)

// Plan asks what will happen within the span ahead, with at most limit single actions.
func (c *Client) Plan(ctx context.Context, span time.Duration, limit int) (p web.Plan, err error) {
	q := url.Values{"for": {span.String()}, "limit": {strconv.Itoa(limit)}}
	return p, c.call(ctx, http.MethodGet, "/api/v1/plan?"+q.Encode(), nil, &p)
}

// Freezes lists the freezes that are not over.
func (c *Client) Freezes(ctx context.Context) (f web.Freezes, err error) {
	return f, c.call(ctx, http.MethodGet, "/api/v1/freezes", nil, &f)
}

// Freeze places a freeze.
func (c *Client) Freeze(ctx context.Context, r web.FreezeRequest) (f web.Freeze, err error) {
	r.Actor = c.actor
	return f, c.call(ctx, http.MethodPost, "/api/v1/freezes", r, &f)
}

// Lift ends a freeze that an operator placed.
func (c *Client) Lift(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/freezes/"+url.PathEscape(id)+"?"+url.Values{"actor": {c.actor}}.Encode(), nil, nil)
}
