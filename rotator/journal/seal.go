package journal

import (
	"context"
	"slices"

	"github.com/rotatord/rotatord/rotator"
)

const (
	writeMeta = `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`

	sealedRotations = `SELECT ` + rotationColumns + ` FROM rotations WHERE is_open = 1 AND sealed IS NOT NULL AND id > $1 ORDER BY id`

	reseal = `UPDATE rotations SET sealed = $1 WHERE id = $2 AND sealed = $3 AND is_open = 1`

	// markLost leaves alone what has no key yet, and what has none of its own.
	markLost = `UPDATE rotations SET sealed = $1 WHERE is_open = 1
AND stage IN ('minted', 'testing', 'delivering', 'confirmed', 'grace', 'deactivating', 'soaking', 'reactivating', 'revoking')`
)

// Where the state of the seal is kept. The first has its name from when there was nothing else.
const (
	metaSealCheck       = "seal_check"
	metaSealFingerprint = "seal_fingerprint_key"
	metaSealWrapped     = "seal_wrapped_key"
)

// SealState is what the journal keeps of its seal. None of it says anything about a key to somebody who has none.
type SealState struct {
	// Check tells the seal key that seals now from others; empty in a journal that was never used.
	Check string
	// FingerprintKey is the key of fingerprints, sealed under that seal key; empty where it is the one that belongs to it.
	FingerprintKey string
	// WrappedKey is the seal key itself, wrapped by a service that alone can unwrap it; empty where the key is in a file.
	WrappedKey string
}

func (st *SealState) fields() map[string]*string {
	return map[string]*string{metaSealCheck: &st.Check, metaSealFingerprint: &st.FingerprintKey, metaSealWrapped: &st.WrappedKey}
}

// SealState returns what the journal keeps of its seal.
func (s *Store) SealState(ctx context.Context) (st SealState, err error) {
	for name, value := range st.fields() {
		if _, err := s.one(ctx, readMeta, []any{name}, value); err != nil {
			return st, s.faults.of("read the state of the seal", err)
		}
	}
	return st, nil
}

// Resealed is a rotation's sealed secret, sealed anew.
type Resealed struct {
	Rotation string
	Was, Now []byte
}

// ExchangeSeal replaces the state of the seal and, in the same transaction, sealed secrets by the same secrets under another
// key. If the journal holds another state than from, that is a fault of kind [rotator.Conflict], and nothing is changed. A
// secret that is not there any more as it was stays as it is: it was erased. Stage and sequence of rotations stay, so it
// conflicts with no step.
func (s *Store) ExchangeSeal(ctx context.Context, from, to SealState, rows []Resealed) error {
	const op = "exchange the seal key"
	for _, row := range rows {
		if len(row.Now) == 0 {
			return rotator.NewFault(op, rotator.Invalid, "the secret of rotation %s would be lost", row.Rotation)
		}
	}
	return s.write(ctx, op, func(w *writer) error {
		if err := saveSeal(w, op, from, to); err != nil {
			return err
		}
		for _, row := range rows {
			n, err := w.exec(reseal, row.Now, row.Rotation, row.Was)
			if err != nil {
				return err
			}
			w.erased = w.erased || n > 0
		}
		return nil
	})
}

func saveSeal(w *writer, op string, from, to SealState) error {
	if err := w.lockTable("meta"); err != nil {
		return err
	}
	now := SealState{}
	for name, value := range now.fields() {
		if _, err := w.one(readMeta, []any{name}, value); err != nil {
			return err
		}
	}
	if now != from {
		return rotator.NewFault(op, rotator.Conflict, "somebody else changed it meanwhile; start again")
	}
	for name, value := range to.fields() {
		if _, err := w.exec(writeMeta, name, *value); err != nil {
			return err
		}
	}
	return nil
}

// SealedRotations calls fn for each open rotation with a sealed secret, or with the mark of a lost one, until fn returns an
// error, which it returns. fn may call the store.
func (s *Store) SealedRotations(ctx context.Context, fn func(*rotator.Rotation) error) error {
	const op, batch = "list sealed secrets", 100
	for after := ""; ; {
		found, _, err := s.rotations(ctx, op, batch, sealedRotations, after)
		if err != nil {
			return err
		}
		for i := range found {
			if err := fn(&found[i]); err != nil {
				return err
			}
			after = found[i].ID
		}
		if len(found) < batch {
			return nil
		}
	}
}

// AbandonSeal replaces the state of the seal, as [Store.ExchangeSeal], and puts mark in place of every sealed secret and
// beside every fingerprint of an open rotation, all of it or nothing. It returns how many rotations it marked.
func (s *Store) AbandonSeal(ctx context.Context, from, to SealState, mark []byte) (marked int64, err error) {
	const op = "give up the seal key"
	err = s.write(ctx, op, func(w *writer) error {
		if err := saveSeal(w, op, from, to); err != nil {
			return err
		}
		marked, err = w.exec(markLost, slices.Clone(mark))
		w.erased = true
		return err
	})
	return marked, err
}
