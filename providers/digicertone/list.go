package digicertone

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// maxList bounds a list, in bytes. Without pages it is one answer however long it is, so the bound is only there to end an
// answer that never ends.
const maxList = 1 << 30

// list visits every object of a list, element by element. Errors of visit are returned as they are.
func (p *Provider) list(ctx context.Context, name, path string, query url.Values, visit func(op string, o object) error) error {
	c := rest.Call{Name: name, Method: http.MethodGet, Path: path, Query: query, Limit: maxList, Stream: true}
	each := func(o *object) error { return visit(c.Op(), *o) }
	if p.options.PageSize > 0 {
		return p.pages(ctx, c, each)
	}
	err := rest.ReadList(ctx, p.own, c, &rest.List[object]{Visit: each})
	if fault, ok := errors.AsType[*rotator.Fault](err); ok && fault.Op == c.Op() && errors.Is(err, rest.ErrShape) && !errors.Is(err, errElement) {
		fault.Err = fmt.Errorf("%w; a bare list was expected: if this instance sends its lists in pages, set page_size", fault.Err)
	}
	return err
}

// page is what stands beside the items of a list with pages, as sibling APIs of the vendor have it.
type page struct {
	total, offset int
	first         string // the first item of the page before
}

// pages visits a list page by page. A list that changes while it is read is an error, as far as it can be told.
func (p *Provider) pages(ctx context.Context, c rest.Call, visit func(*object) error) error {
	before, next := page{total: -1}, 0
	filter := c.Query
	for {
		c.Query = maps.Clone(filter)
		c.Query.Set("offset", strconv.Itoa(next))
		c.Query.Set("limit", strconv.Itoa(p.options.PageSize))
		now := page{}
		l := &rest.List[object]{Name: "items", Beside: []rest.Member{{Name: "total", Into: &now.total}, {Name: "offset", Into: &now.offset}}}
		l.Visit = func(o *object) error {
			if now.first == "" {
				now.first = p.idIn(c.Path, *o)
			}
			return visit(o)
		}
		if err := rest.ReadList(ctx, p.own, c, l); err != nil {
			return err
		}
		if err := now.follows(before, next, l.Seen); err != nil {
			return &rotator.Fault{Op: c.Op(), Kind: rotator.Transient, Err: err}
		}
		before, next = now, next+l.Seen
		if next == now.total {
			return nil
		}
	}
}

// idIn is the id of a user or a token of a list.
func (p *Provider) idIn(path string, o object) string {
	f := p.options.Fields.userID()
	if path == tokens {
		f = p.options.Fields.tokenID()
	}
	return (&reader{o: o}).text(f)
}

// follows says why a page of n items is not the one at offset that comes after before, or nil.
func (g page) follows(before page, offset, n int) error {
	switch {
	case before.total >= 0 && g.total != before.total:
		return fmt.Errorf("the list changed while it was read: its total went from %d to %d", before.total, g.total)
	case g.offset != offset:
		return fmt.Errorf("the page at offset %d was asked for and the one at %d came", offset, g.offset)
	case n > 0 && g.first != "" && g.first == before.first:
		return fmt.Errorf("the page at offset %d begins like the page before it: the list shifts or repeats", offset)
	case offset+n > g.total:
		return fmt.Errorf("the list says that it has %d entries and shows %d", g.total, offset+n)
	case n == 0 && offset < g.total:
		return fmt.Errorf("the list is truncated: it says that it has %d entries and ends after %d", g.total, offset)
	default:
		return nil
	}
}

// listUsers visits users of a kind; empty is every kind. Users of other accounts than [Options.AccountID] are left out.
func (p *Provider) listUsers(ctx context.Context, kind string, visit func(user) error) error {
	query := url.Values{}
	if kind != "" {
		query.Set("user_type", kind)
	}
	return p.list(ctx, "list_users", "/user", query, func(op string, o object) error {
		u, err := p.readUser(op, o)
		if err != nil {
			return err
		}
		other := kind != "" && u.kind != "" && u.kind != kind // a filter that was not heeded
		if other || p.options.AccountID != "" && u.account != p.options.AccountID {
			return nil
		}
		return visit(u)
	})
}

// listTokens visits the tokens of a user.
func (p *Provider) listTokens(ctx context.Context, userID string, visit func(rotator.Key) error) error {
	return p.list(ctx, "list_tokens", tokens, url.Values{"user_id": {userID}}, func(op string, o object) error {
		k, err := p.readToken(op, userID, o)
		if err != nil {
			return err
		}
		return visit(k)
	})
}

// tokens is the documented path of tokens.
const tokens = "/api-access-token"

// getObject makes a read whose answer is one object.
func (p *Provider) getObject(ctx context.Context, name, path string) (object, string, error) {
	c := rest.Call{Name: name, Method: http.MethodGet, Path: path}
	var o object
	if err := p.own.GetObject(ctx, c, &o); err != nil {
		return nil, c.Op(), err
	}
	if o == nil {
		return nil, c.Op(), rotator.NewFault(c.Op(), rotator.Invalid, "%w: null in place of an object", rest.ErrShape)
	}
	return o, c.Op(), nil
}

// getUser returns one user, as it came too. id may be "me".
func (p *Provider) getUser(ctx context.Context, id string) (user, object, error) {
	if id != me && !validID(id) {
		return user{}, nil, rotator.NewFault("GET /user", rotator.Invalid, "%q is not the id of a DigiCert ONE user", id)
	}
	o, op, err := p.getObject(ctx, "get_user", "/user/"+id)
	if err != nil {
		return user{}, nil, err
	}
	u, err := p.readUser(op, o)
	return u, o, err
}

// getToken returns one token, as it came too.
func (p *Provider) getToken(ctx context.Context, id string) (rotator.Key, object, error) {
	if !validID(id) {
		return rotator.Key{}, nil, rotator.NewFault("GET "+tokens, rotator.Invalid, "%q is not the id of a DigiCert ONE token", id)
	}
	o, op, err := p.getObject(ctx, "get_token", tokens+"/"+id)
	if err != nil {
		return rotator.Key{}, nil, err
	}
	k, err := p.readToken(op, "", o)
	return k, o, err
}

// getKey returns a key of either mode, as it came too.
func (p *Provider) getKey(ctx context.Context, id string) (rotator.Key, object, error) {
	if p.options.Mode == TokenMode {
		return p.getToken(ctx, id)
	}
	u, o, err := p.getUser(ctx, id)
	return p.userKey(u), o, err
}
