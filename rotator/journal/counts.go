package journal

import (
	"context"
	"database/sql"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// keyClass is written as the index keys_class has it, or the index is not used.
	keyClass = `CASE WHEN missing_since IS NOT NULL THEN 'missing' WHEN state <> 'active' THEN 'inactive'
WHEN policy = '' THEN 'unmanaged' WHEN waiting <> '' THEN 'waiting' ELSE 'managed' END`

	countKeys = `SELECT provider, ` + keyClass + `, count(*) FROM keys GROUP BY provider, ` + keyClass

	countStages = `SELECT provider, stage, count(*), min(stage_at) FROM rotations WHERE is_open = 1
GROUP BY provider, stage ORDER BY provider, stage`

	countBlocked = `SELECT provider, blocked, count(*) FROM rotations WHERE is_open = 1 AND blocked <> '' GROUP BY provider, blocked`

	countWaiting = `SELECT provider, waiting, count(*) FROM keys WHERE waiting <> '' AND missing_since IS NULL GROUP BY provider, waiting`

	countOrphans = `SELECT n.provider, '', count(*) FROM names n
JOIN rotations r ON r.id = n.rotation
JOIN keys k ON k.provider = n.provider AND k.user_id = n.user_id AND k.name = n.name AND k.state = 'active' AND k.missing_since IS NULL
AND k.last_used IS NULL
WHERE n.sealed = 0 AND NOT (r.is_open = 1 AND r.stage = 'minting' AND r.version = n.version) GROUP BY n.provider`

	countHolds = `SELECT count(*) FROM holds WHERE held_until > $1`
)

// Counts implements [rotator.View]. A key is counted in one state: missing, else inactive, else unmanaged, else waiting,
// else managed. Blocked leaves out keys that are missing. A key is an orphan while it is active and unused under an
// intended name that was never sealed, unless its rotation is still asking for exactly that version.
func (s *Store) Counts(ctx context.Context, now time.Time) (rotator.Counts, error) {
	c := rotator.Counts{
		Keys:    map[string]map[string]int{},
		Blocked: map[string]map[rotator.BlockReason]int{},
		Orphans: map[string]int{},
	}
	pairs := []struct {
		query string
		into  func(provider, label string, n int)
	}{
		{countKeys, func(p, class string, n int) { add(c.Keys, p, class, n) }},
		{countBlocked, func(p, reason string, n int) { add(c.Blocked, p, rotator.BlockReason(reason), n) }},
		{countWaiting, func(p, reason string, n int) { add(c.Blocked, p, rotator.BlockReason(reason), n) }},
		{countOrphans, func(p, _ string, n int) { c.Orphans[p] += n }},
	}
	for _, pair := range pairs {
		if err := s.countPairs(ctx, pair.query, pair.into); err != nil {
			return rotator.Counts{}, s.faults.of("count", err)
		}
	}
	if err := s.countStages(ctx, &c); err != nil {
		return rotator.Counts{}, s.faults.of("count rotations", err)
	}
	_, err := s.one(ctx, countHolds, []any{now.UnixMilli()}, &c.Holds)
	return c, s.faults.of("count holds", err)
}

func add[K comparable](m map[string]map[K]int, provider string, label K, n int) {
	if m[provider] == nil {
		m[provider] = map[K]int{}
	}
	m[provider][label] += n
}

func (s *Store) countPairs(ctx context.Context, query string, into func(provider, label string, n int)) error {
	return s.each(ctx, query, nil, func(rows *sql.Rows) error {
		var provider, label string
		var n int
		if err := rows.Scan(&provider, &label, &n); err != nil {
			return err
		}
		into(provider, label, n)
		return nil
	})
}

func (s *Store) countStages(ctx context.Context, c *rotator.Counts) error {
	return s.each(ctx, countStages, nil, func(rows *sql.Rows) error {
		var n rotator.StageCount
		err := rows.Scan(&n.Provider, &n.Stage, &n.Count, stamp{&n.Oldest})
		c.Stages = append(c.Stages, n)
		return err
	})
}
