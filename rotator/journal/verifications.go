package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	putVerification = `INSERT INTO verifications (provider, user_id, base, at, outcome, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (provider, user_id, base) DO UPDATE SET at = excluded.at, outcome = excluded.outcome, body = excluded.body
WHERE verifications.at <= excluded.at`

	forgetVerifications = `DELETE FROM verifications WHERE provider = $1 AND at < $2`

	readVerification = `SELECT body FROM verifications WHERE provider = $1 AND user_id = $2 AND base = $3`

	countFindings = `SELECT count(*) FROM verifications WHERE provider = $1 AND outcome = $2`

	firstFinding = `SELECT body FROM verifications WHERE provider = $1 AND outcome = $2 ORDER BY at LIMIT 1`

	countVerifications = `SELECT provider, outcome, count(*), min(at), max(at) FROM verifications GROUP BY provider, outcome ORDER BY provider, outcome`
)

// SaveVerifications implements [rotator.Verifications].
func (s *Store) SaveVerifications(ctx context.Context, vs []rotator.Verification) error {
	const op = "store what a verification found"
	bodies := make([]string, len(vs))
	for i := range vs {
		body, err := json.Marshal(&vs[i])
		if err != nil {
			return rotator.NewFault(op, rotator.Invalid, "it cannot be written as JSON: %w", err)
		}
		bodies[i] = string(body)
	}
	return s.write(ctx, op, func(w *writer) error {
		for i := range vs {
			v := &vs[i]
			if _, err := w.exec(putVerification, v.Provider, v.UserID, v.Base, v.At.UnixMilli(), string(v.Outcome), bodies[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// ForgetVerifications implements [rotator.Verifications].
func (s *Store) ForgetVerifications(ctx context.Context, provider string, before time.Time) error {
	return s.write(ctx, "forget old verifications", func(w *writer) error {
		_, err := w.exec(forgetVerifications, provider, before.UnixMilli())
		return err
	})
}

// VerificationOf implements [rotator.Verifications].
func (s *Store) VerificationOf(ctx context.Context, c rotator.CredentialID) (*rotator.Verification, error) {
	op := "read what the last verification found of " + c.String()
	var body string
	found, err := s.one(ctx, readVerification, []any{c.Provider, c.UserID, c.Base}, &body)
	if err != nil || !found {
		return nil, s.faults.of(op, err)
	}
	var v rotator.Verification
	return &v, s.faults.of(op, json.Unmarshal([]byte(body), &v))
}

// CountVerifications implements [rotator.Verifications].
func (s *Store) CountVerifications(ctx context.Context) ([]rotator.VerifyCount, error) {
	var counts []rotator.VerifyCount
	err := s.each(ctx, countVerifications, nil, func(rows *sql.Rows) error {
		var c rotator.VerifyCount
		err := rows.Scan(&c.Provider, &c.Outcome, &c.Count, stamp{&c.Oldest}, stamp{&c.Latest})
		counts = append(counts, c)
		return err
	})
	return counts, s.faults.of("count verifications", err)
}

// VerifyFindings implements [rotator.Verifications].
func (s *Store) VerifyFindings(ctx context.Context, provider string) ([]rotator.VerifyFinding, error) {
	op := "read what the last verification found at " + provider
	var all []rotator.VerifyFinding
	for _, outcome := range rotator.VerifyOutcomes() {
		if !outcome.NeedsPerson() {
			continue
		}
		f, body := rotator.VerifyFinding{Outcome: outcome}, ""
		if _, err := s.one(ctx, countFindings, []any{provider, string(outcome)}, &f.Count); err != nil {
			return nil, s.faults.of(op, err)
		}
		if f.Count == 0 {
			continue
		}
		found, err := s.one(ctx, firstFinding, []any{provider, string(outcome)}, &body)
		if err != nil {
			return nil, s.faults.of(op, err)
		}
		if !found {
			continue // it went between the two
		}
		if err := json.Unmarshal([]byte(body), &f.First); err != nil {
			return nil, s.faults.of(op, err)
		}
		all = append(all, f)
	}
	return all, nil
}
