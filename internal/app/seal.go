package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/transit"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/web"
)

// sealing is the seal of one journal: the keys in memory, and what the journal keeps of them.
type sealing struct {
	sealer *seal.Sealer
	store  *journal.Store
	log    *zap.Logger
	// wrapper is what wrapped the key in force; nil for a key in a file. Only who starts or reloads touches it.
	wrapper *transit.Transit
	// exchange is held by commits for reading and by an exchange of the key for writing: what a step sealed before an
	// exchange is either in the journal when the exchange reads it, or sealed anew on its way there.
	exchange sync.RWMutex
}

// readSeal reads the seal keys that are in a file or a variable.
func readSeal(ref config.SecretRef) (*seal.Sealer, error) {
	if ref.File != "" {
		return seal.ReadKeyFile(ref.File)
	}
	key, err := ref.Resolve()
	if err != nil {
		return nil, fmt.Errorf("store.seal.key: %w", err)
	}
	defer key.Wipe()
	return seal.ParseKey(key.Reveal())
}

// use makes next's first key the one that seals, and seals anew what is sealed under others: the whole journal goes from one
// key to the other in one transaction. wrapped is what the journal keeps of the key, where a service wraps it.
func (s *sealing) use(ctx context.Context, next *seal.Sealer, wrapped string) error {
	for tries := 1; ; tries++ {
		err := s.useNow(ctx, next, wrapped)
		if rotator.KindOf(err) != rotator.Conflict || tries == sealTries {
			return err
		}
	}
}

// sealTries is how often the seal is looked at again when another replica was quicker to write it: at the first start of all.
const sealTries = 3

func (s *sealing) useNow(ctx context.Context, next *seal.Sealer, wrapped string) error {
	s.exchange.Lock()
	defer s.exchange.Unlock()
	was, err := s.store.SealState(ctx)
	if err != nil {
		return err
	}
	// Nothing may be sealed under a key before the journal keeps what is needed to have it again.
	trial := new(seal.Sealer)
	trial.Adopt(s.sealer)
	trial.Adopt(next)
	if err := useFingerprintKey(trial, was); err != nil {
		return err
	}
	rows, err := s.reseal(ctx, trial)
	if err != nil {
		return err
	}
	if was.Check != trial.Check() || was.FingerprintKey == "" || was.WrappedKey != wrapped || len(rows) > 0 {
		if err := s.save(ctx, trial, was, wrapped, rows); err != nil {
			return err
		}
	}
	s.sealer.Adopt(trial)
	return nil
}

// save writes the exchange into the journal.
func (s *sealing) save(ctx context.Context, sealer *seal.Sealer, was journal.SealState, wrapped string, rows []journal.Resealed) error {
	fingerprint, err := sealer.WrapFingerprintKey()
	if err != nil {
		return err
	}
	now := journal.SealState{Check: sealer.Check(), FingerprintKey: base64.StdEncoding.EncodeToString(fingerprint), WrappedKey: wrapped}
	if err := s.store.ExchangeSeal(ctx, was, now, rows); err != nil {
		return err
	}
	if was.Check != now.Check && was.Check != "" {
		s.log.Info("the seal key was exchanged: everything in the journal is sealed under the new one",
			zap.String("key", sealer.Names()[0]), zap.Int("secrets_in_flight", len(rows)))
	}
	return nil
}

// useFingerprintKey makes fingerprints as the journal always did.
func useFingerprintKey(sealer *seal.Sealer, st journal.SealState) error {
	var err error
	switch {
	case st.Check == "":
		return nil // a new journal: the key that belongs to the seal key will do
	case st.FingerprintKey == "":
		err = sealer.UseFingerprintKeyOf(st.Check)
	default:
		var wrapped []byte
		if wrapped, err = base64.StdEncoding.DecodeString(st.FingerprintKey); err == nil {
			err = sealer.UseFingerprintKey(wrapped)
		}
	}
	if errors.Is(err, seal.ErrOtherKey) {
		return rotator.NewFault("open the seal", rotator.Conflict, "none of the seal keys that are there (%s) is the one that the journal is sealed with: "+
			"put the old key file (or vault_transit) back; it is exchanged with rotatord seal rotate, or by a reload. "+
			"If the key is lost for good, this says what is lost with it: rotatord seal abandon", strings.Join(sealer.Names(), ", "))
	}
	return err
}

// reseal seals anew what is not sealed under the first key. What does not open it reports and leaves as it is.
func (s *sealing) reseal(ctx context.Context, sealer *seal.Sealer) (rows []journal.Resealed, err error) {
	err = s.store.SealedRotations(ctx, func(r *rotator.Rotation) error {
		if sealer.Current(r.Sealed) {
			return nil
		}
		now, err := sealer.Reseal(seal.RecordOf(r), r.Sealed)
		if err != nil {
			s.log.Error("a sealed secret cannot be sealed under the new key; it stays as it is", zap.String("rotation", r.ID), zap.Error(err))
			return nil
		}
		rows = append(rows, journal.Resealed{Rotation: r.ID, Was: r.Sealed, Now: now})
		return nil
	})
	return rows, err
}

// status is what people are told of the seal.
func (s *sealing) status(ctx context.Context) (web.Seal, error) {
	st := web.Seal{Keys: s.sealer.Names(), Ready: s.sealer.Ready()}
	err := s.store.SealedRotations(ctx, func(r *rotator.Rotation) error {
		switch {
		case seal.Lost(r.Sealed):
			st.Lost++
		case s.sealer.Current(r.Sealed):
			st.Sealed++
		default:
			st.Behind++
		}
		return nil
	})
	return st, err
}

// sealedStore is the journal for the engine: whatever a step has sealed, it is under the key in force that it is committed.
type sealedStore struct {
	*journal.Store
	seal *sealing
}

// Commit implements [rotator.Journal].
func (s sealedStore) Commit(ctx context.Context, c rotator.Change) error {
	s.seal.exchange.RLock()
	defer s.seal.exchange.RUnlock()
	if !s.seal.sealer.Current(c.After.Sealed) {
		anew, err := s.seal.sealer.Reseal(seal.RecordOf(&c.After), c.After.Sealed)
		if err == nil {
			c.After.Sealed = anew
		} // else it is committed as it is: the journal takes the sealed secret of a new key alone, and that one opens
	}
	return s.Store.Commit(ctx, c)
}
