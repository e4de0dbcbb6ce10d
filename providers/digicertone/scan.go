package digicertone

import (
	"context"
	"fmt"
	"sync"

	"github.com/rotatord/rotatord/rotator"
)

// inFlight is how many lists of tokens are read at once.
const inFlight = 4

// Scan implements [rotator.Provider]. In [TokenMode] it is one call for the users and one for the tokens of each, because
// the documents make user_id mandatory there; for one user it is one call. In [RecreateMode] it is one call whatever the
// scope, because no filter by name is documented.
func (p *Provider) Scan(ctx context.Context, scope rotator.Scope, v rotator.Visitor) error {
	switch {
	case p.options.Mode == RecreateMode:
		return p.scanUsersAsKeys(ctx, scope.UserID, v)
	case scope.UserID != "":
		if !validID(scope.UserID) {
			return rotator.NewFault("GET "+tokens, rotator.Invalid, "%q is not the id of a DigiCert ONE user", scope.UserID)
		}
		return p.scanTokens(ctx, scope.UserID, v.Key)
	default:
		return p.scanAll(ctx, v)
	}
}

// refresh takes up a token of the daemon's own that was replaced.
func (p *Provider) refresh() error {
	if err := p.own.RefreshKey(); err != nil {
		return &rotator.Fault{Op: "GET /user", Kind: rotator.Transient, Err: err}
	}
	return nil
}

// scanAll visits all users and then the tokens of each. Between the two it holds the users' ids and nothing else: were the
// tokens read while the list of users is open, that one answer would have to stay open for as long as all calls take.
func (p *Provider) scanAll(ctx context.Context, v rotator.Visitor) error {
	if err := p.refresh(); err != nil {
		return err
	}
	var ids []string
	err := p.listUsers(ctx, typeService, func(u user) error {
		ids = append(ids, u.id)
		return v.User(p.serviceUser(u))
	})
	if err != nil {
		return err
	}
	return p.scanTokensOf(ctx, ids, v)
}

// scanTokensOf reads a few lists at once and visits one key at a time. The first failure ends it all.
func (p *Provider) scanTokensOf(ctx context.Context, ids []string, v rotator.Visitor) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	queue := make(chan string)
	var mu sync.Mutex // of the visitor, and of failed
	var failed error
	visit := func(k rotator.Key) error {
		mu.Lock()
		defer mu.Unlock()
		if failed != nil {
			return failed
		}
		return v.Key(k)
	}
	var workers sync.WaitGroup
	for range min(inFlight, len(ids)) {
		workers.Go(func() {
			for id := range queue {
				if err := p.scanTokens(ctx, id, visit); err != nil {
					mu.Lock()
					if failed == nil {
						failed = err
					}
					mu.Unlock()
					stop()
				}
			}
		})
	}
	for _, id := range ids {
		queue <- id // every worker takes until the end, and calls that are stopped return at once
	}
	close(queue)
	workers.Wait()
	return failed
}

// scanTokens visits the tokens of one user. A user that was deleted meanwhile has none.
func (p *Provider) scanTokens(ctx context.Context, userID string, visit func(rotator.Key) error) error {
	err := p.listTokens(ctx, userID, visit)
	if rotator.KindOf(err) != rotator.Gone {
		return err
	}
	_, _, lookErr := p.getUser(ctx, userID)
	switch {
	case rotator.KindOf(lookErr) == rotator.Gone:
		return nil
	case lookErr != nil:
		return lookErr
	default:
		return rotator.NewFault("GET "+tokens, rotator.Invalid, "the user %s exists and its tokens cannot be listed (%w); "+
			"if service users hold no tokens of their own at this instance, set mode: recreate", userID, err)
	}
}

// scanUsersAsKeys visits each service user as a key, and its base name once as the service user. Two users of one base
// name in different accounts are no series, and to take them for one would end with a live one deleted.
func (p *Provider) scanUsersAsKeys(ctx context.Context, base string, v rotator.Visitor) error {
	if base == "" {
		if err := p.refresh(); err != nil {
			return err
		}
	}
	accounts := map[string]string{}
	return p.listUsers(ctx, typeService, func(u user) error {
		k := p.userKey(u)
		if base != "" && k.UserID != base {
			return nil
		}
		account, known := accounts[k.UserID]
		if known && account != u.account {
			return rotator.NewFault("GET /user", rotator.Invalid, "the accounts %s and %s both have a service user named %q; a series of keys is in "+
				"one account, so set account_id and configure the other account as a provider of its own", account, u.account, k.UserID)
		}
		accounts[k.UserID] = u.account
		if !known {
			// Whether one of the series is disabled is told of that key.
			if err := v.User(rotator.ServiceUser{ID: k.UserID, Name: k.UserID, Email: u.email, Active: true}); err != nil {
				return err
			}
		}
		return v.Key(k)
	})
}

// newest returns the user that a base name stands for in [RecreateMode]: of those that are active the one with the highest
// version, else of those that are not.
func (p *Provider) newest(ctx context.Context, base string) (user, error) {
	var best user
	var bestKey rotator.TrackedKey
	err := p.listUsers(ctx, typeService, func(u user) error {
		k := rotator.TrackedKey{Key: p.userKey(u)}
		k.Base, k.Version = rotator.SplitName(u.name)
		better := k.Newer(bestKey)
		if (k.State == rotator.KeyActive) != (bestKey.State == rotator.KeyActive) {
			better = k.State == rotator.KeyActive
		}
		if k.Base == base && (best.id == "" || better) {
			best, bestKey = u, k
		}
		return nil
	})
	if err == nil && best.id == "" {
		err = &rotator.Fault{Op: "GET /user", Kind: rotator.Gone, Err: fmt.Errorf("there is no service user named %q", base)}
	}
	return best, err
}
