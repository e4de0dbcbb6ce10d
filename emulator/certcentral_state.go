package emulator

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"
)

// The ids of the first user and the first key. Ids grow by one, so that an id leads to its record without a map: an
// account of 100,000 users and 200,000 keys fits into some 30 MB.
const (
	ccFirstUser = 125001
	ccFirstKey  = 700001
)

// The roles of the vendor's glossary that matter here.
const (
	ccRoleAdministrator = 1
	ccRoleStandardUser  = 5

	ccRestrictOrders        = 100
	ccRestrictOrganizations = 101
	ccRestrictReadOnly      = 102
	ccRestrictUsers         = 103
)

const (
	ccActive  = "active"
	ccRevoked = "revoked"
)

// ccUser is a user as kept. A user without a profile is one of many made by [CertCentral.AddFleet]; what a profile would
// say follows from the id.
type ccUser struct {
	id        int64
	container int64
	service   bool
	deleted   bool
	profile   *ccProfile
	keys      []int64
}

type ccProfile struct {
	username, first, last, email string
	jobTitle, telephone, status  string
	roles                        []int64
	assignments                  []int64
	samlOnly                     bool
	lastLogin                    time.Time
}

// ccKey is a key as kept. Times are in nanoseconds since 1970; 0 is never.
type ccKey struct {
	id, user   int64
	name       string
	status     string
	created    int64 // what create_date says
	minted     int64 // when the API made it; 0 for keys that were seeded, to which propagation does not apply
	revoked    int64 // when it was revoked last
	lastUsed   int64
	usedBefore int64 // the latest use in a period of LastUsedLag before the one of lastUsed
	restricted int64
	legacy     bool
	acme       bool
}

func (s *CertCentral) user(id int64) *ccUser {
	if i := id - ccFirstUser; i >= 0 && i < int64(len(s.users)) && !s.users[i].deleted {
		return &s.users[i]
	}
	return nil
}

func (s *CertCentral) key(id int64) *ccKey {
	i := id - ccFirstKey
	if i < 0 || i >= int64(len(s.keys)) {
		return nil
	}
	if k := &s.keys[i]; s.user(k.user) != nil {
		return k
	}
	return nil
}

func (s *CertCentral) newUser(u ccUser) *ccUser {
	u.id = ccFirstUser + int64(len(s.users))
	if u.container == 0 {
		u.container = ccRootContainer
	}
	s.users = append(s.users, u)
	return &s.users[len(s.users)-1]
}

// newServiceUser names the user as the vendor does: a random username, and first and last names that count.
func (s *CertCentral) newServiceUser(email string) *ccUser {
	s.serviceUsers++
	last := "User"
	if s.serviceUsers > 1 {
		last = fmt.Sprintf("User-%d", s.serviceUsers)
	}
	return s.newUser(ccUser{service: true, profile: &ccProfile{
		username: randomHex(), first: "Service", last: last, email: email, status: ccActive, roles: []int64{ccRoleStandardUser},
	}})
}

// newKey records a key, with a secret if it has one that anybody knows.
func (s *CertCentral) newKey(k ccKey, secret string) *ccKey {
	k.id = ccFirstKey + int64(len(s.keys))
	s.keys = append(s.keys, k)
	owner := s.user(k.user)
	owner.keys = append(owner.keys, k.id)
	if secret != "" {
		s.secrets[sha256.Sum256([]byte(secret))] = k.id
	}
	return &s.keys[len(s.keys)-1]
}

// bySecret finds the key that a secret belongs to, whatever its state, or nil.
func (s *CertCentral) bySecret(secret string) *ccKey {
	id, ok := s.secrets[sha256.Sum256([]byte(secret))]
	if !ok {
		return nil
	}
	return s.key(id)
}

// accepts reports whether a call with the key is let in, propagation considered.
func (s *CertCentral) accepts(k *ccKey, now time.Time) bool {
	if owner := s.user(k.user); owner == nil || s.profileOf(owner).status != ccActive {
		return false
	}
	at := now.UnixNano()
	if k.minted != 0 && at < k.minted+int64(s.options.NewKeyRefusedFor) {
		return false
	}
	return k.status == ccActive || (k.revoked != 0 && at < k.revoked+int64(s.options.RevokedKeyAcceptedFor))
}

// listed reports whether lists and look-ups show the key already.
func (s *CertCentral) listed(k *ccKey, now time.Time) bool {
	return k.minted == 0 || now.UnixNano() >= k.minted+int64(s.options.NewKeyListedAfter)
}

// use records an accepted call.
func (s *CertCentral) use(k *ccKey, now time.Time) {
	at := now.UnixNano()
	if k.lastUsed != 0 && s.period(k.lastUsed) < s.period(at) {
		k.usedBefore = k.lastUsed
	}
	k.lastUsed = at
}

// period is the number of the span of LastUsedLag in which t lies. The last-used time is published at the end of each.
func (s *CertCentral) period(t int64) int64 {
	if s.options.LastUsedLag <= 0 {
		return 0
	}
	return t / int64(s.options.LastUsedLag)
}

// shownLastUsed is what last_used_date says, 0 for nothing.
func (s *CertCentral) shownLastUsed(k *ccKey, now time.Time) int64 {
	if s.options.LastUsedLag > 0 && s.period(k.lastUsed) == s.period(now.UnixNano()) {
		return k.usedBefore
	}
	return k.lastUsed
}

func (s *CertCentral) setStatus(k *ccKey, status string, now time.Time) {
	if status == ccRevoked && k.status != ccRevoked {
		k.revoked = now.UnixNano()
	}
	k.status = status
}

// profileOf gives a fleet's user the profile that follows from its id.
func (s *CertCentral) profileOf(u *ccUser) *ccProfile {
	if u.profile != nil {
		return u.profile
	}
	return &ccProfile{
		username: fmt.Sprintf("%032x", u.id), first: "Service", last: fmt.Sprintf("User-%d", u.id),
		email: fmt.Sprintf("team-%d@example.com", u.id), status: ccActive, roles: fleetRoles,
	}
}

var fleetRoles = []int64{ccRoleStandardUser}

const secretAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// ccSecretLength is that of the samples in the vendor's documents.
const ccSecretLength = 46

func newSecret() string {
	var secret []byte
	draw := make([]byte, 2*ccSecretLength)
	for len(secret) < ccSecretLength {
		_, _ = rand.Read(draw) // crypto/rand.Read never fails: it ends the program instead
		for _, b := range draw {
			// A byte that would favour the front of the alphabet is thrown away.
			if limit := 256 - 256%len(secretAlphabet); int(b) < limit && len(secret) < ccSecretLength {
				secret = append(secret, secretAlphabet[int(b)%len(secretAlphabet)])
			}
		}
	}
	return string(secret)
}

func randomHex() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see above
	return fmt.Sprintf("%x", b)
}
