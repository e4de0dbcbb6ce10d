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

// Drill rotates one credential to see that rotating works, or says what that would do.
func (c *Client) Drill(ctx context.Context, r web.DrillRequest) (d web.Drill, err error) {
	r.Actor = c.actor
	return d, c.call(ctx, http.MethodPost, "/api/v1/drills", r, &d)
}

// Rotation asks for one rotation and its history.
func (c *Client) Rotation(ctx context.Context, id string) (r web.RotationHistory, err error) {
	return r, c.call(ctx, http.MethodGet, "/api/v1/rotations/"+url.PathEscape(id), nil, &r)
}

// Rotations asks for a page of rotations, with the parameters that the API has for it.
func (c *Client) Rotations(ctx context.Context, q url.Values) (r web.Rotations, err error) {
	return r, c.call(ctx, http.MethodGet, "/api/v1/rotations?"+q.Encode(), nil, &r)
}

// Incident asks how a leak stands.
func (c *Client) Incident(ctx context.Context, id string) (i web.Incident, err error) {
	return i, c.call(ctx, http.MethodGet, "/api/v1/incidents/"+url.PathEscape(id), nil, &i)
}

// Incidents lists the leaks that were reported, the latest first.
func (c *Client) Incidents(ctx context.Context, limit int) (i web.Incidents, err error) {
	return i, c.call(ctx, http.MethodGet, "/api/v1/incidents?limit="+strconv.Itoa(limit), nil, &i)
}

// Credentials asks for a page of credentials, with the parameters that the API has for it.
func (c *Client) Credentials(ctx context.Context, q url.Values) (found web.Credentials, err error) {
	return found, c.call(ctx, http.MethodGet, "/api/v1/credentials?"+q.Encode(), nil, &found)
}

// Holds lists holds in force.
func (c *Client) Holds(ctx context.Context, limit int) (h web.HoldList, err error) {
	return h, c.call(ctx, http.MethodGet, "/api/v1/holds?limit="+strconv.Itoa(limit), nil, &h)
}

// Policies lists the names of the policies that are configured.
func (c *Client) Policies(ctx context.Context) (p web.Policies, err error) {
	return p, c.call(ctx, http.MethodGet, "/api/v1/policies", nil, &p)
}
