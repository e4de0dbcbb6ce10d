package emulator

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// DigiCertOneUser is a user in an account: to be put there, or as it is.
type DigiCertOneUser struct {
	ID string `yaml:"-" json:"id"`
	// FriendlyName is unique, whatever its case.
	FriendlyName string `yaml:"friendly_name" json:"friendly_name"`
	Description  string `yaml:"description" json:"description,omitempty"`
	// Email is the contact. Default "team@example.com".
	Email string `yaml:"email" json:"email"`
	// EndDate is a day such as "2026-01-31", at whose 23:59:59 UTC the user ends; "" for none. It may be over.
	EndDate string `yaml:"end_date" json:"end_date,omitempty"`
	// Accounts are ids, the primary one first. Default: the first account.
	Accounts []string `yaml:"accounts" json:"accounts"`
	// Roles are the names of roles, from which manager access follows. Default AM_DEFAULT_USER, which may manage its own
	// tokens; AM_ACCOUNT_ADMIN may manage all users.
	Roles []string `yaml:"roles" json:"roles"`
	// Person makes an ordinary user instead of a service user.
	Person bool `yaml:"person" json:"person,omitempty"`
	// Disabled makes a user whose tokens are refused.
	Disabled bool `yaml:"disabled" json:"disabled,omitempty"`
	// FirstToken is the name of the token that the user is made with, as the vendor does: it ends with its user. "" for none.
	FirstToken string `yaml:"first_token" json:"-"`
	// Created is what created_at will say; now if zero.
	Created time.Time `yaml:"created" json:"created"`
	// Stopped is when the user was disabled. Zero for never, and for what was disabled from the beginning.
	Stopped time.Time `yaml:"-" json:"stopped,omitzero"`
}

// DigiCertOneToken is a token in an account: to be put there, or as it is.
type DigiCertOneToken struct {
	ID     string `yaml:"-" json:"id"`
	UserID string `yaml:"user_id" json:"user_id"`
	// Name is unique in the instance, or in the user with [DigiCertOneOptions.NamesPerUser], whatever its case.
	Name string `yaml:"name" json:"name"`
	// EndDate is a day such as "2026-01-31", at whose 23:59:59 UTC the token ends; "" for none. It may be over. A token that
	// was made with its user shows the user's.
	EndDate  string `yaml:"end_date" json:"end_date,omitempty"`
	Disabled bool   `yaml:"disabled" json:"disabled,omitempty"`
	// Created is what created_at will say; now if zero. A token can be given any age.
	Created time.Time `yaml:"created" json:"created"`
	// LastUsed is the true time of last use, whatever last_used_at shows. Zero for never.
	LastUsed time.Time `yaml:"last_used" json:"last_used,omitzero"`
	// Stopped is when the token was disabled. Zero for never, and for what was disabled from the beginning.
	Stopped time.Time `yaml:"-" json:"stopped,omitzero"`
}

// AddAccount puts an account into the instance and returns its id. The administrator has no access to it: put a user there
// who has.
func (s *DigiCertOne) AddAccount(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := len(s.accounts) + 1
	s.accounts = append(s.accounts, d1Account{id: id, name: name, created: s.options.Now()})
	return accountID(id)
}

// AddServiceUser puts a user into the account and returns its id, and the secret of its first token if it has one. The user is
// old: propagation does not apply. The rules of names hold.
func (s *DigiCertOne) AddServiceUser(u DigiCertOneUser) (id, secret string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, err := s.seededUser(u)
	if err != nil {
		return "", "", fmt.Errorf("the user %q: %w", u.FriendlyName, err)
	}
	if u.FirstToken != "" {
		if err := s.checkSeed("first_token", u.FirstToken, s.tokenNames[s.tokenName(len(s.users)+1, u.FirstToken)]); err != nil {
			return "", "", fmt.Errorf("the user %q: %w", u.FriendlyName, err)
		}
	}
	added := s.newUser(kept)
	if u.FirstToken != "" {
		secret = newSecret()
		s.newToken(d1Token{user: added.id, ofUser: true, name: u.FirstToken, d1Life: d1Life{created: added.created}}, secret)
	}
	return userID(added.id), secret, nil
}

func (s *DigiCertOne) seededUser(u DigiCertOneUser) (d1User, error) {
	if u.Email == "" {
		u.Email = "team@example.com"
	}
	if len(u.Accounts) == 0 {
		u.Accounts = []string{accountID(1)}
	}
	if len(u.Roles) == 0 {
		u.Roles = []string{d1Roles[d1DefaultUser-1].Name}
	}
	kept := d1User{person: u.Person, name: u.FriendlyName, description: u.Description, email: u.Email, createdBy: 1}
	var mistakes []error
	for _, id := range u.Accounts {
		kept.accounts = append(kept.accounts, s.findAccount(id))
	}
	if slices.Contains(kept.accounts, 0) {
		mistakes = append(mistakes, fmt.Errorf("of the accounts %q one does not exist", u.Accounts))
	}
	for _, name := range u.Roles {
		kept.roles = append(kept.roles, 1+slices.IndexFunc(d1Roles, func(r d1Named) bool { return r.Name == name }))
	}
	if slices.Contains(kept.roles, 0) {
		return kept, errors.Join(append(mistakes, fmt.Errorf("of the roles %q one does not exist", u.Roles))...)
	}
	for _, role := range kept.roles {
		kept.applications = append(kept.applications, d1Roles[role-1].application)
	}
	slices.Sort(kept.applications)
	kept.applications = slices.Compact(kept.applications)
	mistakes = append(mistakes, s.checkSeed("friendly_name", u.FriendlyName, s.userNames[d1Fold(u.FriendlyName)]))
	life, err := s.seededLife(u.Created, u.EndDate, u.Disabled)
	kept.d1Life = life
	return kept, errors.Join(append(mistakes, err)...)
}

// checkSeed holds the name of something that is put into an account against the rules.
func (s *DigiCertOne) checkSeed(field, name string, taken int) error {
	if refusal := s.checkName(field, name); refusal != nil {
		return errors.New(refusal.message)
	}
	if taken != 0 {
		return fmt.Errorf("the %s %q is taken", field, name)
	}
	return nil
}

func (s *DigiCertOne) seededLife(created time.Time, date string, disabled bool) (d1Life, error) {
	if created.IsZero() {
		created = s.options.Now()
	}
	life := d1Life{created: created.UnixNano()}
	if disabled {
		life.stopped = d1LongAgo
	}
	var err error
	life.end, err = endOf(date)
	return life, err
}

// AddToken puts a token into the account and returns its id and its secret. The token is old: propagation does not apply. The
// rules of names hold.
func (s *DigiCertOne) AddToken(t DigiCertOneToken) (id, secret string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(t.UserID)
	if u == nil {
		return "", "", d1NoUser(t.UserID)
	}
	err = s.checkSeed("name", t.Name, s.tokenNames[s.tokenName(u.id, t.Name)])
	life, wrong := s.seededLife(t.Created, t.EndDate, t.Disabled)
	if err = errors.Join(err, wrong); err != nil {
		return "", "", fmt.Errorf("the token %q: %w", t.Name, err)
	}
	secret = newSecret()
	added := s.newToken(d1Token{d1Life: life, user: u.id, name: t.Name, lastUsed: nanos(t.LastUsed)}, secret)
	return tokenID(added.id), secret, nil
}

// AddFleet puts many service users into the account, each with that many tokens. They are named "fleet-N" and
// "fleet-N-token-M", created at one time and end on one day ("" for never), and nobody knows their tokens' secrets.
func (s *DigiCertOne) AddFleet(users, tokensEach int, created time.Time, endDate string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	life, err := s.seededLife(created, endDate, false)
	if err != nil {
		return err
	}
	s.users = slices.Grow(s.users, users)
	s.tokens = slices.Grow(s.tokens, users*tokensEach)
	accounts, roles := []int{1}, []int{d1DefaultUser}
	for range users {
		n := len(s.users) + 1
		u := s.newUser(d1User{
			d1Life: d1Life{created: life.created}, name: fmt.Sprintf("fleet-%d", n), email: "team@example.com", createdBy: 1,
			accounts: accounts, applications: roles, roles: roles, tokens: make([]int, 0, tokensEach),
		})
		for m := range tokensEach {
			s.newToken(d1Token{d1Life: life, user: u.id, name: fmt.Sprintf("fleet-%d-token-%d", n, m+1)}, "")
		}
	}
	return nil
}

func d1NoUser(id string) error { return fmt.Errorf("there is no user %q", id) }

// RemoveUser takes a user out of the account, and its tokens with it, as an administrator would at the console.
func (s *DigiCertOne) RemoveUser(id string) error {
	return s.change(id, func(u *d1User, at int64) { s.removeUser(u, at) })
}

// DisableUser disables a user, or enables it, as an administrator would at the console.
func (s *DigiCertOne) DisableUser(id string, disabled bool) error {
	return s.change(id, func(u *d1User, at int64) { u.setDisabled(disabled, at) })
}

func (s *DigiCertOne) change(id string, to func(u *d1User, at int64)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(id)
	if u == nil {
		return d1NoUser(id)
	}
	to(u, s.options.Now().UnixNano())
	return nil
}

// RemoveToken takes a token out of the account, as an administrator would at the console.
func (s *DigiCertOne) RemoveToken(id string) error {
	return s.changeToken(id, func(t *d1Token, at int64) { s.removeToken(t, at) })
}

// DisableToken disables a token, or enables it, as an administrator would at the console.
func (s *DigiCertOne) DisableToken(id string, disabled bool) error {
	return s.changeToken(id, func(t *d1Token, at int64) { t.setDisabled(disabled, at) })
}

func (s *DigiCertOne) changeToken(id string, to func(t *d1Token, at int64)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.token(id)
	if t == nil {
		return fmt.Errorf("there is no token %q", id)
	}
	to(t, s.options.Now().UnixNano())
	return nil
}
