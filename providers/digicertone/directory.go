package digicertone

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// Users implements [rotator.Directory] with GET /user. The service filters by kind; the account, the offset and the limit
// are applied here, because no parameter for them is documented.
func (p *Provider) Users(ctx context.Context, q rotator.UserQuery, visit func(rotator.UserDetails) error) error {
	if q.Container != "" && !validID(q.Container) {
		return rotator.NewFault("GET /user", rotator.Invalid, "the account %q is no id", q.Container)
	}
	kinds := map[rotator.UserKind]string{rotator.ServiceKind: typeService, rotator.StandardKind: typeStandard}
	skipped, shown := 0, 0
	err := p.listUsers(ctx, kinds[q.Kind], func(u user) error {
		if q.Container != "" && u.account != q.Container && !slices.Contains(u.accounts, q.Container) {
			return nil
		}
		if skipped < q.Offset {
			skipped++
			return nil
		}
		if q.Limit > 0 && shown == q.Limit {
			return errEnough
		}
		shown++
		return visit(p.details(u))
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// ShowUser implements [rotator.Directory]. In [RecreateMode] the id may be a base name, which stands for the newest service
// user of the series: the answer bears the base name then, as the scan does.
func (p *Provider) ShowUser(ctx context.Context, id string) (rotator.UserDetails, error) {
	u, isBase, err := p.find(ctx, id)
	if err != nil {
		return rotator.UserDetails{}, err
	}
	d := p.details(u)
	if isBase {
		d.ID, d.Name = id, id
		d.Attributes = append(d.Attributes, rotator.Attribute{Name: "newest_user", Values: []string{u.id, u.name}})
	}
	return d, nil
}

// find returns a user by its id, or in [RecreateMode] by its base name.
func (p *Provider) find(ctx context.Context, id string) (u user, isBase bool, err error) {
	if p.options.Mode == TokenMode || id == me || isUUID(id) {
		u, _, err = p.getUser(ctx, id)
		return u, false, err
	}
	u, err = p.newest(ctx, id)
	return u, true, err
}

// isUUID tells ids from names: both are made of letters, digits and dashes.
func isUUID(id string) bool {
	if len(id) != len("00000000-0000-0000-0000-000000000000") {
		return false
	}
	for i, c := range []byte(id) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

func (p *Provider) details(u user) rotator.UserDetails {
	d := rotator.UserDetails{ServiceUser: p.serviceUser(u), Kind: rotator.ServiceKind, Status: u.status, Created: u.created}
	if !u.service() {
		d.Kind = rotator.StandardKind
	}
	end := ""
	if !u.end.IsZero() {
		end = endDate(u.end)
	}
	for _, a := range []rotator.Attribute{
		{Name: "description", Values: []string{u.description}}, {Name: "end_date", Values: []string{end}},
		{Name: "accounts", Values: u.accounts}, {Name: "managers", Values: u.managers}, {Name: "roles", Values: u.roles},
		{Name: "manager_names", Values: u.managerNames}, {Name: "role_names", Values: u.roleNames},
		{Name: "primary_account", Values: []string{u.account}},
	} {
		if len(a.Values) > 0 && a.Values[0] != "" {
			d.Attributes = append(d.Attributes, a)
		}
	}
	return d
}

// CreateUser implements [rotator.Directory] with POST /user. The answer holds a token. In [RecreateMode] the user is made
// under the name of its first key, and is that key.
//
// In [TokenMode] the service names the token itself: no field of the request is known that would.
func (p *Provider) CreateUser(ctx context.Context, s rotator.UserSpec) (rotator.CreatedUser, error) {
	c, err := p.createCall(s)
	if err != nil {
		return rotator.CreatedUser{}, err
	}
	f := p.options.Fields
	made, err := p.create(ctx, c, creation{id: f.userID(), value: f.createdToken(), end: f.userEndDate(), created: f.userCreated()})
	if err != nil {
		return rotator.CreatedUser{}, err
	}
	return p.createdUser(made, p.firstName(s)), nil
}

// PreviewUser implements [rotator.UserPreviewer].
func (p *Provider) PreviewUser(s rotator.UserSpec) (rotator.UserRequest, error) {
	c, err := p.createCall(s)
	return rotator.UserRequest{Method: c.Method, Path: c.Path, Body: c.Body}, err
}

// firstName is the name of a new user. In [RecreateMode] it is that of its first key.
func (p *Provider) firstName(s rotator.UserSpec) string {
	if p.options.Mode == RecreateMode {
		return s.KeyName
	}
	return s.Name
}

// createCall is the request of [Provider.CreateUser].
func (p *Provider) createCall(s rotator.UserSpec) (rest.Call, error) {
	c := rest.Call{Name: "create_user", Method: http.MethodPost, Path: "/user", Shows: true}
	if err := asFault(c.Op(), p.CheckUser(s)); err != nil {
		return c, err
	}
	end, err := p.firstEnd(s)
	if err != nil {
		return c, &rotator.Fault{Op: c.Op(), Kind: rotator.Invalid, Err: err}
	}
	wanted := user{description: s.Description, email: s.Email, accounts: s.Accounts, managers: s.Managers, roles: s.Roles}
	c.Body, err = p.userBody(c.Op(), wanted, p.firstName(s), end)
	return c, err
}

// createdUser tells the user of the answer from its token.
func (p *Provider) createdUser(made created, name string) rotator.CreatedUser {
	user := rotator.CreatedUser{UserID: made.KeyID, HasKey: true, Key: made.Minted}
	if p.options.Mode == RecreateMode {
		user.UserID, _ = rotator.SplitName(name)
		return user
	}
	f := p.options.Fields
	r := &reader{o: made.answer, op: made.op}
	user.Key.KeyID = r.text(f.createdTokenID())
	if end := r.end(f.createdTokenEndDate()); !end.IsZero() {
		user.Key.Expires = end
	}
	return user
}

// UserIDOf implements [rotator.UserIdentifier]: in [RecreateMode] a service user is known by its base name.
func (p *Provider) UserIDOf(s rotator.UserSpec) string {
	if p.options.Mode == RecreateMode {
		return s.Name
	}
	return ""
}

// firstEnd is the end of a new user; zero for none. In [RecreateMode] the user is its key, and ends when that is to end.
func (p *Provider) firstEnd(s rotator.UserSpec) (time.Time, error) {
	if p.options.Mode == RecreateMode && s.EndDate == "" {
		return endFor(p.options.Clock.Now(), s.KeyLifetime)
	}
	return specEnd(s)
}

// specEnd is the end that a specification asks for; zero for none.
func specEnd(s rotator.UserSpec) (time.Time, error) {
	if s.EndDate == "" {
		return time.Time{}, nil
	}
	return parseEnd(s.EndDate)
}

// UpdateUser implements [rotator.Directory] with a PUT of the user. In [RecreateMode] a base name stands for the newest user
// of the series, whose friendly name stays.
func (p *Provider) UpdateUser(ctx context.Context, id string, s rotator.UserSpec) error {
	const op = "update user"
	if err := asFault(op, p.checkAttributes(s, p.options.Clock.Now())); err != nil {
		return err
	}
	found, isBase, err := p.find(ctx, id)
	if err != nil {
		return err
	}
	if isBase && s.Name != "" && s.Name != id {
		return rotator.NewFault(op, rotator.Invalid, "the series %q cannot be renamed to %q: its users bear its name", id, s.Name)
	}
	_, o, err := p.getUser(ctx, found.id) // lists may show less than the user itself
	if err != nil {
		return err
	}
	changes, err := p.changes(s, isBase)
	if err != nil {
		return &rotator.Fault{Op: op, Kind: rotator.Invalid, Err: err}
	}
	return p.update(ctx, "update_user", p.options.Paths.updateUser(), found.id, o, changes...)
}

// changes are the fields that a specification sets.
func (p *Provider) changes(s rotator.UserSpec, keepName bool) ([]setting, error) {
	f := p.options.Fields
	end, err := specEnd(s)
	if err != nil {
		return nil, err
	}
	var changes []setting
	if !end.IsZero() {
		changes = append(changes, endSetting(f.UserEndDate, end))
	}
	if s.Name != "" && !keepName {
		changes = append(changes, setting{f.UserName, s.Name})
	}
	for _, text := range []struct{ path, value string }{{f.UserEmail, s.Email}, {f.UserDescription, s.Description}} {
		if text.path != "" && text.value != "" {
			changes = append(changes, setting{text.path, text.value})
		}
	}
	for _, list := range []struct {
		path  string
		value []string
	}{{f.UserAccounts, s.Accounts}, {f.UserManagers, s.Managers}, {f.UserRoles, s.Roles}} {
		if len(list.value) > 0 {
			changes = append(changes, setting{list.path, list.value})
		}
	}
	return changes, nil
}
