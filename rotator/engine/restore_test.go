package engine_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// silent is a provider that does not report when a key was used.
type silent struct{ rotator.Provider }

func (p silent) Limits() rotator.Limits {
	l := p.Provider.Limits()
	l.ReportsLastUse = false
	return l
}

func (p silent) Scan(ctx context.Context, s rotator.Scope, v rotator.Visitor) error {
	return p.Provider.Scan(ctx, s, unused{v})
}

type unused struct{ rotator.Visitor }

func (u unused) Key(k rotator.Key) error {
	k.LastUsed = time.Time{}
	return u.Visitor.Key(k)
}

// TestG1AJournalThatIsOlderThanTheWorld restores a backup that was made while a key was being asked for: by then the key
// had been made, delivered and, later, had become the only one. The consumer uses it all the while.
func TestG1AJournalThatIsOlderThanTheWorld(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]time.Duration{"in its grace period": 10 * time.Minute, "long ended": 3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				w.outerProvider = func(p rotator.Provider) rotator.Provider { return silent{p} }
				backup := filepath.Join(t.TempDir(), "backup.db")
				if since > time.Hour { // the last key is left alone even where no sink can say what it holds
					w.outerSink = func(_ string, s rotator.Sink) rotator.Sink { return plain{s} }
				}
				var once sync.Once
				w.provider.SetHook(func(op string, after bool) error {
					if op == "Mint" && !after {
						once.Do(func() { copyJournal(t, w.path, backup) })
					}
					return nil
				})
				w.lives(since)
				w.provider.SetHook(nil)
				copyJournal(t, backup, w.path)
				w.lives(6 * time.Hour)
				w.wantAmong("deploy-r0001")
			})
		})
	}
}

// plain is a sink whose format has no place for marks.
type plain struct{ rotator.Sink }

func (s plain) Observe(ctx context.Context, c rotator.Coordinates, location string) (rotator.Observation, error) {
	o, err := s.Sink.Observe(ctx, c, location)
	o.Version, o.Rotation, o.Fingerprint = 0, "", ""
	return o, err
}

// copyJournal copies a journal that nobody writes at this moment, with its write-ahead log.
func copyJournal(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + suffix)
		if errors.Is(err, os.ErrNotExist) {
			content, err = nil, nil
		}
		if err == nil {
			err = os.WriteFile(to+suffix, content, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
