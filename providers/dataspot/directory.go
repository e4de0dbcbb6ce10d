package dataspot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// accessLevels are those of the specification, in the order of what they permit.
var accessLevels = []string{"READ_ONLY", "EDITOR", "ADMINISTRATOR"}

// errEnough ends a list that was asked for in part.
var errEnough = errors.New("enough users")

// Users implements [rotator.Directory]. The server has no pages, so offset and limit are counted here.
func (p *Provider) Users(ctx context.Context, q rotator.UserQuery, visit func(rotator.UserDetails) error) error {
	op := "GET " + p.at("users")
	if q.Container != "" {
		return rotator.NewFault(op, rotator.Invalid, "dataspot has no containers; a provider is one tenant")
	}
	if q.Offset < 0 || q.Limit < 0 {
		return rotator.NewFault(op, rotator.Invalid, "offset and limit must not be negative")
	}
	n := 0
	err := p.eachUser(ctx, nil, func(u *wireUser) error {
		details := u.details()
		if q.Kind != "" && q.Kind != details.Kind {
			return nil
		}
		n++
		if n <= q.Offset {
			return nil
		}
		if q.Limit > 0 && n > q.Offset+q.Limit {
			return errEnough
		}
		return visit(details)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// ShowUser implements [rotator.Directory]. The id may be a loginId too. No call says whose the daemon's own key is.
func (p *Provider) ShowUser(ctx context.Context, id string) (rotator.UserDetails, error) {
	var u *wireUser
	var err error
	switch {
	case id == "me":
		err = rotator.NewFault("GET "+p.at("users"), rotator.Invalid, "dataspot does not tell whose an access key is; name the user by its id or its loginId")
	case uuid.MatchString(id):
		u, err = p.user(ctx, id)
	default:
		u, err = p.userByLogin(ctx, id)
	}
	if err != nil {
		return rotator.UserDetails{}, err
	}
	return u.details(), nil
}

func (u *wireUser) details() rotator.UserDetails {
	d := rotator.UserDetails{ServiceUser: u.serviceUser(), Kind: rotator.StandardKind, Created: u.DateCreated.Time}
	if u.ServiceUser {
		d.Kind = rotator.ServiceKind
	}
	add := func(name string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			d.Attributes = append(d.Attributes, rotator.Attribute{Name: name, Values: values})
		}
	}
	add("login_id", u.LoginID)
	add("access_level", u.AccessLevel)
	add("tenant_id", u.TenantID)
	add("person_id", u.IsPerson)
	if !u.DateModified.IsZero() {
		add("modified", u.DateModified.Format(time.RFC3339))
	}
	if u.AccessKeys != nil {
		names := make([]string, 0, len(*u.AccessKeys))
		for _, k := range *u.AccessKeys {
			names = append(names, k.Name)
		}
		add("access_keys", names...)
	}
	return d
}

// CheckUser implements [rotator.Directory], after the manual's page "Service User": a unique id and a name are required, the access
// level may be set. That a loginId is in lower case is known from a public client.
func (p *Provider) CheckUser(s rotator.UserSpec) []string {
	problems := checkAttributes(s)
	if s.Kind == rotator.StandardKind {
		problems = append(problems, "kind: only service users can be made; people are added in dataspot.")
	}
	if s.LoginID == "" {
		problems = append(problems, "login_id: is required; it is the user's unique id.")
	}
	if s.LoginID != strings.ToLower(s.LoginID) {
		problems = append(problems, fmt.Sprintf("login_id: %q has capital letters; write it in lower case.", s.LoginID))
	}
	if strings.ContainsFunc(s.LoginID, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		problems = append(problems, fmt.Sprintf("login_id: %q holds blanks or characters that cannot be printed.", s.LoginID))
	}
	if strings.TrimSpace(s.Name) == "" {
		problems = append(problems, "name: is required.")
	}
	return problems
}

// checkAttributes looks at what both a new user and a change may have.
func checkAttributes(s rotator.UserSpec) []string {
	var problems []string
	refuse := func(name string) {
		problems = append(problems, name+": dataspot's service users have no such attribute.")
	}
	for _, a := range s.Attributes() {
		if !slices.Contains([]string{"name", "login_id", "access_level"}, a.Name) {
			refuse(a.Name)
		}
	}
	if s.RestrictedToRole != "" {
		refuse("restricted_to_role")
	}
	if s.SSOOnly {
		refuse("sso_only")
	}
	if s.AccessLevel != "" && !slices.Contains(accessLevels, s.AccessLevel) {
		problems = append(problems, fmt.Sprintf("access_level: %q is none; write one of %s.", s.AccessLevel, strings.Join(accessLevels, ", ")))
	}
	return problems
}

func invalidUser(op string, problems []string) error {
	return rotator.NewFault(op, rotator.Invalid, "%s", strings.Join(problems, " "))
}

// CreateUser implements [rotator.Directory] with POST of the users. Without an access level the user may only read. No key comes
// with it.
func (p *Provider) CreateUser(ctx context.Context, s rotator.UserSpec) (rotator.CreatedUser, error) {
	c, err := p.createCall(s)
	if err != nil {
		return rotator.CreatedUser{}, err
	}
	ans, err := p.api.Write(ctx, c)
	if err != nil {
		return rotator.CreatedUser{}, err
	}
	defer func() { _ = ans.Body.Close() }()
	return readCreated(c.Op(), ans.Body)
}

// PreviewUser implements [rotator.UserPreviewer].
func (p *Provider) PreviewUser(s rotator.UserSpec) (rotator.UserRequest, error) {
	c, err := p.createCall(s)
	return rotator.UserRequest{Method: c.Method, Path: c.Path, Body: c.Body}, err
}

// createCall is the request of [Provider.CreateUser].
func (p *Provider) createCall(s rotator.UserSpec) (rest.Call, error) {
	c := rest.Call{Name: "create_user", Method: http.MethodPost, Path: p.at("users")}
	if problems := p.CheckUser(s); len(problems) > 0 {
		return c, invalidUser(c.Op(), problems)
	}
	level := cmp.Or(s.AccessLevel, accessLevels[0])
	var err error
	c.Body, err = json.Marshal(wireNewUser{Type: p.options.TypeName, LoginID: s.LoginID, Name: s.Name, AccessLevel: level, ServiceUser: true})
	if err != nil {
		return c, rotator.NewFault(c.Op(), rotator.Invalid, "the request cannot be written: %w", err)
	}
	return c, nil
}

func readCreated(op string, r io.Reader) (rotator.CreatedUser, error) {
	var u struct {
		ID string `json:"id"`
	}
	if err := rest.ReadObject(r, &u); err != nil || u.ID == "" {
		return rotator.CreatedUser{}, rotator.NewFault(op, rotator.UnknownOutcome, "the service said that it made the user, and its answer could not be read")
	}
	return rotator.CreatedUser{UserID: u.ID}, nil
}

// UpdateUser implements [rotator.Directory] with PATCH of the name and the access level: accessKeys is not sent. The loginId cannot
// be changed.
func (p *Provider) UpdateUser(ctx context.Context, id string, s rotator.UserSpec) error {
	c := rest.Call{Name: "update_user", Method: http.MethodPatch, Path: p.at("users", id)}
	if problems := checkAttributes(s); len(problems) > 0 {
		return invalidUser(c.Op(), problems)
	}
	u, err := p.user(ctx, id)
	if err != nil {
		return err
	}
	if !u.ServiceUser {
		return rotator.NewFault(c.Op(), rotator.Invalid, "user %q is a person's and not a service user; nothing was written", u.LoginID)
	}
	if s.LoginID != "" && s.LoginID != u.LoginID {
		return rotator.NewFault(c.Op(), rotator.Invalid, "the loginId is %q and cannot be changed to %q; nothing was written", u.LoginID, s.LoginID)
	}
	if s.Name == "" && s.AccessLevel == "" {
		return nil
	}
	if c.Body, err = json.Marshal(wireChange{Type: p.typeOf(u), Name: s.Name, AccessLevel: s.AccessLevel}); err != nil {
		return rotator.NewFault(c.Op(), rotator.Invalid, "the request cannot be written: %w", err)
	}
	ans, err := p.api.Write(ctx, c)
	if err == nil {
		_ = ans.Body.Close() // it repeats the user
	}
	return err
}
