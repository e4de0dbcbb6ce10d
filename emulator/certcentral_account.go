package emulator

import (
	"fmt"
	"time"
)

// CertCentralUser is a user to put into an account.
type CertCentralUser struct {
	// Username is the user's own. If it is empty a service user is given a random one, as the vendor does, and a person
	// the e-mail address.
	Username string `yaml:"username" json:"username"`
	// Email is the contact. Default "team@example.com".
	Email string `yaml:"email" json:"email"`
	// Person makes an ordinary user instead of a service user.
	Person bool `yaml:"person" json:"person"`
	// Administrator gives the user the role of that name.
	Administrator bool `yaml:"administrator" json:"administrator"`
	// Inactive makes a user whose keys are refused.
	Inactive bool `yaml:"inactive" json:"inactive"`
	// Container is the user's division; 0 is the account's root.
	Container int64 `yaml:"container" json:"container"`
}

// CertCentralKey is a key in an account: to be put there, or as it is.
type CertCentralKey struct {
	ID     int64  `yaml:"-" json:"id"`
	UserID int64  `yaml:"user_id" json:"user_id"`
	Name   string `yaml:"name" json:"name"`
	// Status is "active" if empty.
	Status string `yaml:"status" json:"status"`
	// Created is what create_date will say; now if zero. A key can be given any age.
	Created time.Time `yaml:"created" json:"created"`
	// LastUsed is the true time of last use, whatever last_used_date shows yet. Zero for never.
	LastUsed time.Time `yaml:"last_used" json:"last_used,omitzero"`
	// Revoked is when the key was revoked last. Zero for never.
	Revoked time.Time `yaml:"-" json:"revoked,omitzero"`
	// RestrictedTo is an API access role; 0 for none.
	RestrictedTo int64 `yaml:"restricted_to" json:"restricted_to,omitempty"`
	// ACME makes the entry of an ACME directory address, which the vendor lists among the keys.
	ACME bool `yaml:"acme" json:"acme,omitempty"`
	// Secret is what [CertCentral.AddKey] makes the key's secret; a random one if it is empty. It is never shown.
	Secret string `yaml:"-" json:"-"`
}

// AddUser puts a user into the account and returns its id.
func (s *CertCentral) AddUser(u CertCentralUser) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Email == "" {
		u.Email = "team@example.com"
	}
	var added *ccUser
	if u.Person {
		added = s.newUser(ccUser{profile: &ccProfile{
			username: u.Email, first: "Jane", last: "Doe", email: u.Email, status: ccActive, roles: []int64{ccRoleStandardUser},
		}})
	} else {
		added = s.newServiceUser(u.Email)
	}
	if u.Username != "" {
		added.profile.username = u.Username
	}
	if u.Administrator {
		added.profile.roles = []int64{ccRoleAdministrator}
	}
	if u.Inactive {
		added.profile.status = "inactive"
	}
	if u.Container != 0 {
		added.container = u.Container
	}
	return added.id
}

// AddKey puts a key into the account and returns its id and its secret. The key is old: propagation does not apply.
func (s *CertCentral) AddKey(k CertCentralKey) (id int64, secret string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.user(k.UserID) == nil {
		return 0, "", fmt.Errorf("there is no user %d to give the key %q to", k.UserID, k.Name)
	}
	if k.Status == "" {
		k.Status = ccActive
	}
	if k.Created.IsZero() {
		k.Created = s.options.Now()
	}
	if secret = k.Secret; secret == "" {
		secret = newSecret()
	}
	added := s.newKey(ccKey{
		user: k.UserID, name: k.Name, status: k.Status, created: nanos(k.Created), lastUsed: nanos(k.LastUsed), restricted: k.RestrictedTo, acme: k.ACME,
	}, secret)
	return added.id, secret, nil
}

// AddFleet puts many service users into the account, each with that many keys, cheaply: in some 300 bytes per user with two keys.
// Their profiles follow from their ids, the keys are named "key" and created at one time, and nobody knows their secrets.
func (s *CertCentral) AddFleet(users, keysEach int, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(make([]ccUser, 0, len(s.users)+users), s.users...)
	s.keys = append(make([]ccKey, 0, len(s.keys)+users*keysEach), s.keys...)
	for range users {
		id := s.newUser(ccUser{service: true}).id
		for range keysEach {
			s.newKey(ccKey{user: id, name: "key", status: ccActive, created: nanos(created)}, "")
		}
	}
}

// RemoveUser takes a user out of the account, and its keys with it, as an administrator would at the console.
func (s *CertCentral) RemoveUser(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(id); u != nil {
		u.deleted = true
	}
}

// SetKeyStatus changes a key's status word to any word, as the console might.
func (s *CertCentral) SetKeyStatus(id int64, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.key(id)
	if k == nil {
		return fmt.Errorf("there is no key %d", id)
	}
	s.setStatus(k, status, s.options.Now())
	return nil
}

// ServiceUsersOf returns the ids of the service users with that contact, in the order in which they were made. What is not listed yet is
// included.
func (s *CertCentral) ServiceUsersOf(email string) (ids []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.users {
		if u := &s.users[i]; u.service && !u.deleted && s.profileOf(u).email == email {
			ids = append(ids, u.id)
		}
	}
	return ids
}

// Login records that a user signed in at the console.
func (s *CertCentral) Login(userID int64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.user(userID); u != nil {
		p := *s.profileOf(u)
		p.lastLogin = at
		u.profile = &p
	}
}

// Key returns a key as it is, and false if there is none of that id.
func (s *CertCentral) Key(id int64) (CertCentralKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.key(id)
	if k == nil {
		return CertCentralKey{}, false
	}
	return k.public(), true
}

// Keys returns every key of a user as it is, in the order in which they were made; of all users if userID is 0. What is
// not listed yet is included: this is the truth, not the API's view of it.
func (s *CertCentral) Keys(userID int64) []CertCentralKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []CertCentralKey
	add := func(id int64) {
		if k := s.key(id); k != nil {
			list = append(list, k.public())
		}
	}
	if userID == 0 {
		for i := range s.keys {
			add(s.keys[i].id)
		}
	} else if u := s.user(userID); u != nil {
		for _, id := range u.keys {
			add(id)
		}
	}
	return list
}

// KeyOfSecret returns the key that a secret belongs to, whatever its state.
func (s *CertCentral) KeyOfSecret(secret string) (CertCentralKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.bySecret(secret)
	if k == nil {
		return CertCentralKey{}, false
	}
	return k.public(), true
}

func (k *ccKey) public() CertCentralKey {
	return CertCentralKey{
		ID: k.id, UserID: k.user, Name: k.name, Status: k.status, Created: moment(k.created), LastUsed: moment(k.lastUsed), Revoked: moment(k.revoked),
		RestrictedTo: k.restricted, ACME: k.acme,
	}
}

// Usage returns what became of the calls made with a key; with id 0, of those made with no key or one that never existed.
func (s *CertCentral) Usage(id int64) Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usageOf(id).snapshot()
}

// AllUsage returns the usage of every key that made a call, by key id, and that of callers without a key under 0.
func (s *CertCentral) AllUsage() map[int64]Usage {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[int64]Usage{0: s.strangers.snapshot()}
	for id, u := range s.usage {
		all[id] = u.snapshot()
	}
	return all
}

func (s *CertCentral) usageOf(id int64) *Usage {
	if id == 0 {
		return &s.strangers
	}
	if s.usage[id] == nil {
		s.usage[id] = &Usage{}
	}
	return s.usage[id]
}

func (s *CertCentral) count(id int64, change func(*Usage)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.usageOf(id))
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func moment(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}
