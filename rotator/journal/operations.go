package journal

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	putHold = `INSERT INTO holds (provider, user_id, base, held_by, held_until, reason, placed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (provider, user_id, base) DO UPDATE SET held_by = excluded.held_by, held_until = excluded.held_until,
reason = excluded.reason, placed_at = excluded.placed_at`

	deleteHold = `DELETE FROM holds WHERE provider = $1 AND user_id = $2 AND base = $3`

	wakeSeries = `UPDATE keys SET look_at = $1 WHERE provider = $2 AND user_id = $3 AND base = $4`

	readHold = `SELECT held_by, held_until, reason, placed_at FROM holds
WHERE provider = $1 AND user_id = $2 AND base = $3 AND held_until > $4`

	readState = `SELECT body FROM provider_state WHERE provider = $1`

	saveState = `INSERT INTO provider_state (provider, body) VALUES ($1, $2)
ON CONFLICT (provider) DO UPDATE SET body = excluded.body WHERE provider_state.body <> excluded.body`

	readMeta = `SELECT value FROM meta WHERE key = $1`
)

// PutHold implements [rotator.Operations].
func (s *Store) PutHold(ctx context.Context, h rotator.Hold) error {
	return s.write(ctx, "hold "+h.String(), func(w *writer) error {
		if _, err := w.exec(putHold, h.Provider, h.UserID, h.Base, h.By, upMillis(h.Until), h.Reason, down(h.At)); err != nil {
			return err
		}
		return w.tell(holdEvent(&h))
	})
}

// Release implements [rotator.Operations].
func (s *Store) Release(ctx context.Context, c rotator.CredentialID, actor string) error {
	return s.write(ctx, "release "+c.String(), func(w *writer) error {
		held, err := w.exec(deleteHold, c.Provider, c.UserID, c.Base)
		if err != nil {
			return err
		}
		if _, err := w.exec(wakeSeries, w.clock.Now().UnixMilli(), c.Provider, c.UserID, c.Base); err != nil {
			return err
		}
		return w.tell(rotator.AuditEvent{Kind: rotator.AuditRelease, Outcome: rotator.AuditDone, Actor: actor, Count: int(held)}.About(c))
	})
}

// HoldOn implements [rotator.Operations].
func (s *Store) HoldOn(ctx context.Context, c rotator.CredentialID, now time.Time) (*rotator.Hold, error) {
	h := rotator.Hold{CredentialID: c}
	found, err := s.one(ctx, readHold, []any{c.Provider, c.UserID, c.Base, now.UnixMilli()}, &h.By, stamp{&h.Until}, &h.Reason, stamp{&h.At})
	if err != nil || !found {
		return nil, s.faults.of("look for a hold on "+c.String(), err)
	}
	return &h, nil
}

// ProviderState implements [rotator.Operations].
func (s *Store) ProviderState(ctx context.Context, provider string) (rotator.ProviderState, error) {
	op := "read the state of provider " + provider
	var body []byte
	found, err := s.one(ctx, readState, []any{provider}, &body)
	if err != nil || !found {
		return rotator.ProviderState{Provider: provider}, s.faults.of(op, err)
	}
	return decodeState(op, body, provider)
}

// decodeState reads the stored form of a provider's state. The error is [rotator.Invalid]; what comes with it is the state of
// a provider that nothing is known of.
func decodeState(op string, body []byte, provider string) (rotator.ProviderState, error) {
	var state rotator.ProviderState
	err := json.Unmarshal(body, &state)
	if err == nil && state.Provider != provider {
		err = errors.New("it is another provider's")
	}
	if err != nil {
		return rotator.ProviderState{Provider: provider}, rotator.NewFault(op, rotator.Invalid, "what is stored cannot be used: %w; "+
			"stop rotatord, keep a copy of the journal, and restore its latest backup", err)
	}
	return state, nil
}

// SaveProviderState implements [rotator.Operations].
func (s *Store) SaveProviderState(ctx context.Context, state rotator.ProviderState) error {
	op := "save the state of provider " + state.Provider
	body, err := json.Marshal(state)
	if err != nil {
		return rotator.NewFault(op, rotator.Invalid, "it cannot be written as JSON: %w", err)
	}
	return s.write(ctx, op, func(w *writer) error {
		var was rotator.ProviderState
		var stored []byte
		found, err := w.one(readState, []any{state.Provider}, &stored)
		if err != nil {
			return err
		}
		if found {
			_ = json.Unmarshal(stored, &was) // what cannot be read is replaced all the same
		}
		if _, err := w.exec(saveState, state.Provider, string(body)); err != nil {
			return err
		}
		return w.tellState(&was, &state)
	})
}
