package engine

import (
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// strangers are managed keys that a scan sees for the first time, under names that rotatord gives and that the journal knows
// nothing of. A journal that was restored from a backup finds those that were made since; a lost one finds all of them.
type strangers struct {
	count   int
	example rotator.TrackedKey
}

// look counts a key if it is one.
func (s *strangers) look(v *visit, k rotator.TrackedKey) error {
	if k.Version == 0 || k.Policy == "" {
		return nil
	}
	_, err := v.e.store.Name(v.ctx, v.a.name, k.UserID, k.Name)
	if err == nil || unlessGone(err) != nil {
		return unlessGone(err)
	}
	s.count++
	if s.count == 1 || k.State == rotator.KeyActive {
		s.example = k
	}
	return nil
}

// tell says what differs between the journal and the provider, and what comes of it.
func (s *strangers) tell(log *zap.Logger, provider string) {
	if s.count == 0 {
		return
	}
	log.Warn("the provider has keys under names that rotatord gives, and the journal does not know of them: it is older than the provider, as after a backup was restored, "+
		"or another rotatord works at this account. They are left as they are and taken for the newest of their credentials; versions go on after the highest",
		zap.String("provider", provider), zap.Int("keys", s.count), zap.String("key_name", s.example.Name), zap.String("key_id", s.example.ID),
		zap.String("user_id", s.example.UserID))
}
