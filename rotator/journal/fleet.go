package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	fleetSelect = `SELECT k.provider, k.id, k.user_id, k.name, k.base, k.version, k.created, k.expires, k.last_used, k.state, k.policy, k.deadline, k.due,
k.look_at, k.draw, k.waiting, k.waiting_why, k.waiting_since, k.missing_since, COALESCE(u.name, ''), COALESCE(u.email, ''),
COALESCE(h.held_by, ''), h.held_until, COALESCE(h.reason, ''), h.placed_at, COALESCE(o.id, ''), COALESCE(o.stage, ''), COALESCE(o.blocked, '')
FROM keys k
LEFT JOIN users u ON u.provider = k.provider AND u.id = k.user_id
LEFT JOIN holds h ON h.provider = k.provider AND h.user_id = k.user_id AND h.base = k.base AND h.held_until > $1
LEFT JOIN rotations o ON o.provider = k.provider AND o.user_id = k.user_id AND o.base = k.base AND o.is_open = 1
WHERE (k.provider, k.user_id, k.base) > ($2, $3, $4)`

	// fleetCurrent keeps of each series the key that no other is more current than, as moreCurrent has it. -62135596800000
	// is the zero time, which is what a key without a creation time counts as.
	fleetCurrent = `
AND NOT EXISTS (SELECT 1 FROM keys n WHERE n.provider = k.provider AND n.user_id = k.user_id AND n.base = k.base AND n.id <> k.id
AND (CASE WHEN n.state = 'active' AND n.missing_since IS NULL THEN 1 ELSE 0 END, n.version, COALESCE(n.created, -62135596800000), n.id)
> (CASE WHEN k.state = 'active' AND k.missing_since IS NULL THEN 1 ELSE 0 END, k.version, COALESCE(k.created, -62135596800000), k.id))`

	dueByHour = `SELECT provider, look_at / 3600000, count(*) FROM keys
WHERE look_at >= $1 AND look_at < $2 AND look_at IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2`

	dueSoonest = `SELECT ` + keyColumns + ` FROM keys k
WHERE provider = $1 AND look_at IS NOT NULL AND waiting = '' AND ` + isManaged + ` AND NOT EXISTS (SELECT 1 FROM keys e WHERE ` + isNewer + `)
ORDER BY look_at, id LIMIT $2`

	listHolds = `SELECT provider, user_id, base, held_by, held_until, reason, placed_at FROM holds
WHERE (provider, user_id, base) > ($1, $2, $3) AND held_until > $4 ORDER BY provider, user_id, base LIMIT $5`

	endedOfCredential = `SELECT ` + rotationColumns + ` FROM rotations
WHERE provider = $1 AND user_id = $2 AND base = $3 AND is_open = 0 ORDER BY stage_at DESC LIMIT $4`
)

// The few series that a filter is about, each from an index: the rest of the keys is not read to find them.
const (
	series = `(k.provider, k.user_id, k.base)`

	blockedSeries = `SELECT provider, user_id, base FROM rotations WHERE is_open = 1 AND blocked <> ''
UNION SELECT provider, user_id, base FROM keys WHERE waiting <> '' AND missing_since IS NULL`

	heldSeries = `SELECT provider, user_id, base FROM holds WHERE held_until > $1`
)

// filters grows a query by the conditions that are asked for, so that each form has a plan of its own.
type filters struct {
	text strings.Builder
	args []any
}

// place adds a value and returns its placeholder.
func (f *filters) place(v any) string {
	f.args = append(f.args, v)
	return fmt.Sprintf("$%d", len(f.args))
}

func (f *filters) and(format string, places ...any) { fmt.Fprintf(&f.text, "\nAND "+format, places...) }

// fleetQuery is the statement that answers q with one row more than its limit.
func (s *Store) fleetQuery(q *rotator.FleetQuery, now time.Time) (query string, args []any, err error) {
	f := filters{args: []any{now.UnixMilli(), q.After.Provider, q.After.UserID, q.After.Base}}
	if q.Provider != "" {
		f.and("k.provider = %s", f.place(q.Provider))
	}
	if q.Policy != "" {
		f.and("k.policy = %s", f.place(q.Policy))
	}
	if q.State != "" {
		f.and("(%s) = %s", keyClassOfK, f.place(q.State))
	}
	if q.Owners != nil {
		f.owners(q.Owners)
	}
	if q.Blocked {
		f.and("%s IN (%s) AND (k.waiting <> '' AND k.missing_since IS NULL OR o.blocked <> '')", series, blockedSeries)
	}
	if q.Held {
		f.and("%s IN (%s)", series, heldSeries)
	}
	if q.Search != "" {
		if users, known := s.mayHave(q.Provider, q.Search); known {
			err = f.searchAmong(users, q.Search, s.db.folded)
		} else {
			f.search(q.Search, s.db.folded)
		}
	}
	return fleetSelect + f.text.String() + fleetCurrent +
		"\nORDER BY k.provider, k.user_id, k.base LIMIT " + f.place(q.Limit+1), f.args, err
}

// keyClassOfK is keyClass for the table's short name.
const keyClassOfK = `CASE WHEN k.missing_since IS NOT NULL THEN 'missing' WHEN k.state <> 'active' THEN 'inactive'
WHEN k.policy = '' THEN 'unmanaged' WHEN k.waiting <> '' THEN 'waiting' ELSE 'managed' END`

func (f *filters) owners(pairs []rotator.Owned) {
	if len(pairs) == 0 {
		f.and("1 = 0")
		return
	}
	places := make([]string, len(pairs))
	for i, p := range pairs {
		places[i] = "(" + f.place(p.Provider) + ", " + f.place(p.Policy) + ")"
	}
	// The empty string keeps the database from gathering all keys of the providers from an index, only to sort them for a page.
	f.and("(k.provider || '', k.policy) IN (VALUES %s)", strings.Join(places, ", "))
}

// search looks for the text as it stands: its wildcards are no wildcards. folded is how the database writes a column whose letters
// are compared whatever their case.
func (f *filters) search(text, folded string) {
	has := f.contains(text, folded)
	f.and("(%s OR %s OR %s OR (k.provider, k.user_id) IN (SELECT provider, id FROM users WHERE %s OR %s))",
		has("k.user_id"), has("k.base"), has("k.id"), has("name"), has("email"))
}

// searchAmong is search for a text that none but these users can have.
func (f *filters) searchAmong(users []userRef, text, folded string) error {
	list, err := json.Marshal(users)
	if err != nil {
		return err
	}
	f.and("(k.provider, k.user_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(%s))", f.place(string(list)))
	has := f.contains(text, folded)
	f.and("(%s OR %s OR %s OR %s OR %s)", has("k.user_id"), has("k.base"), has("k.id"), has("u.name"), has("u.email"))
	return nil
}

// contains returns what makes the condition that a column holds the text.
func (f *filters) contains(text, folded string) func(column string) string {
	at := f.place("%" + strings.NewReplacer(`!`, `!!`, `%`, `!%`, `_`, `!_`).Replace(asciiLower(text)) + "%")
	return func(column string) string { return fmt.Sprintf(folded, column) + " LIKE " + at + " ESCAPE '!'" }
}

// asciiLower is what every database's lower makes of ASCII letters; of others some make nothing.
func asciiLower(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// FleetCredentials implements [rotator.Fleet].
func (s *Store) FleetCredentials(ctx context.Context, q rotator.FleetQuery, now time.Time) (rotator.FleetPage, error) {
	const op = "list credentials"
	if q.Limit < 1 {
		return rotator.FleetPage{}, rotator.NewFault(op, rotator.Invalid, "the limit is %d; ask for at least one", q.Limit)
	}
	query, args, err := s.fleetQuery(&q, now)
	if err != nil {
		return rotator.FleetPage{}, s.faults.of(op, err)
	}
	var found rotator.FleetPage
	err = s.each(ctx, query, args, func(rows *sql.Rows) error {
		c, err := fleetRow(rows)
		found.Credentials = append(found.Credentials, c)
		return err
	})
	if err != nil {
		return rotator.FleetPage{}, s.faults.of(op, err)
	}
	if len(found.Credentials) > q.Limit {
		found.Credentials, found.More = found.Credentials[:q.Limit], true
	}
	return found, nil
}

func fleetRow(rows *sql.Rows) (rotator.FleetCredential, error) {
	var c rotator.FleetCredential
	var h rotator.Hold
	err := rows.Scan(append(keyFields(&c.Key), &c.UserName, &c.UserEmail, &h.By, stamp{&h.Until}, &h.Reason, stamp{&h.At},
		&c.Open, &c.Stage, &c.Blocked)...)
	if !h.Until.IsZero() {
		h.CredentialID = c.Key.Credential()
		c.Hold = &h
	}
	return c, err
}

// DueByHour implements [rotator.Fleet].
func (s *Store) DueByHour(ctx context.Context, from, to time.Time) ([]rotator.DueCount, error) {
	var counts []rotator.DueCount
	err := s.each(ctx, dueByHour, []any{from.UnixMilli(), to.UnixMilli()}, func(rows *sql.Rows) error {
		var c rotator.DueCount
		var hour int64
		err := rows.Scan(&c.Provider, &hour, &c.Keys)
		c.Hour = time.Unix(hour*3600, 0).UTC()
		counts = append(counts, c)
		return err
	})
	return counts, s.faults.of("count keys by the hour they are due", err)
}

// DueNext implements [rotator.Fleet].
func (s *Store) DueNext(ctx context.Context, provider string, limit int) ([]rotator.TrackedKey, error) {
	if limit <= 0 {
		return nil, nil
	}
	return s.keys(ctx, "list the keys that are due next", dueSoonest, provider, limit)
}

// Holds implements [rotator.Fleet].
func (s *Store) Holds(ctx context.Context, after rotator.CredentialID, limit int, now time.Time) ([]rotator.Hold, error) {
	if limit <= 0 {
		return nil, nil
	}
	var holds []rotator.Hold
	err := s.each(ctx, listHolds, []any{after.Provider, after.UserID, after.Base, now.UnixMilli(), limit}, func(rows *sql.Rows) error {
		var h rotator.Hold
		err := rows.Scan(&h.Provider, &h.UserID, &h.Base, &h.By, stamp{&h.Until}, &h.Reason, stamp{&h.At})
		holds = append(holds, h)
		return err
	})
	return holds, s.faults.of("list holds", err)
}

// RotationsOf implements [rotator.Fleet]. What cannot be read is skipped and reported.
func (s *Store) RotationsOf(ctx context.Context, c rotator.CredentialID, limit int) ([]rotator.Rotation, error) {
	if limit <= 0 {
		return nil, nil
	}
	op := "list the rotations of " + c.String()
	found, _, err := s.rotations(ctx, op, limit, openRotation, c.Provider, c.UserID, c.Base)
	if err != nil || len(found) >= limit {
		return found, err
	}
	left := limit - len(found)
	ended, _, err := s.rotations(ctx, op, left, endedOfCredential, c.Provider, c.UserID, c.Base, left)
	return append(found, ended...), err
}
