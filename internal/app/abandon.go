package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/transit"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/seal"
)

// Loss is what goes with a lost seal key: one open rotation whose new key's secret, or whose fingerprint, cannot be read any
// more.
type Loss struct {
	Rotation   string        `json:"rotation"`
	Credential string        `json:"credential"`
	Stage      rotator.Stage `json:"stage"`
	NewKeyID   string        `json:"new_key_id"`
	// Then says what the daemon does about it at its next start.
	Then string `json:"then"`
}

// ErrNothingLost says that the seal key that is there is the journal's.
var ErrNothingLost = errors.New("the seal key that is there opens this journal: nothing is lost, and nothing was changed")

// AbandonSeal gives the journal's seal key up for lost, in favour of the one that is configured now, and returns what goes with
// it. It changes something only if do is true. The daemon must not be running. What is given up is marked in one transaction;
// the daemon then revokes what nobody has, and replaces the rest on the usual evidence: no key that works is revoked before
// every sink holds another.
func AbandonSeal(ctx context.Context, path string, do bool) ([]Loss, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, BadConfigError{err}
	}
	store, err := openJournal(ctx, c, journal.Options{})
	if err != nil {
		return nil, err
	}
	losses, err := abandonSeal(ctx, c, store, do)
	return losses, errors.Join(err, store.Close())
}

func abandonSeal(ctx context.Context, c *config.Config, store *journal.Store, do bool) ([]Loss, error) {
	st, err := store.SealState(ctx)
	if err != nil {
		return nil, err
	}
	next, wrapped, err := replacement(ctx, c, st)
	if err != nil {
		return nil, err
	}
	losses, err := listLosses(ctx, store)
	if err != nil || !do {
		return losses, err
	}
	for _, l := range losses {
		if err := wake(ctx, store, l.Rotation); err != nil {
			return losses, err
		}
	}
	fingerprint, err := next.WrapFingerprintKey()
	if err != nil {
		return losses, err
	}
	now := journal.SealState{Check: next.Check(), FingerprintKey: base64.StdEncoding.EncodeToString(fingerprint), WrappedKey: wrapped}
	_, err = store.AbandonSeal(ctx, st, now, seal.LostMark())
	return losses, err
}

// replacement returns the keys that are configured now, once it is certain that they are not the journal's.
func replacement(ctx context.Context, c *config.Config, st journal.SealState) (next *seal.Sealer, wrapped string, err error) {
	wrapper, next, err := sealSource(c)
	if err == nil && wrapper != nil {
		next, wrapped, err = redraw(ctx, wrapper, st)
	}
	if err != nil {
		return nil, "", err
	}
	if useFingerprintKey(next, st) == nil {
		return nil, "", ErrNothingLost
	}
	return next, wrapped, nil
}

// redraw has a new key drawn where the old one cannot be unwrapped any more. A server that does not answer has lost nothing.
func redraw(ctx context.Context, wrapper *transit.Transit, st journal.SealState) (*seal.Sealer, string, error) {
	if st.WrappedKey != "" {
		key, err := wrapper.Unwrap(ctx, st.WrappedKey)
		switch kind := rotator.KindOf(err); {
		case err == nil:
			defer key.Wipe()
			next, err := seal.New(key.Reveal())
			return next, st.WrappedKey, err
		case kind != rotator.Invalid && kind != rotator.Gone:
			return nil, "", fmt.Errorf("whether the seal key is lost cannot be told: %w", err)
		}
	}
	key, wrapped, err := wrapper.Draw(ctx)
	if err != nil {
		return nil, "", err
	}
	defer key.Wipe()
	next, err := seal.New(key.Reveal())
	return next, wrapped, err
}

func listLosses(ctx context.Context, store *journal.Store) ([]Loss, error) {
	open, err := store.Rotations(ctx, false, 1<<30)
	if err != nil {
		return nil, err
	}
	var losses []Loss
	for _, r := range open {
		if then := afterwards(r.Stage); then != "" && !seal.Lost(r.Sealed) {
			losses = append(losses, Loss{Rotation: r.ID, Credential: r.CredentialID.String(), Stage: r.Stage, NewKeyID: r.NewKey.ID, Then: then})
		}
	}
	return losses, nil
}

// afterwards says what becomes of a rotation in that stage without its secret or its fingerprint; empty if it has neither.
func afterwards(stage rotator.Stage) string {
	switch stage {
	case rotator.StageMinted, rotator.StageTesting:
		return "no sink has the new key: it is revoked, and another is made; the old key stays until that one is confirmed"
	case rotator.StageDelivering:
		return "sinks may have the new key: it stays, and another is made; both older keys stay until that one is confirmed"
	case rotator.StageConfirmed, rotator.StageGrace, rotator.StageDeactivating, rotator.StageSoaking, rotator.StageReactivating, rotator.StageRevoking:
		return "the sinks have the new key, which cannot be compared any more: it stays, and another is made; both older keys stay as they are until that one is confirmed"
	default:
		return ""
	}
}

// wake has the rotation looked at as soon as the daemon runs, and puts into its history why.
func wake(ctx context.Context, store *journal.Store, id string) error {
	r, err := store.Rotation(ctx, id)
	if err != nil {
		return err
	}
	return store.Commit(ctx, r.Resume("the seal key was given up as lost, and with it what was sealed for this rotation", time.Now()))
}

// sayLost tells of what the loss of a seal key still leaves to do.
func (a *App) sayLost(ctx context.Context) {
	st, err := a.seal.status(ctx)
	if err == nil && st.Lost > 0 {
		a.log.Warn("a seal key was given up as lost; these rotations make another key, and the keys that work stay until it is confirmed", zap.Int("rotations", st.Lost))
	}
}
