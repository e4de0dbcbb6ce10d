package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// besideBits is how many bits each of the counts of upcomingKeys has.
const besideBits = 21

const (
	// upcomingKeys counts the active keys of the user, those of the credential and those that are newer in one walk and one number: three
	// walks are most of what a forecast costs.
	upcomingKeys = `SELECT k.id, k.user_id, k.name, k.base, k.expires, k.state, k.policy, k.deadline, k.due, k.look_at, k.waiting, k.waiting_why, k.missing_since,
(SELECT count(*) + 2097152 * count(CASE WHEN n.base = k.base THEN 1 END) + 4398046511104 * count(CASE WHEN n.base = k.base
AND (n.version > k.version OR n.version = k.version AND n.created > k.created) THEN 1 END)
FROM keys n WHERE n.provider = k.provider AND n.user_id = k.user_id AND n.state = 'active' AND n.missing_since IS NULL)
FROM keys k
WHERE k.provider = $1 AND k.look_at <= $2 AND k.look_at IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM rotations o WHERE o.provider = k.provider AND o.user_id = k.user_id AND o.base = k.base AND o.is_open = 1)
AND NOT EXISTS (SELECT 1 FROM users u WHERE u.provider = k.provider AND u.id = k.user_id AND u.active = 0) ORDER BY k.look_at, k.id`

	holdsOfProvider = `SELECT user_id, base, held_by, held_until, reason, placed_at FROM holds WHERE provider = $1 AND held_until > $2`

	upcomingRotations = `SELECT r.id, r.stage, r.seq, r.body, COALESCE(h.held_by, ''), h.held_until, COALESCE(h.reason, ''), h.placed_at
FROM rotations r
LEFT JOIN holds h ON h.provider = r.provider AND h.user_id = r.user_id AND h.base = r.base AND h.held_until > $1
WHERE r.provider = $2 AND r.next_at <= $3 AND r.is_open = 1 ORDER BY r.next_at, r.id`
)

// UpcomingKeys implements [rotator.Agenda].
func (s *Store) UpcomingKeys(ctx context.Context, provider string, now, until time.Time, fn func(rotator.UpcomingKey) error) error {
	const op = "list the keys that come up"
	holds, err := s.holdsOf(ctx, provider, now)
	if err != nil {
		return s.faults.of(op, err)
	}
	var stopped error
	err = s.each(ctx, upcomingKeys, []any{provider, until.UnixMilli()}, func(rows *sql.Rows) error {
		k, superseded, err := scanUpcomingKey(rows)
		if err != nil || superseded {
			return err
		}
		k.Provider = provider
		k.Hold = holds[k.Credential()]
		stopped = fn(k)
		return stopped
	})
	if stopped != nil {
		return stopped
	}
	return s.faults.of(op, err)
}

func scanUpcomingKey(rows *sql.Rows) (k rotator.UpcomingKey, superseded bool, err error) {
	const each = 1<<besideBits - 1
	var beside int64
	err = rows.Scan(&k.ID, &k.UserID, &k.Name, &k.Base, stamp{&k.Expires}, &k.State, &k.Policy, stamp{&k.Deadline}, stamp{&k.Due}, stamp{&k.LookAt},
		&k.Waiting, &k.WaitingWhy, stamp{&k.MissingSince}, &beside)
	k.OfUser, k.InSeries = int(beside&each), int(beside>>besideBits&each)
	return k, beside>>(2*besideBits) > 0, err
}

// holdsOf are the holds in force on the provider's credentials: far fewer than its keys.
func (s *Store) holdsOf(ctx context.Context, provider string, now time.Time) (map[rotator.CredentialID]*rotator.Hold, error) {
	holds := map[rotator.CredentialID]*rotator.Hold{}
	err := s.each(ctx, holdsOfProvider, []any{provider, now.UnixMilli()}, func(rows *sql.Rows) error {
		h := rotator.Hold{CredentialID: rotator.CredentialID{Provider: provider}}
		err := rows.Scan(&h.UserID, &h.Base, &h.By, stamp{&h.Until}, &h.Reason, stamp{&h.At})
		holds[h.CredentialID] = &h
		return err
	})
	return holds, err
}

// UpcomingRotations implements [rotator.Agenda].
func (s *Store) UpcomingRotations(ctx context.Context, provider string, now, until time.Time, fn func(rotator.Rotation, *rotator.Hold) error) error {
	var stopped error
	var damaged []damage
	err := s.each(ctx, upcomingRotations, []any{now.UnixMilli(), provider, until.UnixMilli()}, func(rows *sql.Rows) error {
		r, h, bad, err := scanUpcoming(rows)
		if err != nil {
			return err
		}
		if bad != nil {
			damaged = append(damaged, *bad)
			return nil
		}
		stopped = fn(r, h)
		return stopped
	})
	for _, d := range damaged {
		s.onDamaged(d.id, d.why)
	}
	if stopped != nil {
		return stopped
	}
	return s.faults.of("list the rotations that come up", err)
}

func scanUpcoming(rows *sql.Rows) (r rotator.Rotation, hold *rotator.Hold, bad *damage, err error) {
	var id, stage string
	var seq int64
	var body sql.RawBytes
	var h rotator.Hold
	if err := rows.Scan(&id, &stage, &seq, &body, &h.By, stamp{&h.Until}, &h.Reason, stamp{&h.At}); err != nil {
		return r, nil, nil, err
	}
	r, why := decodeRotation(body, id, rotator.Stage(stage), seq)
	if why != nil {
		return r, nil, &damage{id: id, why: why}, nil //nolint:nilerr // the damage carries it
	}
	if !h.Until.IsZero() {
		h.CredentialID = r.CredentialID
		hold = &h
	}
	return r, hold, nil, nil
}
