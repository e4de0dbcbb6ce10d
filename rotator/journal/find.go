package journal

import (
	"context"
	"database/sql"
	"fmt"
	"path"
	"strings"

	"github.com/rotatord/rotatord/rotator"
)

const findKeys = `SELECT k.provider, k.id, k.user_id, k.name, k.base, k.version, k.created, k.expires, k.last_used, k.state, k.policy, k.deadline, k.due,
k.look_at, k.draw, k.waiting, k.waiting_why, k.waiting_since, k.missing_since, COALESCE(u.name, ''), COALESCE(u.email, '')
FROM keys k LEFT JOIN users u ON u.provider = k.provider AND u.id = k.user_id
WHERE 1 = 1`

const findOrder = "\nORDER BY k.provider, k.user_id, k.base"

// findQuery leaves to the database what a pattern without wildcards says, which is what most requests do: they are about one
// credential.
func findQuery(provider, user, base string) (query string, args []any) {
	f := filters{}
	at := ""
	if literal(provider) {
		place := f.place(provider)
		f.and("k.provider = %s", place)
		at = "provider = " + place + " AND "
	}
	if literal(base) {
		f.and("k.base = %s", f.place(base))
	}
	if literal(user) {
		f.and("(k.provider, k.user_id) IN (SELECT provider, id FROM users WHERE %[2]s(name = %[1]s OR email = %[1]s) UNION "+
			"SELECT provider, user_id FROM keys WHERE %[2]suser_id = %[1]s)", f.place(user), at)
	}
	return findKeys + f.text.String() + findOrder, f.args
}

// literal reports whether only the pattern itself matches it.
func literal(pattern string) bool { return pattern != "" && !strings.ContainsAny(pattern, `*?[\`) }

// FindCredentials implements [rotator.View]. Each credential comes as its current key: the newest that is active and
// still seen, or else the newest. The order is by provider, user id and base name. A malformed pattern is a fault of kind
// [rotator.Invalid].
//
// It reads every key that a pattern without wildcards does not rule out. Patterns are matched as those of policies are ([path.Match]), which is not what a database's own
// globs do.
func (s *Store) FindCredentials(ctx context.Context, provider, user, base string, limit int) ([]rotator.TrackedKey, error) {
	const op = "find credentials"
	for _, pattern := range []string{provider, user, base} {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, rotator.NewFault(op, rotator.Invalid, "the pattern %q is malformed: %w; close every [ and end no pattern with a backslash", pattern, err)
		}
	}
	if limit <= 0 {
		return nil, nil
	}
	var found []rotator.TrackedKey
	query, args := findQuery(provider, user, base)
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		var k rotator.TrackedKey
		var userName, email string
		if err := rows.Scan(append(keyFields(&k), &userName, &email)...); err != nil {
			return err
		}
		if !matches(provider, k.Provider) || !matches(user, k.UserID, userName, email) || !matches(base, k.Base) {
			return nil
		}
		last := len(found) - 1
		switch {
		case last >= 0 && found[last].Credential() == k.Credential():
			if moreCurrent(k, found[last]) {
				found[last] = k
			}
		case len(found) == limit:
			return errStop
		default:
			found = append(found, k)
		}
		return nil
	})
	if err != nil {
		return nil, s.faults.of(op, fmt.Errorf("reading the keys: %w", err))
	}
	return found, nil
}

func matches(pattern string, values ...string) bool {
	if pattern == "" {
		return true
	}
	for _, v := range values {
		if ok, err := path.Match(pattern, v); ok && err == nil {
			return true
		}
	}
	return false
}

func moreCurrent(a, b rotator.TrackedKey) bool {
	if usable(a) != usable(b) {
		return usable(a)
	}
	return a.Newer(b)
}

func usable(k rotator.TrackedKey) bool {
	return k.State == rotator.KeyActive && k.MissingSince.IsZero()
}
