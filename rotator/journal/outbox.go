package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	insertNotice = `INSERT INTO notices (id, at, next_at, message, body) VALUES ($1, $2, $3, $4, $5)`

	// A message is never torn apart: where one of its notices is due, all are read.
	dueNotices = `SELECT id, attempt, trouble, message, body FROM notices
WHERE id IN (SELECT id FROM notices WHERE next_at <= $1 ORDER BY next_at, id LIMIT $2)
OR message <> '' AND message IN (SELECT message FROM notices WHERE next_at <= $1 ORDER BY next_at, id LIMIT $2)
ORDER BY next_at, id`

	groupNotice = `UPDATE notices SET message = $1 WHERE id = $2 AND message = ''`

	deleteNotice = `DELETE FROM notices WHERE id = $1`

	failNotice = `UPDATE notices SET attempt = attempt + 1, trouble = $1, next_at = $2 WHERE id = $3`

	hastenNotices = `UPDATE notices SET next_at = $1 WHERE next_at > $2`

	setNoticeAside = `UPDATE notices SET next_at = $1 WHERE id = $2`

	// Each half is answered from the index notices_state.
	countFreshNotices  = `SELECT count(*), min(at) FROM notices WHERE attempt = 0`
	countFailedNotices = `SELECT count(*), min(at) FROM notices WHERE attempt > 0`
)

// noticeBodies returns the stored form of notices. What changes while they wait stands in columns of its own.
func noticeBodies(op string, notices []rotator.Notice) ([]string, error) {
	if len(notices) == 0 {
		return nil, nil
	}
	bodies := make([]string, 0, len(notices))
	for _, n := range notices {
		body, err := json.Marshal(n)
		if err != nil {
			return nil, rotator.NewFault(op, rotator.Invalid, "the notice %s cannot be written as JSON: %w", n.ID, err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies, nil
}

// putNotices writes the notices of the change. Each is due at once: how long to gather is the dispatcher's business.
func (c *change) putNotices(w *writer) error {
	for i, n := range c.Notices {
		if _, err := w.exec(insertNotice, n.ID, n.At.UnixMilli(), upMillis(n.At), n.Message, c.notices[i]); err != nil {
			return err
		}
	}
	return nil
}

// DueNotices implements [rotator.Outbox]. A notice that cannot be read is skipped, reported, and not due again for an
// hour: it must not keep the others waiting.
func (s *Store) DueNotices(ctx context.Context, now time.Time, limit int) ([]rotator.Notice, error) {
	const op = "list due notices"
	var due []rotator.Notice
	var bad []damage
	err := s.each(ctx, dueNotices, []any{now.UnixMilli(), limit}, func(rows *sql.Rows) error {
		var id, trouble, message string
		var attempt int
		var body sql.RawBytes
		if err := rows.Scan(&id, &attempt, &trouble, &message, &body); err != nil {
			return err
		}
		n, err := decodeNotice(body, id)
		if err != nil {
			bad = append(bad, damage{id: id, why: err})
			return nil //nolint:nilerr // the damage carries it
		}
		n.Attempt, n.Trouble, n.Message = attempt, trouble, message
		due = append(due, n)
		return nil
	})
	if err != nil {
		return nil, s.faults.of(op, err)
	}
	s.putNoticesAside(ctx, bad, now)
	return due, nil
}

// decodeNotice reads the stored form of a notice. The error is [rotator.Invalid] and names the notice.
func decodeNotice(body []byte, id string) (rotator.Notice, error) {
	var n rotator.Notice
	if err := json.Unmarshal(body, &n); err != nil || n.ID != id {
		return rotator.Notice{}, unreadableNotice(id, err)
	}
	return n, nil
}

func unreadableNotice(id string, err error) error {
	if err == nil {
		err = errors.New("its stored form is that of another notice")
	}
	return rotator.NewFault("read notice "+id, rotator.Invalid, "notice %s cannot be read and is not sent: %w; stop rotatord, keep a "+
		"copy of the journal, and restore its latest backup", id, err)
}

// putNoticesAside reports what cannot be read. That it could not be put aside is found out at the next call.
func (s *Store) putNoticesAside(ctx context.Context, bad []damage, now time.Time) {
	if len(bad) == 0 {
		return
	}
	ids := make([]string, 0, len(bad))
	for _, d := range bad {
		s.onDamaged("notice "+d.id, d.why)
		ids = append(ids, d.id)
	}
	_ = s.eachNotice(ctx, "put damaged notices aside", ids, setNoticeAside, upMillis(now.Add(damagedRecheck)))
}

// GroupNotices implements [rotator.Outbox].
func (s *Store) GroupNotices(ctx context.Context, message string, ids []string) error {
	return s.eachNotice(ctx, "group notices into message "+message, ids, groupNotice, message)
}

// NoticesSent implements [rotator.Outbox].
func (s *Store) NoticesSent(ctx context.Context, ids []string) error {
	return s.eachNotice(ctx, "take sent notices out", ids, deleteNotice)
}

// NoticesFailed implements [rotator.Outbox].
func (s *Store) NoticesFailed(ctx context.Context, ids []string, trouble string, nextAt time.Time) error {
	return s.eachNotice(ctx, "put notices off", ids, failNotice, trouble, upMillis(nextAt))
}

// eachNotice runs a statement, whose last argument is the id, for each notice in one transaction.
func (s *Store) eachNotice(ctx context.Context, op string, ids []string, query string, args ...any) error {
	return s.write(ctx, op, func(w *writer) error {
		for _, id := range ids {
			if _, err := w.exec(query, append(args[:len(args):len(args)], id)...); err != nil {
				return err
			}
		}
		return nil
	})
}

// HastenNotices implements [rotator.Outbox].
func (s *Store) HastenNotices(ctx context.Context, after, at time.Time) error {
	return s.write(ctx, "hasten notices", func(w *writer) error {
		_, err := w.exec(hastenNotices, up(at), up(after))
		return err
	})
}

// CountNotices implements [rotator.Outbox].
func (s *Store) CountNotices(ctx context.Context) (rotator.NoticeCounts, error) {
	const op = "count notices"
	var c rotator.NoticeCounts
	var oldest [2]time.Time
	for i, half := range []struct {
		query string
		n     *int
	}{{countFreshNotices, &c.Fresh}, {countFailedNotices, &c.Failed}} {
		if _, err := s.one(ctx, half.query, nil, half.n, stamp{&oldest[i]}); err != nil {
			return rotator.NoticeCounts{}, s.faults.of(op, err)
		}
	}
	c.Oldest = oldest[0]
	if c.Oldest.IsZero() || !oldest[1].IsZero() && oldest[1].Before(c.Oldest) {
		c.Oldest = oldest[1]
	}
	return c, nil
}
