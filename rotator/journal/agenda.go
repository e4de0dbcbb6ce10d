package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	upcomingKeys = `SELECT k.provider, k.id, k.user_id, k.name, k.base, k.version, k.created, k.expires, k.last_used, k.state, k.policy, k.deadline, k.due,
k.look_at, k.draw, k.waiting, k.waiting_why, k.waiting_since, k.missing_since,
COALESCE(h.held_by, ''), h.held_until, COALESCE(h.reason, ''), h.placed_at, COALESCE(u.active, 1),
EXISTS (SELECT 1 FROM rotations o WHERE o.provider = k.provider AND o.user_id = k.user_id AND o.base = k.base AND o.is_open = 1),
EXISTS (SELECT 1 FROM keys n WHERE n.provider = k.provider AND n.user_id = k.user_id AND n.base = k.base AND n.state = 'active'
AND n.missing_since IS NULL AND n.id <> k.id AND (n.version > k.version OR n.version = k.version AND n.created > k.created)),
(SELECT count(*) FROM keys n WHERE n.provider = k.provider AND n.user_id = k.user_id AND n.base = k.base AND n.state = 'active' AND n.missing_since IS NULL),
(SELECT count(*) FROM keys n WHERE n.provider = k.provider AND n.user_id = k.user_id AND n.state = 'active' AND n.missing_since IS NULL)
FROM keys k
LEFT JOIN users u ON u.provider = k.provider AND u.id = k.user_id
LEFT JOIN holds h ON h.provider = k.provider AND h.user_id = k.user_id AND h.base = k.base AND h.held_until > $1
WHERE k.provider = $2 AND k.look_at <= $3 AND k.look_at IS NOT NULL ORDER BY k.look_at, k.id`

	upcomingRotations = `SELECT r.id, r.stage, r.seq, r.body, COALESCE(h.held_by, ''), h.held_until, COALESCE(h.reason, ''), h.placed_at
FROM rotations r
LEFT JOIN holds h ON h.provider = r.provider AND h.user_id = r.user_id AND h.base = r.base AND h.held_until > $1
WHERE r.provider = $2 AND r.next_at <= $3 AND r.is_open = 1 ORDER BY r.next_at, r.id`
)

// UpcomingKeys implements [rotator.Agenda].
func (s *Store) UpcomingKeys(ctx context.Context, provider string, now, until time.Time, fn func(rotator.UpcomingKey) error) error {
	var stopped error
	err := s.each(ctx, upcomingKeys, []any{now.UnixMilli(), provider, until.UnixMilli()}, func(rows *sql.Rows) error {
		var k rotator.UpcomingKey
		var h rotator.Hold
		into := append(keyFields(&k.TrackedKey), &h.By, stamp{&h.Until}, &h.Reason, stamp{&h.At}, &k.UserActive, &k.Rotating, &k.Superseded, &k.InSeries, &k.OfUser)
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if !h.Until.IsZero() {
			h.CredentialID = k.Credential()
			k.Hold = &h
		}
		stopped = fn(k)
		return stopped
	})
	if stopped != nil {
		return stopped
	}
	return s.faults.of("list the keys that come up", err)
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
