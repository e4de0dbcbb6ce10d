package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	// dayMillis is a day, and beyondMillis is further off than any time that is stored, either way.
	dayMillis    = 86_400_000
	beyondMillis = 4_000_000_000_000_000

	// ageWalk steps from one provider to the next, so that the keys between them are not read, and takes for each the managed keys and the
	// others, and of these each band of days. What is counted of them follows.
	ageWalk = `WITH RECURSIVE p (provider) AS (SELECT min(provider) FROM keys
UNION ALL SELECT (SELECT min(k.provider) FROM keys k WHERE k.provider > p.provider) FROM p WHERE p.provider IS NOT NULL),
m (managed, kind) AS (VALUES (0, 'unmanaged'), (1, 'managed')),
b (days, since, upto) AS (VALUES %s)
SELECT p.provider, m.managed, b.days, %s, %s
FROM p CROSS JOIN m CROSS JOIN b WHERE p.provider IS NOT NULL`

	// ageCount counts those of which a condition holds. The kind is written as the indexes keys_age and keys_left have it, which then hold all
	// that is asked for.
	ageCount = `(SELECT count(*) FROM keys k WHERE k.provider = p.provider AND CASE WHEN k.state <> 'active' OR k.missing_since IS NOT NULL THEN 'off'
WHEN k.policy = '' THEN 'unmanaged' ELSE 'managed' END = m.kind AND %s)`
)

var (
	fleetAges = fmt.Sprintf(ageWalk, ageBands(), fmt.Sprintf(ageCount, "k.created > $1 - b.upto AND k.created <= $1 - b.since"),
		fmt.Sprintf(ageCount, "k.expires >= $1 + b.since AND k.expires < $1 + b.upto"))

	// fleetAgeless counts the keys that have no such time.
	fleetAgeless = fmt.Sprintf(ageWalk, "(0, 0, 0)", fmt.Sprintf(ageCount, "k.created IS NULL"), fmt.Sprintf(ageCount, "k.expires IS NULL"))
)

// ageBands are the rows of b: where a band begins, in days and in milliseconds, and where it ends.
func ageBands() string {
	rows := []string{fmt.Sprintf("(-1, CAST(%d AS BIGINT), CAST(0 AS BIGINT))", -beyondMillis)}
	from := 0
	for _, end := range rotator.AgeBands() {
		rows = append(rows, fmt.Sprintf("(%d, %d, %d)", from, from*dayMillis, end*dayMillis))
		from = end
	}
	return strings.Join(append(rows, fmt.Sprintf("(%d, %d, %d)", from, from*dayMillis, beyondMillis)), ", ")
}

// FleetAges implements [rotator.Fleet]. It walks along two indexes, inside the database, and sorts nothing.
func (s *Store) FleetAges(ctx context.Context, now time.Time) ([]rotator.AgeCount, error) {
	var counts []rotator.AgeCount
	for _, of := range []struct {
		query   string
		args    []any
		unknown bool
	}{{fleetAges, []any{now.UnixMilli()}, false}, {fleetAgeless, nil, true}} {
		err := s.each(ctx, of.query, of.args, func(rows *sql.Rows) error {
			c := rotator.AgeCount{Unknown: of.unknown}
			err := rows.Scan(&c.Provider, &c.Managed, &c.Days, &c.Aged, &c.Left)
			if c.Aged > 0 || c.Left > 0 {
				counts = append(counts, c)
			}
			return err
		})
		if err != nil {
			return nil, s.faults.of("count keys by age", err)
		}
	}
	return counts, nil
}
