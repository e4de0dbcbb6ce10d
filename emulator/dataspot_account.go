package emulator

import (
	"errors"
	"fmt"
	"time"
)

// DataspotUser is a user of a tenant: to be put there, or as it is.
type DataspotUser struct {
	// ID is the server's own, a UUID.
	ID string `yaml:"-" json:"id"`
	// Tenant is the name of the tenant; the first one if it is empty.
	Tenant string `yaml:"tenant" json:"tenant"`
	// LoginID is the user's unique id in its tenant. It must be set.
	LoginID string `yaml:"login_id" json:"login_id"`
	// Name is the login if empty.
	Name string `yaml:"name" json:"name"`
	// AccessLevel is READ_ONLY if empty; or EDITOR, or ADMINISTRATOR.
	AccessLevel string `yaml:"access_level" json:"access_level"`
	// Person makes an ordinary user, which has no keys, instead of a service user.
	Person bool `yaml:"person" json:"person"`
}

// DataspotKey is an access key: to be put there, or as it is.
type DataspotKey struct {
	// ID is the server's own, a UUID.
	ID string `yaml:"-" json:"id"`
	// UserID is the id of the service user that it belongs to.
	UserID string `yaml:"user_id" json:"user_id"`
	Name   string `yaml:"name" json:"name"`
	// Hint is the part of the value that stays visible. Empty if nobody knows the value.
	Hint string `yaml:"-" json:"hint"`
	// Created is now if zero. A key can be given any age.
	Created time.Time `yaml:"created" json:"created"`
	// Expires must be set, and may be past.
	Expires time.Time `yaml:"expires" json:"expires"`
	// Removed is when the key was removed, by a call, in the page, or with its user. Zero for a key that is there.
	Removed time.Time `yaml:"-" json:"removed,omitzero"`
}

// AddTenant adds a tenant with an administrator and returns the administrator's key. A tenant that is there already is an error.
func (s *Dataspot) AddTenant(name string) (managerSecret string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" || s.tenantNamed(name) >= 0 {
		return "", fmt.Errorf("a tenant %q cannot be added: the name is empty or taken", name)
	}
	secret := dsSecret()
	s.addTenant(name, secret)
	return secret, nil
}

// AddUser puts a user into a tenant and returns its id.
func (s *Dataspot) AddUser(u DataspotUser) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tenant := 0
	if u.Tenant != "" {
		tenant = s.tenantNamed(u.Tenant)
	}
	if u.Name == "" {
		u.Name = u.LoginID
	}
	if u.AccessLevel == "" {
		u.AccessLevel = dsReadOnly
	}
	switch {
	case tenant < 0:
		return "", fmt.Errorf("there is no tenant %q to put the user %q into", u.Tenant, u.LoginID)
	case u.LoginID == "" || s.userNamed(tenant, u.LoginID) != nil:
		return "", fmt.Errorf("a user %q cannot be added: the login is empty or taken", u.LoginID)
	case !knownLevel(u.AccessLevel):
		return "", fmt.Errorf("the access level %q of the user %q is none; it is one of %v", u.AccessLevel, u.LoginID, dsLevels)
	}
	added := s.newUser(dsUser{tenant: tenant, profile: &dsProfile{login: u.LoginID, name: u.Name, level: u.AccessLevel, service: !u.Person}})
	return dsID(dsUserID, added.number), nil
}

// AddServiceUser puts a service user that may read into a tenant and returns its id.
func (s *Dataspot) AddServiceUser(tenant, login string) (id string, err error) {
	return s.AddUser(DataspotUser{Tenant: tenant, LoginID: login})
}

// AddKey gives a key to a service user and returns its id and its value. The key is old: propagation does not apply.
func (s *Dataspot) AddKey(k DataspotKey) (id, value string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(dsNumber(dsUserID, k.UserID))
	if err := s.mayHave(u, k.Name, k.Expires); err != nil {
		return "", "", fmt.Errorf("the key %q cannot be given to the user %q: %w", k.Name, k.UserID, err)
	}
	if k.Created.IsZero() {
		k.Created = s.options.Now()
	}
	value = dsSecret()
	added := s.newKey(dsKey{user: u.number, name: k.Name, created: nanos(k.Created), expires: nanos(k.Expires)}, value)
	return dsID(dsKeyID, added.number), value, nil
}

// mayHave holds the rules for keys that are not made by a call. It does not ask for an expiry in the future.
func (s *Dataspot) mayHave(u *dsUser, name string, expires time.Time) error {
	switch {
	case u == nil:
		return errors.New("there is no such user")
	case !s.profileOf(u).service:
		return errors.New("only service users have access keys")
	case name == "":
		return errors.New("the name is required")
	case expires.IsZero():
		return errors.New("the expiry date is required")
	}
	for _, k := range s.keysOf(u) {
		if k.name == name {
			return errors.New("the name is taken")
		}
	}
	return nil
}

// AddFleet puts many service users into a tenant, each with that many keys, cheaply. Their logins follow from their ids, the keys
// are named "key-1" and so on, and nobody knows their values.
func (s *Dataspot) AddFleet(tenant string, users, keysEach int, created, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tenantNamed(tenant)
	if t < 0 {
		return fmt.Errorf("there is no tenant %q to put %d users into", tenant, users)
	}
	names := make([]string, keysEach)
	for i := range names {
		names[i] = fmt.Sprintf("key-%d", i+1)
	}
	s.users = append(make([]dsUser, 0, len(s.users)+users), s.users...)
	s.keys = append(make([]dsKey, 0, len(s.keys)+users*keysEach), s.keys...)
	for range users {
		number := s.newUser(dsUser{tenant: t, created: nanos(created)}).number
		for _, name := range names {
			s.newKey(dsKey{user: number, name: name, created: nanos(created), expires: nanos(expires)}, "")
		}
	}
	return nil
}

// RemoveUser deletes a user, and its keys with it, as an administrator would in the page.
func (s *Dataspot) RemoveUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(dsNumber(dsUserID, id)); u != nil {
		s.removeUser(u)
	}
}

// Users returns every user of a tenant as it is, its administrator first; of all tenants if the name is empty.
func (s *Dataspot) Users(tenant string) []DataspotUser {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []DataspotUser{}
	for i := range s.users {
		u := &s.users[i]
		name := s.tenants[u.tenant].name
		if u.deleted || (tenant != "" && tenant != name) {
			continue
		}
		p := s.profileOf(u)
		list = append(list, DataspotUser{
			ID: dsID(dsUserID, u.number), Tenant: name, LoginID: p.login, Name: p.name, AccessLevel: p.level, Person: !p.service,
		})
	}
	return list
}

// Key returns a key as it is, even if it was removed, and false if there never was one of that id.
func (s *Dataspot) Key(id string) (DataspotKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.anyKey(dsNumber(dsKeyID, id)).public()
}

// KeyOfSecret returns the key that a value belongs to, even if it was removed.
func (s *Dataspot) KeyOfSecret(value string) (DataspotKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bySecret(value).public()
}

// Keys returns the keys that a user has, in the order in which they were made; those of all users if userID is empty. This is the
// truth, not the API's view of it.
func (s *Dataspot) Keys(userID string) []DataspotKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []DataspotKey{}
	for i := range s.keys {
		if k, _ := s.keys[i].public(); k.Removed.IsZero() && (userID == "" || k.UserID == userID) {
			list = append(list, k)
		}
	}
	return list
}

func (k *dsKey) public() (DataspotKey, bool) {
	if k == nil {
		return DataspotKey{}, false
	}
	return DataspotKey{
		ID: dsID(dsKeyID, k.number), UserID: dsID(dsUserID, k.user), Name: k.name, Hint: k.hint, Created: moment(k.created), Expires: moment(k.expires),
		Removed: moment(k.removed),
	}, true
}

// Authenticates reports whether a call with that key would be let in to that tenant now. It is no use of the key.
func (s *Dataspot) Authenticates(tenant, value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.bySecret(value)
	return k != nil && s.accepts(k, s.options.Now()) && s.tenants[s.user(k.user).tenant].name == tenant
}

// Usage returns what became of the calls made with a key, given its id; with the id "", of those made without a key that exists.
func (s *Dataspot) Usage(keyID string) Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usageOf(dsNumber(dsKeyID, keyID)).snapshot()
}

// AllUsage returns the usage of every key that made a call, by key id, and that of callers without a key under "".
func (s *Dataspot) AllUsage() map[string]Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Usage{"": s.strangers.snapshot()}
	for number, u := range s.usage {
		all[dsID(dsKeyID, number)] = u.snapshot()
	}
	return all
}

func (s *Dataspot) usageOf(number int64) *Usage {
	if number == 0 {
		return &s.strangers
	}
	if s.usage[number] == nil {
		s.usage[number] = &Usage{}
	}
	return s.usage[number]
}

func (s *Dataspot) count(number int64, change func(*Usage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.usageOf(number))
}
