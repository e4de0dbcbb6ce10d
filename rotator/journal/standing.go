package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	standingRotations = `SELECT provider, stage, stage_at, blocked, body FROM rotations
WHERE is_open = 1 AND (blocked <> '' OR stage <> 'grace' AND stage <> 'soaking')`

	standingWaiting = `SELECT provider, policy, waiting, waiting_since, due, deadline, expires FROM keys
WHERE waiting <> '' AND missing_since IS NULL`

	// Keys that are up for a look: a moment, unless nobody looks.
	standingUnseen = `SELECT provider, policy, due, deadline, expires FROM keys
WHERE provider = $1 AND look_at <= $2 AND look_at IS NOT NULL AND waiting = '' AND missing_since IS NULL`

	keyTimes = `SELECT due, deadline, expires FROM keys WHERE provider = $1 AND id = $2`

	standingHolds = `SELECT provider, count(*), min(placed_at) FROM holds WHERE held_until > $1 GROUP BY provider ORDER BY provider`
)

// standingBody is what of a rotation's body is needed here.
type standingBody struct {
	Policy       string         `json:"policy"`
	OldKey       rotator.KeyRef `json:"old_key"`
	BlockedSince time.Time      `json:"blocked_since"`
}

// Standing implements [rotator.View]. A rotation that cannot be read is left out: it is reported where it is due.
func (s *Store) Standing(ctx context.Context, providers []string, now time.Time) (rotator.Standing, error) {
	var st rotator.Standing
	const op = "look for what is late"
	for _, look := range []func(context.Context, *rotator.Standing, time.Time) error{s.standRotations, s.standWaiting, s.standHolds} {
		if err := look(ctx, &st, now); err != nil {
			return rotator.Standing{}, s.faults.of(op, err)
		}
	}
	for _, p := range providers {
		if err := s.standUnseen(ctx, &st, p, now); err != nil {
			return rotator.Standing{}, s.faults.of(op, err)
		}
	}
	return st, nil
}

// late is the old key of a rotation whose new one is not in every sink.
type late struct{ provider, policy, key string }

func (s *Store) standRotations(ctx context.Context, st *rotator.Standing, now time.Time) error {
	var lates []late
	err := s.each(ctx, standingRotations, nil, func(rows *sql.Rows) error {
		var provider string
		var stage rotator.Stage
		var at time.Time
		var blocked rotator.BlockReason
		var raw sql.RawBytes
		if err := rows.Scan(&provider, &stage, stamp{&at}, &blocked, &raw); err != nil {
			return err
		}
		var body standingBody
		if json.Unmarshal(raw, &body) != nil {
			return nil //nolint:nilerr // it is reported where it is due
		}
		if blocked != "" {
			st.AddBlock(provider, body.Policy, blocked, body.BlockedSince)
		} else {
			st.AddStep(provider, body.Policy, stage, at)
		}
		if !stage.Replaced() && body.OldKey.ID != "" {
			lates = append(lates, late{provider, body.Policy, body.OldKey.ID})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range lates {
		var due, deadline, expires time.Time
		if _, err := s.one(ctx, keyTimes, []any{l.provider, l.key}, stamp{&due}, stamp{&deadline}, stamp{&expires}); err != nil {
			return err
		}
		st.AddDue(l.provider, l.policy, due, deadline, expires, now)
	}
	return nil
}

func (s *Store) standWaiting(ctx context.Context, st *rotator.Standing, now time.Time) error {
	return s.each(ctx, standingWaiting, nil, func(rows *sql.Rows) error {
		var provider, policy string
		var waiting rotator.BlockReason
		var since, due, deadline, expires time.Time
		if err := rows.Scan(&provider, &policy, &waiting, stamp{&since}, stamp{&due}, stamp{&deadline}, stamp{&expires}); err != nil {
			return err
		}
		st.AddBlock(provider, policy, waiting, since)
		st.AddDue(provider, policy, due, deadline, expires, now)
		return nil
	})
}

func (s *Store) standUnseen(ctx context.Context, st *rotator.Standing, provider string, now time.Time) error {
	return s.each(ctx, standingUnseen, []any{provider, now.UnixMilli()}, func(rows *sql.Rows) error {
		var name, policy string
		var due, deadline, expires time.Time
		if err := rows.Scan(&name, &policy, stamp{&due}, stamp{&deadline}, stamp{&expires}); err != nil {
			return err
		}
		st.AddDue(name, policy, due, deadline, expires, now)
		return nil
	})
}

func (s *Store) standHolds(ctx context.Context, st *rotator.Standing, now time.Time) error {
	return s.each(ctx, standingHolds, []any{now.UnixMilli()}, func(rows *sql.Rows) error {
		var h rotator.HoldAge
		err := rows.Scan(&h.Provider, &h.Count, stamp{&h.Since})
		st.Holds = append(st.Holds, h)
		return err
	})
}
