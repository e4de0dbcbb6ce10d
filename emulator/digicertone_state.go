package emulator

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The status words.
const (
	d1Active   = "ACTIVE"
	d1Disabled = "DISABLED"
	d1Expired  = "EXPIRED"
)

// d1Life is what users and tokens have in common: they begin, can be stopped, and end with a day. Times are in nanoseconds
// since 1970; 0 is never.
type d1Life struct {
	created int64 // what created_at says
	minted  int64 // when the API made it; 0 for what was seeded, to which propagation does not apply
	stopped int64 // when it was disabled or deleted
	end     int64 // 23:59:59 UTC of its end date, in seconds since 1970, because dates may lie further away than nanoseconds reach
	deleted bool
}

// d1LongAgo is when things that are disabled from the beginning were disabled: before any lag of propagation.
const d1LongAgo = 1

func (l *d1Life) expired(at int64) bool { return l.end != 0 && at/int64(time.Second) >= l.end }

// alive reports whether it is good for a call, or was within the lag.
func (l *d1Life) alive(at, lag int64) bool {
	return !l.expired(at) && (l.stopped == 0 || at < l.stopped+lag)
}

func (l *d1Life) status(at int64) string {
	switch {
	case l.expired(at):
		return d1Expired
	case l.stopped != 0:
		return d1Disabled
	default:
		return d1Active
	}
}

// stop disables or deletes; what was disabled before stays disabled since then.
func (l *d1Life) stop(at int64) {
	if l.stopped == 0 {
		l.stopped = at
	}
}

func (l *d1Life) setDisabled(disabled bool, at int64) {
	if disabled {
		l.stop(at)
	} else {
		l.stopped = 0
	}
}

// d1User is a user as kept. Ids count from 1 and lead to the record; accounts, applications and roles are ids as well.
type d1User struct {
	d1Life
	id, createdBy                 int
	person                        bool
	name, description, email      string
	accounts, applications, roles []int
	tokens                        []int
}

// d1Token is a token as kept.
type d1Token struct {
	d1Life
	id, user   int
	ofUser     bool // made together with its user, whose end date it shares
	name       string
	lastUsed   int64
	usedBefore int64 // the latest use in a period of LastUsedLag before the one of lastUsed
}

// use records an accepted call.
func (t *d1Token) use(at int64, lag time.Duration) {
	if lag > 0 && t.lastUsed/int64(lag) < at/int64(lag) {
		t.usedBefore = t.lastUsed
	}
	t.lastUsed = at
}

// shownLastUsed is what last_used_at says, 0 for nothing. The time is published at the end of each period of lag.
func (t *d1Token) shownLastUsed(at int64, lag time.Duration) int64 {
	if lag > 0 && t.lastUsed/int64(lag) == at/int64(lag) {
		return t.usedBefore
	}
	return t.lastUsed
}

// The ids of users and tokens look like UUIDs and count.
const (
	d1UserPrefix    = "0a11ce00-0000-4000-8000-"
	d1TokenPrefix   = "70ce4000-0000-4000-8000-"
	d1AccountPrefix = "acc04400-0000-4000-8000-"
)

func userID(id int) string    { return d1ID(d1UserPrefix, id) }
func tokenID(id int) string   { return d1ID(d1TokenPrefix, id) }
func accountID(id int) string { return d1ID(d1AccountPrefix, id) }

func d1ID(prefix string, id int) string { return fmt.Sprintf("%s%012x", prefix, id) }

// d1Index is the inverse of d1ID, for ids up to last; 0 for what is no such id.
func d1Index(prefix, id string, last int) int {
	digits, ok := strings.CutPrefix(id, prefix)
	n, err := strconv.ParseInt(digits, 16, 32)
	if !ok || err != nil || n > int64(last) || d1ID(prefix, int(n)) != id {
		return 0
	}
	return int(n)
}

// user finds a user by its id, or nil.
func (s *DigiCertOne) user(id string) *d1User {
	if i := d1Index(d1UserPrefix, id, len(s.users)); i != 0 && !s.users[i-1].deleted {
		return &s.users[i-1]
	}
	return nil
}

// token finds a token by its id, or nil.
func (s *DigiCertOne) token(id string) *d1Token {
	if i := d1Index(d1TokenPrefix, id, len(s.tokens)); i != 0 && !s.tokens[i-1].deleted {
		return &s.tokens[i-1]
	}
	return nil
}

// bySecret finds the token that a secret belongs to, whatever its state, even deleted; or nil.
func (s *DigiCertOne) bySecret(secret string) *d1Token {
	if id, ok := s.secrets[sha256.Sum256([]byte(secret))]; ok {
		return &s.tokens[id-1]
	}
	return nil
}

func (s *DigiCertOne) newUser(u d1User) *d1User {
	u.id = len(s.users) + 1
	s.users = append(s.users, u)
	s.userNames[d1Fold(u.name)] = u.id
	return &s.users[u.id-1]
}

// newToken records a token, with a secret if it has one that anybody knows.
func (s *DigiCertOne) newToken(t d1Token, secret string) *d1Token {
	t.id = len(s.tokens) + 1
	s.tokens = append(s.tokens, t)
	owner := &s.users[t.user-1]
	owner.tokens = append(owner.tokens, t.id)
	s.tokenNames[s.tokenName(t.user, t.name)] = t.id
	if secret != "" {
		s.secrets[sha256.Sum256([]byte(secret))] = t.id
	}
	return &s.tokens[t.id-1]
}

func (s *DigiCertOne) removeToken(t *d1Token, at int64) {
	t.stop(at)
	t.deleted = true
	delete(s.tokenNames, s.tokenName(t.user, t.name))
}

// removeUser takes a user away, and its tokens with it.
func (s *DigiCertOne) removeUser(u *d1User, at int64) {
	for _, id := range u.tokens {
		if t := &s.tokens[id-1]; !t.deleted {
			s.removeToken(t, at)
		}
	}
	u.stop(at)
	u.deleted = true
	delete(s.userNames, d1Fold(u.name))
}

// d1Fold makes names that differ only in case the same one, which is the stricter reading of "unique".
func d1Fold(name string) string { return strings.ToLower(name) }

func (s *DigiCertOne) tokenName(user int, name string) string {
	if s.options.NamesPerUser {
		return userID(user) + d1Fold(name)
	}
	return d1Fold(name)
}

// listed reports whether lists and look-ups show something already.
func (s *DigiCertOne) listed(l *d1Life, at int64) bool {
	return !l.deleted && (l.minted == 0 || at >= l.minted+int64(s.options.NewListedAfter))
}

// d1Alphabet is the documented one of names: letters (taken as those of ASCII), digits, space, dash and underscore.
const d1Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -_"

// checkName refuses what breaks the rules of names. Space around a name is refused because nobody says that it is kept.
func (s *DigiCertOne) checkName(field, name string) *d1Error {
	if name == "" || strings.ContainsFunc(name, outsideD1Alphabet) || strings.TrimSpace(name) != name {
		return d1BadRequest("%s must have only letters, numbers, spaces, dashes and underscores.", field)
	}
	if len(name) > s.options.MaxNameLength {
		return d1BadRequest("%s must not be longer than %d.", field, s.options.MaxNameLength)
	}
	return nil
}

func outsideD1Alphabet(r rune) bool { return !strings.ContainsRune(d1Alphabet, r) }

// endOf is the moment at which an end date ends: 23:59:59 UTC of that day. It is 0 for no date.
func endOf(date string) (int64, error) {
	if date == "" {
		return 0, nil
	}
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return 0, fmt.Errorf("the end date %q is no day such as 2026-01-31", date)
	}
	return day.Unix() + int64(24*time.Hour/time.Second) - 1, nil
}

// endDate is the inverse of endOf.
func endDate(end int64) string {
	if end == 0 {
		return ""
	}
	return time.Unix(end, 0).UTC().Format(time.DateOnly)
}
