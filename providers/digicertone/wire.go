package digicertone

import (
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// typeService is the documented user_type of service users; typeStandard, that of people, is inferred.
const (
	typeService  = "service"
	typeStandard = "standard"
)

// user is a user as an answer has it.
type user struct {
	id, name, description, email, status, kind, account string
	created, end                                        time.Time
	accounts, managers, roles                           []string
	managerNames, roleNames                             []string
}

// service reports whether it is a service user, as it is where the answer does not say.
func (u user) service() bool { return u.kind == "" || u.kind == typeService }

// readUser reads what every user has. Lists that are not there are empty: who needs them asks for them.
func (p *Provider) readUser(op string, o object) (user, error) {
	f := p.options.Fields
	r := &reader{o: o, op: op}
	u := user{
		id: r.neededText(f.userID()), status: r.neededText(f.userStatus()), kind: r.text(f.userType()),
		email: r.text(f.userEmail()), description: r.text(f.userDescription()), account: r.text(f.userAccount()),
		created: r.time(f.userCreated()), end: r.end(f.userEndDate()),
	}
	if u.service() {
		u.name = r.neededText(f.userName())
	} else {
		u.name = r.text(f.userName()) // people have names of other kinds
	}
	u.accounts, _ = r.ids(f.userAccounts())
	u.managers, u.managerNames = r.ids(f.userManagers())
	u.roles, u.roleNames = r.ids(f.userRoles())
	if r.err == nil && !validID(u.id) {
		r.fail(f.userID(), "is no id")
	}
	return u, r.err
}

// state is what a status word means.
func (p *Provider) state(status string) rotator.KeyState {
	s := p.options.Statuses
	switch status {
	case s.Active:
		return rotator.KeyActive
	case s.Disabled:
		return rotator.KeyDisabled
	case s.Expired:
		return rotator.KeyExpired
	default:
		return rotator.KeyOther
	}
}

func (p *Provider) serviceUser(u user) rotator.ServiceUser {
	return rotator.ServiceUser{ID: u.id, Name: u.name, Email: u.email, Active: p.state(u.status) == rotator.KeyActive}
}

// userKey is a service user as the key that it is in [RecreateMode].
func (p *Provider) userKey(u user) rotator.Key {
	base, _ := rotator.SplitName(u.name)
	return rotator.Key{ID: u.id, UserID: base, Name: u.name, Created: u.created, Expires: u.end, State: p.state(u.status)}
}

// readToken reads a token of that user; "" is any.
func (p *Provider) readToken(op, userID string, o object) (rotator.Key, error) {
	f := p.options.Fields
	r := &reader{o: o, op: op}
	k := rotator.Key{
		ID: r.neededText(f.tokenID()), UserID: r.neededText(f.tokenUserID()), Name: r.neededText(f.tokenName()),
		State: p.state(r.neededText(f.tokenStatus())), Created: r.time(f.tokenCreated()), Expires: r.end(f.tokenEndDate()),
		LastUsed: r.time(f.tokenLastUsed()),
	}
	switch {
	case r.err != nil:
	case !validID(k.ID):
		r.fail(f.tokenID(), "is no id")
	case userID != "" && k.UserID != userID:
		r.fail(f.tokenUserID(), "names another user than the one whose tokens were asked for")
	}
	return k, r.err
}

// validID reports whether a value can be an id: UUIDs are documented. Ids become parts of paths, so nothing that means
// something there may pass, and neither may "me", which is the daemon's own user.
func validID(id string) bool {
	const longest = 128
	return id != "" && id != me && len(id) <= longest && !strings.ContainsFunc(id, notInID)
}

func notInID(r rune) bool { return !asciiRune(r) || r == ' ' }

// me is the documented word for the caller's own id.
const me = "me"
