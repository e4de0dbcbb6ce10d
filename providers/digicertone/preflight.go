package digicertone

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// errEnough ends a list that has shown what it was asked for.
var errEnough = errors.New("enough was seen")

// Preflight implements [rotator.Preflighter]. It asks whose the credential is, which accounts it reaches, and whether it can
// list service users and, in [TokenMode], the tokens of another one. Whether it may change anything cannot be found out by
// reading.
func (p *Provider) Preflight(ctx context.Context) ([]string, error) {
	self, _, err := p.getUser(ctx, me)
	what := "rotatord cannot read its own user"
	if rotator.KindOf(err) == rotator.Gone {
		what += ": look at base_url and api_path, there may be no Account Manager at " + p.options.BaseURL + p.options.APIPath
	}
	if problem, err := finding(what, err); err != nil || problem != nil {
		return problem, err // nothing else would work
	}
	var problems []string
	if p.state(self.status) != rotator.KeyActive {
		problems = append(problems, fmt.Sprintf("rotatord's own user %s has the status %q, which is not the word for active; look at statuses.active.", self.id, self.status))
	}
	accounts, err := p.lookAtAccounts(ctx)
	if err != nil {
		return nil, err
	}
	users, err := p.lookAtUsers(ctx, self)
	if err != nil {
		return nil, err
	}
	return append(append(problems, accounts...), users...), nil
}

// finding turns a failure that will not go away by itself into a sentence.
func finding(what string, err error) ([]string, error) {
	switch rotator.KindOf(err) {
	case rotator.Denied, rotator.Invalid, rotator.Gone:
		return []string{what + ": " + err.Error() + "."}, nil
	default:
		return nil, err
	}
}

func (p *Provider) lookAtAccounts(ctx context.Context) ([]string, error) {
	found, all := 0, 0
	err := p.Accounts(ctx, func(a Account) error {
		all++
		if p.options.AccountID == "" || a.ID == p.options.AccountID {
			found++
		}
		return nil
	})
	switch {
	case err != nil:
		return finding("Accounts cannot be listed", err)
	case all == 0:
		return []string{"rotatord can see no account: its user has access to none."}, nil
	case found == 0:
		return []string{fmt.Sprintf("Of the %d accounts that rotatord can see none is %s, which account_id names.", all, p.options.AccountID)}, nil
	default:
		return nil, nil
	}
}

// lookAtUsers goes through the service users until one shows whether others' tokens can be listed.
func (p *Provider) lookAtUsers(ctx context.Context, self user) ([]string, error) {
	other := ""
	err := p.listUsers(ctx, typeService, func(u user) error {
		if u.id == self.id {
			return nil
		}
		other = u.id
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return finding("Service users cannot be listed", err)
	}
	if other == "" {
		return nil, nil
	}
	if p.options.Mode == TokenMode {
		return p.lookAtTokens(ctx, other)
	}
	_, err = p.predecessor(ctx, other)
	return finding("A successor of the service user "+other+" could not be made", err)
}

func (p *Provider) lookAtTokens(ctx context.Context, userID string) ([]string, error) {
	err := p.scanTokens(ctx, userID, func(rotator.Key) error { return nil })
	return finding("The tokens of the service user "+userID+" cannot be listed; rotatord's user needs the permission to manage users, and "+
		"access to their accounts", err)
}

// Account is one account that the credential reaches (GET /account).
type Account struct {
	ID, Name string
	Active   bool
}

// Accounts visits the accounts that the credential reaches. The JSON names of these are documented.
func (p *Provider) Accounts(ctx context.Context, visit func(Account) error) error {
	return p.list(ctx, "list_accounts", "/account", url.Values{}, func(op string, o object) error {
		a, err := readAccount(op, o)
		if err != nil {
			return err
		}
		return visit(a)
	})
}

func readAccount(op string, o object) (Account, error) {
	id, _ := scalar(o["id"])
	name, _ := scalar(o["name"])
	if id == "" {
		return Account{}, rotator.NewFault(op, rotator.Invalid, "%w: an account without an id", rest.ErrShape)
	}
	return Account{ID: id, Name: name, Active: string(o["active"]) == "true"}, nil
}
