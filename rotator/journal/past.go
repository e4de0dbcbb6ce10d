package journal

import (
	"context"
	"database/sql"
	"fmt"
	"path"

	"github.com/rotatord/rotatord/rotator"
)

// pastQuery is the statement for one half of the list, open or ended, beginning behind the cursor. What patterns say beyond
// plain names is left to the caller.
func pastQuery(q *rotator.RotationQuery, ended bool) (query string, args []any) {
	f := filters{}
	state, order, beyond := "is_open = 1", "ORDER BY stage_at, id", ">"
	if ended {
		state, order, beyond = "is_open = 0", "ORDER BY stage_at DESC, id DESC", "<"
	}
	if literal(q.Provider) {
		f.and("provider = %s", f.place(q.Provider))
	}
	if literal(q.Base) {
		f.and("base = %s", f.place(q.Base))
	}
	if !q.Since.IsZero() {
		f.and("stage_at >= %s", f.place(q.Since.UnixMilli()))
	}
	if !q.Until.IsZero() {
		f.and("stage_at < %s", f.place(q.Until.UnixMilli()))
	}
	if q.After.ID != "" && q.After.Ended == ended {
		f.and("(stage_at, id) %s (%s, %s)", beyond, f.place(q.After.At.UnixMilli()), f.place(q.After.ID))
	}
	return "SELECT " + rotationColumns + " FROM rotations WHERE " + state + f.text.String() + "\n" + order, f.args
}

// FindRotations implements [rotator.View]. What cannot be read is skipped and reported. It reads from the cursor on until the
// page is full; where few rotations pass, that is many.
func (s *Store) FindRotations(ctx context.Context, q rotator.RotationQuery) (rotator.RotationPage, error) {
	const op = "list rotations"
	if q.Limit < 1 {
		return rotator.RotationPage{}, rotator.NewFault(op, rotator.Invalid, "the limit is %d; ask for at least one", q.Limit)
	}
	for _, pattern := range []string{q.Provider, q.User, q.Base} {
		if _, err := path.Match(pattern, ""); err != nil {
			return rotator.RotationPage{}, rotator.NewFault(op, rotator.Invalid, "the pattern %q is malformed: %w; close every [ and end no pattern with a backslash", pattern, err)
		}
	}
	var page rotator.RotationPage
	for _, half := range []struct {
		state string
		ended bool
	}{{"open", false}, {"ended", true}} {
		if q.State != "" && q.State != half.state || q.After.Ended && !half.ended {
			continue
		}
		if err := s.findRotations(ctx, &q, half.ended, &page); err != nil {
			return rotator.RotationPage{}, s.faults.of(op, err)
		}
	}
	if len(page.Rotations) > q.Limit {
		page.Rotations = page.Rotations[:q.Limit]
		next := rotator.CursorAt(&page.Rotations[q.Limit-1])
		page.Next = &next
	}
	return page, nil
}

// findRotations fills the page up to one more than its limit.
func (s *Store) findRotations(ctx context.Context, q *rotator.RotationQuery, ended bool, page *rotator.RotationPage) error {
	if len(page.Rotations) > q.Limit {
		return nil
	}
	query, args := pastQuery(q, ended)
	var damaged []damage
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		r, bad, err := scanRotation(rows)
		switch {
		case err != nil:
			return fmt.Errorf("reading the rotations: %w", err)
		case bad != nil:
			damaged = append(damaged, *bad)
			return nil
		case !selects(q, &r):
			return nil
		}
		r.Sealed = nil // nobody who looks back needs it
		page.Rotations = append(page.Rotations, r)
		if len(page.Rotations) > q.Limit {
			return errStop
		}
		return nil
	})
	for _, d := range damaged {
		s.onDamaged(d.id, d.why)
	}
	return err
}

func selects(q *rotator.RotationQuery, r *rotator.Rotation) bool {
	return matches(q.Provider, r.Provider) && matches(q.User, r.UserID, r.ServiceUser, r.Contact) && matches(q.Base, r.Base) &&
		(q.Policy == "" || q.Policy == r.Policy) && (q.Reason == "" || q.Reason == r.Reason)
}
