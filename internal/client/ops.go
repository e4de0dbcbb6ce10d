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
