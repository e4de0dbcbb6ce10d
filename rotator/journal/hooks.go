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
	insertHook = `INSERT INTO hook_runs (id, rotation, hook, at, next_at, body) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`

	hookColumns = `id, attempt, call, next_at, trouble, ended_at, result, detail, body`

	// A call is never torn apart: where one of its runs is read, all are.
	hooksToTry = `SELECT ` + hookColumns + ` FROM hook_runs
WHERE id IN (SELECT id FROM hook_runs WHERE hook = $1 AND ended_at IS NULL ORDER BY next_at, id LIMIT $2)
OR call <> '' AND call IN (SELECT call FROM hook_runs WHERE hook = $1 AND ended_at IS NULL ORDER BY next_at, id LIMIT $2)
ORDER BY next_at, id`

	hooksOfRotation = `SELECT ` + hookColumns + ` FROM hook_runs WHERE rotation = $1 ORDER BY at, id`

	hooksFailing = `SELECT ` + hookColumns + ` FROM hook_runs WHERE ended_at IS NULL AND trouble <> '' ORDER BY at, id LIMIT $1`

	oneHook = `SELECT ` + hookColumns + ` FROM hook_runs WHERE id = $1 AND ended_at IS NULL`

	pendingHooks = `SELECT hook, count(*), count(*) FILTER (WHERE trouble <> ''), min(at) FROM hook_runs WHERE ended_at IS NULL GROUP BY hook ORDER BY hook`

	beginHook = `UPDATE hook_runs SET attempt = attempt + 1, call = CASE call WHEN '' THEN $1 ELSE call END WHERE id = $2 AND ended_at IS NULL`

	endHook = `UPDATE hook_runs SET ended_at = $1, result = $2, detail = $3, next_at = NULL, call = '', trouble = '' WHERE id = $4 AND ended_at IS NULL`

	failHook = `UPDATE hook_runs SET trouble = $1, next_at = $2, call = CASE CAST($3 AS INTEGER) WHEN 1 THEN call ELSE '' END WHERE id = $4 AND ended_at IS NULL`

	setHookAside = `UPDATE hook_runs SET next_at = $1, attempt = attempt + 1 WHERE id = $2`
)

// hookBodies returns the stored form of runs. What changes while they wait stands in columns of its own.
func hookBodies(op string, runs []rotator.HookRun) ([]string, error) {
	bodies := make([]string, 0, len(runs))
	for i := range runs {
		body, err := json.Marshal(&runs[i])
		if err != nil {
			return nil, rotator.NewFault(op, rotator.Invalid, "the run of hook %s cannot be written as JSON: %w", runs[i].Hook, err)
		}
		bodies = append(bodies, string(body))
	}
	return bodies, nil
}

// putHooks writes the runs of the change. Each is due at once: how long to gather is the business of whoever runs them.
func (c *change) putHooks(w *writer) error {
	for i := range c.Hooks {
		h := &c.Hooks[i]
		if _, err := w.exec(insertHook, h.ID, h.Rotation, h.Hook, h.At.UnixMilli(), upMillis(h.At), c.hooks[i]); err != nil {
			return err
		}
	}
	return nil
}

// hookRow reads a row of hookColumns. The error of the second kind is about the row alone, whose id it returns.
func hookRow(scan func(dest ...any) error) (h rotator.HookRun, bad, err error) {
	var id string
	var body []byte
	var columns rotator.HookRun
	if err := scan(&id, &columns.Attempt, &columns.Call, stamp{&columns.NextAt}, &columns.Trouble, stamp{&columns.EndedAt},
		&columns.Result, &columns.Detail, &body); err != nil {
		return h, nil, err
	}
	if err := json.Unmarshal(body, &h); err != nil || h.ID != id {
		return rotator.HookRun{ID: id}, unreadableHook(id, err), nil
	}
	h.Attempt, h.Call, h.NextAt, h.Trouble = columns.Attempt, columns.Call, columns.NextAt, columns.Trouble
	h.EndedAt, h.Result, h.Detail = columns.EndedAt, columns.Result, columns.Detail
	return h, nil, nil
}

func unreadableHook(id string, err error) error {
	if err == nil {
		err = errors.New("its stored form is that of another run")
	}
	return rotator.NewFault("read hook run "+id, rotator.Invalid, "the run %s of a hook cannot be read, so its consumer is not told: %w; stop "+
		"rotatord, keep a copy of the journal, and restore its latest backup", id, err)
}

// HookRunsToTry implements [rotator.Hooks]. A run that cannot be read is skipped, reported, and not due again for an hour: it
// must not keep the others waiting.
func (s *Store) HookRunsToTry(ctx context.Context, hook string, now time.Time, limit int) ([]rotator.HookRun, error) {
	const op = "list the runs of hooks that wait"
	var runs []rotator.HookRun
	var damaged []string
	err := s.each(ctx, hooksToTry, []any{hook, limit}, func(rows *sql.Rows) error {
		h, bad, err := hookRow(rows.Scan)
		switch {
		case bad != nil:
			s.onDamaged("hook run "+h.ID, bad)
			damaged = append(damaged, h.ID)
		case err == nil:
			runs = append(runs, h)
		}
		return err
	})
	if err != nil {
		return nil, s.faults.of(op, err)
	}
	if len(damaged) > 0 { // that it could not be put aside is found out at the next call
		_ = s.eachNotice(ctx, "put damaged runs of hooks aside", damaged, setHookAside, upMillis(now.Add(damagedRecheck)))
	}
	return runs, nil
}

// hookList reads runs. One that cannot be read is an error: what stands for a required consumer must not be taken for told.
func (s *Store) hookList(ctx context.Context, op, query string, args ...any) ([]rotator.HookRun, error) {
	var runs []rotator.HookRun
	err := s.each(ctx, query, args, func(rows *sql.Rows) error {
		h, bad, err := hookRow(rows.Scan)
		if err = errors.Join(bad, err); err == nil {
			runs = append(runs, h)
		}
		return err
	})
	return runs, s.faults.of(op, err)
}

// HookRuns implements [rotator.Hooks].
func (s *Store) HookRuns(ctx context.Context, rotation string) ([]rotator.HookRun, error) {
	return s.hookList(ctx, "list the runs of hooks for "+rotation, hooksOfRotation, rotation)
}

// FailingHookRuns implements [rotator.Hooks].
func (s *Store) FailingHookRuns(ctx context.Context, limit int) ([]rotator.HookRun, error) {
	return s.hookList(ctx, "list the runs of hooks that fail", hooksFailing, limit)
}

// PendingHooks implements [rotator.Hooks].
func (s *Store) PendingHooks(ctx context.Context) ([]rotator.HookCount, error) {
	var counts []rotator.HookCount
	err := s.each(ctx, pendingHooks, nil, func(rows *sql.Rows) error {
		var c rotator.HookCount
		err := rows.Scan(&c.Hook, &c.Pending, &c.Failing, stamp{&c.Oldest})
		counts = append(counts, c)
		return err
	})
	return counts, s.faults.of("count the runs of hooks", err)
}

// BeginHookRuns implements [rotator.Hooks].
func (s *Store) BeginHookRuns(ctx context.Context, call string, ids []string) error {
	return s.eachHook(ctx, "begin call "+call, ids, func(w *writer, h *rotator.HookRun) error {
		if _, err := w.exec(beginHook, call, h.ID); err != nil || h.Call == "" {
			return err
		}
		h.Attempt++
		return w.tell(h.AuditRepeated())
	})
}

// EndHookRuns implements [rotator.Hooks].
func (s *Store) EndHookRuns(ctx context.Context, ids []string, result rotator.HookResult, detail string, at time.Time) error {
	return s.eachHook(ctx, "end the runs of a hook", ids, func(w *writer, h *rotator.HookRun) error {
		if _, err := w.exec(endHook, at.UnixMilli(), string(result), detail, h.ID); err != nil {
			return err
		}
		return w.tell(h.AuditEnded(result, detail))
	})
}

// FailHookRuns implements [rotator.Hooks].
func (s *Store) FailHookRuns(ctx context.Context, ids []string, trouble string, unknown bool, nextAt time.Time) error {
	return s.eachHook(ctx, "put the runs of a hook off", ids, func(w *writer, h *rotator.HookRun) error {
		if _, err := w.exec(failHook, trouble, upMillis(nextAt), flag(unknown), h.ID); err != nil || h.Trouble == trouble {
			return err
		}
		return w.tell(h.AuditFailed(trouble))
	})
}

// eachHook does something to each run that has not ended, in one transaction.
func (s *Store) eachHook(ctx context.Context, op string, ids []string, do func(w *writer, h *rotator.HookRun) error) error {
	return s.write(ctx, op, func(w *writer) error {
		for _, id := range ids {
			var h rotator.HookRun
			found, err := w.row(oneHook, []any{id}, func(scan func(dest ...any) error) (err error) {
				var bad error
				h, bad, err = hookRow(scan)
				return errors.Join(bad, err)
			})
			if err != nil {
				return err
			}
			if !found {
				continue
			}
			if err := do(w, &h); err != nil {
				return err
			}
		}
		return nil
	})
}
