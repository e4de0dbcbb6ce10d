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
)

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
