package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	putIncident = `INSERT INTO incidents (id, at, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING`

	updateIncident = `UPDATE incidents SET body = $1 WHERE id = $2`

	readIncident = `SELECT body FROM incidents WHERE id = $1`

	listIncidents = `SELECT body FROM incidents WHERE at < $1 ORDER BY at DESC, id DESC LIMIT $2`

	dropIncident = `DELETE FROM incidents WHERE id = $1`

	isOpen = `SELECT 1 FROM rotations WHERE provider = $1 AND user_id = $2 AND base = $3 AND is_open = 1`
)

// incidentsAtOnce is how many incidents one transaction looks at to remove them.
const incidentsAtOnce = 100

// PutIncident implements [rotator.Incidents].
func (s *Store) PutIncident(ctx context.Context, i rotator.Incident) error {
	op := "store incident " + i.ID
	body, err := json.Marshal(i)
	if err != nil {
		return rotator.NewFault(op, rotator.Invalid, "it cannot be written as JSON: %w", err)
	}
	return s.write(ctx, op, func(w *writer) error {
		n, err := w.exec(putIncident, i.ID, i.At.UnixMilli(), string(body))
		if err != nil {
			return err
		}
		if n == 0 {
			_, err = w.exec(updateIncident, string(body), i.ID)
			return err
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditIncident, Outcome: rotator.AuditBegun, Actor: i.By, Count: len(i.Credentials),
			Note: fmt.Sprintf("%s: %s/%s/%s leaked: %s", i.ID, i.Provider, i.User, i.Base, i.Note)}.Bounded())
	})
}

// Incident implements [rotator.Incidents].
func (s *Store) Incident(ctx context.Context, id string) (i rotator.Incident, err error) {
	op := "read incident " + id
	var body string
	found, err := s.one(ctx, readIncident, []any{id}, &body)
	if err != nil {
		return i, s.faults.of(op, err)
	}
	if !found {
		return i, rotator.NewFault(op, rotator.Gone, "there is none of this name; list them with: rotatord history --incidents")
	}
	return i, s.faults.of(op, json.Unmarshal([]byte(body), &i))
}

// Incidents implements [rotator.Incidents].
func (s *Store) Incidents(ctx context.Context, before time.Time, limit int) ([]rotator.Incident, error) {
	until := int64(math.MaxInt64)
	if !before.IsZero() {
		until = before.UnixMilli()
	}
	var found []rotator.Incident
	err := s.each(ctx, listIncidents, []any{until, limit}, func(rows *sql.Rows) error {
		var body string
		if err := rows.Scan(&body); err != nil {
			return err
		}
		var i rotator.Incident
		err := json.Unmarshal([]byte(body), &i)
		found = append(found, i)
		return err
	})
	return found, s.faults.of("list incidents", err)
}

// PruneIncidents implements [rotator.Incidents].
func (s *Store) PruneIncidents(ctx context.Context, before time.Time) (removed int, err error) {
	old, err := s.Incidents(ctx, before, incidentsAtOnce)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	err = s.write(ctx, "remove old incidents", func(w *writer) error {
		removed = 0
		for n := range old {
			moves, err := w.moves(old[n].Credentials)
			if err != nil {
				return err
			}
			if moves {
				continue
			}
			if _, err := w.exec(dropIncident, old[n].ID); err != nil {
				return err
			}
			removed++
		}
		if removed == 0 {
			return nil
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditPrune, Outcome: rotator.AuditDone, Count: removed,
			Note: "incidents that were reported before " + before.UTC().Format(time.RFC3339) + " were removed"})
	})
	return removed, err
}

// moves reports whether one of the credentials is being rotated.
func (w *writer) moves(list []rotator.IncidentCredential) (bool, error) {
	for n := range list {
		c, one := list[n].CredentialID, 0
		if open, err := w.one(isOpen, []any{c.Provider, c.UserID, c.Base}, &one); err != nil || open {
			return open, err
		}
	}
	return false, nil
}
