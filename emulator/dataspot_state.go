package emulator

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The access levels, in the order of what they permit.
const (
	dsReadOnly      = "READ_ONLY"
	dsEditor        = "EDITOR"
	dsAdministrator = "ADMINISTRATOR"
)

// dsManager is the login of the administrator that every tenant begins with. Its key outlives any test.
const (
	dsManager         = "rotation-manager"
	dsManagerLifetime = 100 * 365 * 24 * time.Hour
)

type dsTenant struct {
	name    string
	manager string
}

// dsUser is a user as kept. A user without a profile is one of many made by [Dataspot.AddFleet]; what a profile would say follows
// from the number. Numbers begin at 1 and grow by one, so that they lead to a record without a map.
type dsUser struct {
	number            int64
	tenant            int
	deleted           bool
	created, modified int64
	version           int64
	profile           *dsProfile
	keys              []int64
}

type dsProfile struct {
	login, name, level string
	service            bool
	person             string // the id of the person behind an ordinary user
}

// dsKey is a key as kept. Times are in nanoseconds since 1970; 0 is never.
type dsKey struct {
	number, user int64
	name, hint   string
	created      int64
	expires      int64
	minted       int64 // when the server made it; 0 for keys that were seeded, to which propagation does not apply
	removed      int64
}

// An id is a UUID that says what it is the id of, and its number.
const (
	dsUserID   = "0d5a0001-0000-4000-8000-"
	dsKeyID    = "0d5a0002-0000-4000-8000-"
	dsTenantID = "0d5a0003-0000-4000-8000-"
)

func dsID(kind string, number int64) string { return fmt.Sprintf("%s%012x", kind, number) }

// dsNumber is the number in an id of that kind, 0 if it is none.
func dsNumber(kind, id string) int64 {
	digits, ok := strings.CutPrefix(strings.ToLower(id), kind)
	if !ok || len(digits) != 12 {
		return 0
	}
	number, err := strconv.ParseInt(digits, 16, 64)
	if err != nil {
		return 0
	}
	return number
}

// tenantNamed returns the index of a tenant, -1 if there is none of that name.
func (s *Dataspot) tenantNamed(name string) int {
	for i := range s.tenants {
		if s.tenants[i].name == name {
			return i
		}
	}
	return -1
}

func (s *Dataspot) addTenant(name, secret string) {
	now := s.options.Now()
	s.tenants = append(s.tenants, dsTenant{name: name, manager: secret})
	u := s.newUser(dsUser{tenant: len(s.tenants) - 1, profile: &dsProfile{login: dsManager, name: "Rotation Manager", level: dsAdministrator, service: true}})
	s.newKey(dsKey{user: u.number, name: "manager", created: nanos(now), expires: nanos(now.Add(dsManagerLifetime))}, secret)
}

// anyUser finds a user whether or not it was deleted, user one that was not. Both return nil if there is none.
func (s *Dataspot) anyUser(number int64) *dsUser {
	if i := number - 1; i >= 0 && i < int64(len(s.users)) {
		return &s.users[i]
	}
	return nil
}

func (s *Dataspot) user(number int64) *dsUser {
	if u := s.anyUser(number); u != nil && !u.deleted {
		return u
	}
	return nil
}

// userNamed finds a tenant's user by its login or its id, or returns nil.
func (s *Dataspot) userNamed(tenant int, loginOrID string) *dsUser {
	if u := s.user(dsNumber(dsUserID, loginOrID)); u != nil && u.tenant == tenant {
		return u
	}
	for i := range s.users {
		if u := &s.users[i]; !u.deleted && u.tenant == tenant && s.profileOf(u).login == loginOrID {
			return u
		}
	}
	return nil
}

// anyKey finds a key whether or not it was removed.
func (s *Dataspot) anyKey(number int64) *dsKey {
	if i := number - 1; i >= 0 && i < int64(len(s.keys)) {
		return &s.keys[i]
	}
	return nil
}

// keysOf returns the keys that a user has, in the order in which they were made.
func (s *Dataspot) keysOf(u *dsUser) []*dsKey {
	list := make([]*dsKey, 0, len(u.keys))
	for _, number := range u.keys {
		if k := s.anyKey(number); k.removed == 0 {
			list = append(list, k)
		}
	}
	return list
}

func (s *Dataspot) newUser(u dsUser) *dsUser {
	u.number = int64(len(s.users)) + 1
	if u.created == 0 {
		u.created = nanos(s.options.Now())
	}
	u.modified = u.created
	s.users = append(s.users, u)
	return &s.users[len(s.users)-1]
}

// newKey records a key, with a secret if it has one that anybody knows.
func (s *Dataspot) newKey(k dsKey, secret string) *dsKey {
	k.number = int64(len(s.keys)) + 1
	if secret != "" {
		k.hint = dsHint(secret)
		s.secrets[sha256.Sum256([]byte(secret))] = k.number
	}
	s.keys = append(s.keys, k)
	owner := s.anyUser(k.user)
	owner.keys = append(owner.keys, k.number)
	return &s.keys[len(s.keys)-1]
}

func (s *Dataspot) removeUser(u *dsUser) {
	for _, k := range s.keysOf(u) {
		s.removeKey(k)
	}
	u.deleted = true
}

func (s *Dataspot) removeKey(k *dsKey) { k.removed = nanos(s.options.Now()) }

// bySecret finds the key that a secret belongs to, whatever its state, or nil.
func (s *Dataspot) bySecret(secret string) *dsKey {
	return s.anyKey(s.secrets[sha256.Sum256([]byte(secret))])
}

// accepts reports whether a call with the key is let in, propagation considered.
func (s *Dataspot) accepts(k *dsKey, now time.Time) bool {
	at := nanos(now)
	switch {
	case s.user(k.user) == nil || at >= k.expires:
		return false
	case k.removed != 0:
		return at < k.removed+int64(s.options.RemovedKeyAcceptedFor)
	}
	return k.minted == 0 || at >= k.minted+int64(s.options.NewKeyRefusedFor)
}

// listed reports whether the key is shown already where keys are shown.
func (s *Dataspot) listed(k *dsKey, now time.Time) bool {
	return k.minted == 0 || nanos(now) >= k.minted+int64(s.options.NewKeyListedAfter)
}

// profileOf gives a fleet's user the profile that follows from its number.
func (s *Dataspot) profileOf(u *dsUser) *dsProfile {
	if u.profile != nil {
		return u.profile
	}
	return &dsProfile{login: fmt.Sprintf("service-%d", u.number), name: fmt.Sprintf("Service %d", u.number), level: dsReadOnly, service: true}
}

// dsSecretBytes and the alphabet of a value are observed, not documented.
const dsSecretBytes = 48

func dsSecret() string {
	var b [dsSecretBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails: it ends the program instead
	return base64.URLEncoding.EncodeToString(b[:])
}

// dsHint is the part of a value that stays visible.
func dsHint(secret string) string { return secret[:min(4, len(secret))] + "..." }
