package certcentral

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Scan implements [rotator.Provider]: users page by page, then all keys as one stream. With a user in scope it makes one
// call.
//
// Keys of users that were not listed (ordinary users, other containers, users made meanwhile) are visited too.
func (p *Provider) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	if scope.UserID != "" {
		id, ok := number(scope.UserID)
		if !ok {
			return rotator.NewFault("GET /key", rotator.Invalid, "%q is not the id of a CertCentral user", scope.UserID)
		}
		return p.scanKeys(ctx, url.Values{"user_id": {text(id)}}, v)
	}
	if err := p.client.RefreshKey(); err != nil {
		return &rotator.Fault{Op: "GET /user", Kind: rotator.Transient, Err: err}
	}
	if err := p.scanUsers(ctx, v); err != nil {
		return err
	}
	return p.scanKeys(ctx, nil, v)
}

func (p *Provider) scanUsers(ctx context.Context, v rotator.Visitor) error {
	visit := func(u *wireUser) error { return v.User(u.serviceUser()) }
	scope := p.everyone()
	if !p.options.AllUsers {
		return pageServiceUsers(ctx, p, scope, visit)
	}
	return pageAllUsers(ctx, p, scope, visit, visit)
}

// everyone is the list of all users that the configuration wants to see.
func (p *Provider) everyone() listing {
	return listing{container: p.options.ContainerID, limit: p.options.PageSize}
}

func (p *Provider) scanKeys(ctx context.Context, query url.Values, v rotator.Visitor) error {
	c := rest.Call{Name: "list_keys", Method: http.MethodGet, Path: "/key", Query: query, Limit: maxKeyList, Stream: true}
	l := &rest.List[wireKey]{Name: "api_keys", Visit: func(k *wireKey) error {
		key, err := k.key()
		if err != nil {
			return rotator.NewFault(c.Op(), rotator.Invalid, "%w", err)
		}
		return v.Key(key)
	}}
	return rest.ReadList(ctx, p.client, c, l)
}

// listed is a user as one of the lists gives it.
type listed[T any] interface {
	*T
	id() int64
}

// listing says which part of a list of users is wanted.
type listing struct {
	name, path string
	container  int // 0 for all
	offset     int // of the first user
	limit      int // users per page
}

// pageServiceUsers is pageUsers for service users, wherever this server lists them.
func pageServiceUsers[T any, U listed[T]](ctx context.Context, p *Provider, l listing, visit func(*T) error) error {
	l.name, l.path = "list_service_users", *p.usersPath.Load()
	err := pageUsers[T, U](ctx, p, l, visit)
	if !errors.Is(err, rest.ErrNotFound) || p.options.ServiceUsersPath != "" || l.path == fallbackServiceUsersPath {
		return err
	}
	first, fallback := l.path, fallbackServiceUsersPath
	l.path = fallback
	if err := pageUsers[T, U](ctx, p, l, visit); err != nil {
		return fmt.Errorf("service users are at neither %s nor %s: %w", first, fallback, err)
	}
	p.usersPath.Store(&fallback)
	return nil
}

// pageAllUsers visits service users first, and then the others, each once. Whether the list of all users has the service
// users in it is not documented, and its entries do not tell them apart.
func pageAllUsers[T any, U listed[T]](ctx context.Context, p *Provider, l listing, service, other func(*T) error) error {
	seen := map[int64]struct{}{}
	err := pageServiceUsers[T, U](ctx, p, l, func(u *T) error {
		seen[U(u).id()] = struct{}{}
		return service(u)
	})
	if err != nil {
		return err
	}
	l.name, l.path = "list_users", "/user"
	return pageUsers[T, U](ctx, p, l, func(u *T) error {
		if _, ok := seen[U(u).id()]; ok {
			return nil
		}
		return other(u)
	})
}

// pageUsers visits every user of a list, page by page, in the list's order. A list that changes while it is read is an
// error, as far as it can be told: a total that is not that of the page before, or fewer users than it says.
func pageUsers[T any, U listed[T]](ctx context.Context, p *Provider, l listing, visit func(*T) error) error {
	pg := pager{offset: l.offset, limit: l.limit, total: -1, firstID: -1}
	for {
		c := rest.Call{Name: l.name, Method: http.MethodGet, Path: l.path, Query: pg.query(l.container), Limit: maxUserPage, Stream: true}
		first := int64(-1)
		var page wirePage
		users := userList(&page, func(u *T) error {
			id := U(u).id()
			if id == 0 {
				return rotator.NewFault(c.Op(), rotator.Invalid, "%w: a user without an id", rest.ErrShape)
			}
			if first < 0 {
				first = id
			}
			return visit(u)
		})
		if err := rest.ReadList(ctx, p.client, c, users); err != nil {
			return err
		}
		done, err := pg.turn(page, users.Seen, first)
		if err != nil {
			return &rotator.Fault{Op: c.Op(), Kind: rotator.Transient, Err: err}
		}
		if done {
			return nil
		}
	}
}

// userList is a page of users, which must say where in the list it stands.
func userList[T any](page *wirePage, visit func(*T) error) *rest.List[T] {
	return &rest.List[T]{Name: "users", Beside: []rest.Member{{Name: "page", Into: page}}, Visit: visit}
}

// pager follows a paged list and notices when it is not one list.
type pager struct {
	limit, offset int
	total         int   // of the page before; -1 before the first
	firstID       int64 // the first entry of the page before; -1 before the first
}

func (g *pager) query(container int) url.Values {
	q := url.Values{"offset": {strconv.Itoa(g.offset)}, "limit": {strconv.Itoa(g.limit)}}
	if container != 0 {
		q.Set("container_id", strconv.Itoa(container))
	}
	return q
}

// turn takes note of a page of n entries and reports whether it was the last one.
func (g *pager) turn(page wirePage, n int, firstID int64) (done bool, err error) {
	switch {
	case g.total >= 0 && page.Total != g.total:
		return false, fmt.Errorf("the list changed while it was read: its total went from %d to %d", g.total, page.Total)
	case page.Offset != g.offset:
		return false, fmt.Errorf("the page at offset %d was asked for and the one at %d came", g.offset, page.Offset)
	case n > 0 && firstID == g.firstID:
		return false, fmt.Errorf("the page at offset %d begins like the page before it: the list shifts or repeats", g.offset)
	}
	g.total, g.firstID = page.Total, firstID
	g.offset += n
	switch {
	case g.offset > page.Total && n > 0: // without entries, somebody began beyond the end
		return false, fmt.Errorf("the list says that it has %d entries and shows %d", page.Total, g.offset)
	case g.offset < page.Total && n == 0:
		return false, fmt.Errorf("the list is truncated: it says that it has %d entries and ends after %d", page.Total, g.offset)
	}
	return g.offset >= page.Total, nil
}
