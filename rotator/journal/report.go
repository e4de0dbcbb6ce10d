package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// isOrphan holds of a name n and the rotation m that intended it: it was never sealed, and its rotation is not still asking
// for exactly that version.
const isOrphan = `n.sealed = 0 AND NOT (m.is_open = 1 AND m.stage = 'minting' AND m.version = n.version)`

// isNewer holds of an active key e that supersedes key k of its credential, as [rotator.TrackedKey.Newer] has it. -62135596800000 is the zero
// time, which is what a key without a creation time counts as.
const isNewer = `e.provider = k.provider AND e.user_id = k.user_id AND e.base = k.base AND e.id <> k.id AND e.state = 'active' AND e.missing_since IS NULL
AND (e.version, COALESCE(e.created, -62135596800000), e.id) > (k.version, COALESCE(k.created, -62135596800000), k.id)`

// The report reads keys in the order of their primary key, and everything else of a key by an index: it costs the same
// for each key, however many there are.
const (
	reportKey = `SELECT k.provider, k.id, k.user_id, k.name, k.base, k.version, k.created, k.expires, k.last_used, k.state, k.policy, k.deadline, k.due,
k.look_at, k.draw, k.waiting, k.waiting_why, k.waiting_since, k.missing_since,
COALESCE(u.name, ''), COALESCE(u.email, ''), COALESCE(u.login, ''), COALESCE(u.active, 0), COALESCE(u.sum, 0) <> 0,
COALESCE(h.held_by, ''), h.held_until, COALESCE(h.reason, ''), h.placed_at,
CASE WHEN ` + isOrphan + ` THEN 1 ELSE 0 END,
COALESCE(s.id, ''), COALESCE(s.name, ''),
COALESCE(o.id, ''), COALESCE(o.stage, ''), o.stage_at, COALESCE(o.blocked, ''), o.body`

	reportRotations = `,
COALESCE(l.id, ''), COALESCE(l.stage, ''), l.stage_at, l.body, COALESCE(m.id, ''), m.body`

	reportNoRotations = `, '', '', NULL, NULL, '', NULL`

	reportFrom = `
FROM keys k
LEFT JOIN users u ON u.provider = k.provider AND u.id = k.user_id
LEFT JOIN holds h ON h.provider = k.provider AND h.user_id = k.user_id AND h.base = k.base AND h.held_until > $1
LEFT JOIN rotations o ON o.provider = k.provider AND o.user_id = k.user_id AND o.base = k.base AND o.is_open = 1
LEFT JOIN names n ON n.provider = k.provider AND n.user_id = k.user_id AND n.name = k.name
LEFT JOIN rotations m ON m.id = n.rotation
LEFT JOIN keys s ON s.provider = k.provider AND s.id = (SELECT e.id FROM keys e
WHERE k.policy <> '' AND k.state = 'active' AND k.missing_since IS NULL AND ` + isNewer + ` AND (e.expires IS NULL OR e.expires > $1) LIMIT 1)`

	reportLast = `
LEFT JOIN rotations l ON l.id = (SELECT e.id FROM rotations e
WHERE e.provider = k.provider AND e.user_id = k.user_id AND e.base = k.base AND e.is_open = 0 ORDER BY e.stage_at DESC LIMIT 1)`

	reportAll = `
WHERE (k.provider, k.id) > ($2, $3) AND ($4 = '' OR k.policy = $4) ORDER BY k.provider, k.id LIMIT $5`

	reportOne = `
WHERE k.provider = $2 AND k.id > $3 AND ($4 = '' OR k.policy = $4) ORDER BY k.id LIMIT $5`
)

// The four forms of the report's query: of all providers or of one, whole or brief.
const (
	reportKeys        = reportKey + reportRotations + reportFrom + reportLast + reportAll
	reportKeysOf      = reportKey + reportRotations + reportFrom + reportLast + reportOne
	reportKeysBrief   = reportKey + reportNoRotations + reportFrom + reportAll
	reportKeysOfBrief = reportKey + reportNoRotations + reportFrom + reportOne
)

// ReportKeys implements [rotator.View]. A rotation that cannot be read is reported, and what is said of its key lacks what
// it would have told.
func (s *Store) ReportKeys(ctx context.Context, q rotator.KeyQuery, now time.Time, fn func(rotator.KeyFacts) error) error {
	if q.Provider != "" && q.After.Provider != q.Provider {
		if q.After.Provider > q.Provider {
			return nil
		}
		q.After = rotator.KeyCursor{}
	}
	for given := 0; ; {
		batch, err := s.reportPage(ctx, &q, now)
		if err != nil {
			return s.faults.of("report the keys", err)
		}
		for i := range batch {
			if !q.Wants(&batch[i], now) {
				continue
			}
			if err := fn(batch[i]); err != nil {
				return err
			}
			if given++; given == q.Limit {
				return nil
			}
		}
		if len(batch) < reportSize(&q) {
			return nil
		}
		k := &batch[len(batch)-1].Key
		q.After = rotator.KeyCursor{Provider: k.Provider, ID: k.ID}
	}
}

// reportSize is how many keys are read at a time: no more than are wanted, where all that are read are.
func reportSize(q *rotator.KeyQuery) int {
	if q.Limit > 0 && len(q.Classes) == 0 {
		return min(q.Limit, page)
	}
	return page
}

func reportQuery(q *rotator.KeyQuery) string {
	switch {
	case q.Provider == "" && q.Brief:
		return reportKeysBrief
	case q.Provider == "":
		return reportKeys
	case q.Brief:
		return reportKeysOfBrief
	default:
		return reportKeysOf
	}
}

func (s *Store) reportPage(ctx context.Context, q *rotator.KeyQuery, now time.Time) ([]rotator.KeyFacts, error) {
	size := reportSize(q)
	batch := make([]rotator.KeyFacts, 0, size)
	from := q.After.Provider
	if q.Provider != "" {
		from = q.Provider
	}
	args := []any{now.UnixMilli(), from, q.After.ID, q.Policy, size}
	err := s.each(ctx, reportQuery(q), args, func(rows *sql.Rows) error {
		f, err := s.reportRow(rows)
		batch = append(batch, f)
		return err
	})
	return batch, err
}

// reported is a row of the report.
type reported struct {
	facts            rotator.KeyFacts
	hold             rotator.Hold
	open, last, made rotator.RotationNote
	openBody         sql.RawBytes
	lastBody         sql.RawBytes
	madeBody         sql.RawBytes
}

func (r *reported) fields() []any {
	f := &r.facts
	return append(keyFields(&f.Key),
		&f.User.Name, &f.User.Email, &f.User.Login, &f.User.Active, &f.UserListed,
		&r.hold.By, stamp{&r.hold.Until}, &r.hold.Reason, stamp{&r.hold.At},
		&f.Orphan,
		&f.Newer.ID, &f.Newer.Name,
		&r.open.ID, &r.open.Stage, stamp{&r.open.At}, &r.open.Blocked, &r.openBody,
		&r.last.ID, &r.last.Stage, stamp{&r.last.At}, &r.lastBody, &r.made.ID, &r.madeBody)
}

func (s *Store) reportRow(rows *sql.Rows) (rotator.KeyFacts, error) {
	var r reported
	if err := rows.Scan(r.fields()...); err != nil {
		return rotator.KeyFacts{}, err
	}
	f := &r.facts
	f.User.ID = f.Key.UserID
	if !r.hold.Until.IsZero() {
		r.hold.CredentialID = f.Key.Credential()
		f.Hold = &r.hold
	}
	if r.open.ID != "" {
		told := s.told(r.open.ID, r.openBody)
		r.open.Why, r.open.Retires = told.Trouble, told.retires()
		f.Open = &r.open
	}
	if r.last.ID != "" {
		told := s.told(r.last.ID, r.lastBody)
		r.last.Why, r.last.Retires = told.Why, told.retires()
		f.Last = &r.last
	}
	if r.made.ID != "" {
		f.Evidence = s.told(r.made.ID, r.madeBody).evidence(f.Key.ID)
	}
	return *f, nil
}

// told is the part of a stored rotation that a report shows.
type told struct {
	OldKey    rotator.KeyRef         `json:"old_key"`
	NewKey    rotator.KeyRef         `json:"new_key"`
	Discarded []rotator.KeyRef       `json:"discarded"`
	Sinks     []rotator.SinkProgress `json:"sinks"`
	Trouble   string                 `json:"trouble"`
	Why       string                 `json:"why"`
}

func (s *Store) told(id string, body []byte) *told {
	var t told
	if err := json.Unmarshal(body, &t); err != nil {
		s.onDamaged(id, damaged(id, "its stored form is not valid JSON: %w", err))
		return &told{}
	}
	return &t
}

func (t *told) retires() []string {
	r := rotator.Rotation{OldKey: t.OldKey, Discarded: t.Discarded}
	var ids []string
	for _, k := range r.Retiring() {
		ids = append(ids, k.ID)
	}
	return ids
}

// evidence is what the rotation proved about the key. A rotation that gave up a key and made another proves nothing about
// the first, though it intended both names.
func (t *told) evidence(keyID string) []rotator.Confirmation {
	if t.NewKey.ID != keyID {
		return nil
	}
	var held []rotator.Confirmation
	for _, p := range t.Sinks {
		if p.Confirmed() {
			held = append(held, rotator.Confirmation{Sink: p.Sink, Location: p.Location, At: p.ConfirmedAt})
		}
	}
	return held
}
