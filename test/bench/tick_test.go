package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

// BenchmarkTick measures one look of the dispatcher that finds nothing due, from its first question to the journal to
// its last, in a running engine that tracks so many credentials. It must not grow with their number. The journal's part
// of it alone is BenchmarkIdleTick of rotator/journal.
func BenchmarkTick(b *testing.B) {
	const few, many = 1_000, 1_000_000
	took := map[int]time.Duration{}
	for _, tracked := range []int{few, many} {
		b.Run(fmt.Sprint("tracked=", tracked), func(b *testing.B) {
			looks := watchLooks(b, trackedJournal(b, tracked))
			var all []time.Duration
			for b.Loop() {
				for range 1000 {
					all = append(all, <-looks)
				}
			}
			slices.Sort(all)
			took[tracked] = all[len(all)/2]
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took[tracked].Microseconds()), "us/look")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "us/look-p99")
			if took[few] > 0 {
				b.ReportMetric(took[tracked].Seconds()/took[few].Seconds(), "x-of-1000")
			}
		})
	}
}

// watchLooks runs an engine that looks all the time, and tells how long each look took.
func watchLooks(b *testing.B, path string) <-chan time.Duration {
	b.Helper()
	store, err := journal.Open(b.Context(), path, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	provider := silent{scanning: make(chan struct{})}
	setup, err := newSetup(provider, 16)
	if err != nil {
		b.Fatal(err)
	}
	watched := &lookStore{Store: store, looks: make(chan time.Duration)}
	e := engine.New(engine.Options{Store: watched, Sealer: newSealer(), Drain: time.Second, Look: time.Microsecond}, setup)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	})
	<-provider.scanning // what the engine recalls of the last scan is not part of a look
	watched.mu.Lock()
	watched.on = true
	watched.mu.Unlock()
	return watched.looks
}

// lookStore times the looks of a dispatcher: from Due, its first question, to NextLook, its last.
type lookStore struct {
	rotator.Store
	looks chan time.Duration

	mu    sync.Mutex
	on    bool
	began time.Time
}

func (s *lookStore) Due(ctx context.Context, provider string, now time.Time, paused bool, limit int) ([]rotator.Rotation, error) {
	s.mu.Lock()
	s.began = time.Now()
	s.mu.Unlock()
	return s.Store.Due(ctx, provider, now, paused, limit)
}

func (s *lookStore) NextLook(ctx context.Context, provider string) (time.Time, error) {
	at, err := s.Store.NextLook(ctx, provider)
	s.mu.Lock()
	on, took := s.on, time.Since(s.began)
	s.mu.Unlock()
	if on {
		select {
		case s.looks <- took:
		case <-ctx.Done():
		}
	}
	return at, err
}

// silent is a provider whose scans say nothing and do not end before they are told to.
type silent struct {
	rotator.Provider
	scanning chan struct{}
}

// Scan implements [rotator.Provider].
func (s silent) Scan(ctx context.Context, _ rotator.Scope, _ rotator.Visitor) error {
	close(s.scanning)
	<-ctx.Done()
	return ctx.Err()
}

var journals = struct {
	sync.Mutex
	dir   string
	paths map[int]string
}{paths: map[int]string{}}

// trackedJournal returns a journal that knows so many credentials, none of them due. It is made once for all runs of this
// process, because a large one takes a while.
func trackedJournal(b *testing.B, tracked int) string {
	b.Helper()
	journals.Lock()
	defer journals.Unlock()
	if path, ok := journals.paths[tracked]; ok {
		return path
	}
	if journals.dir == "" {
		dir, err := os.MkdirTemp("", "rotatord-bench-")
		if err != nil {
			b.Fatal(err)
		}
		journals.dir = dir
	}
	path := filepath.Join(journals.dir, strconv.Itoa(tracked)+".db")
	store, err := journal.Open(b.Context(), path, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := fill(b.Context(), store, tracked); err != nil {
		b.Fatal(err)
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
	journals.paths[tracked] = path
	return path
}

// fill stores keys, one to a user, that become due one after the other from tomorrow on.
func fill(ctx context.Context, store rotator.Store, tracked int) error {
	const page = 2000
	created, due := time.Now().Add(-10*day), time.Now().Add(day)
	for from := 0; from < tracked; from += page {
		var users []rotator.UserRow
		var keys []rotator.KeyRow
		for i := from; i < min(from+page, tracked); i++ {
			user, at := fmt.Sprintf("%08d", i), due.Add(time.Duration(i)*20*time.Second)
			users = append(users, rotator.UserRow{ServiceUser: rotator.ServiceUser{ID: user, Name: "ci-" + user, Active: true}, Sum: 1})
			keys = append(keys, rotator.KeyRow{Sum: 1, TrackedKey: rotator.TrackedKey{
				Provider: account, Base: "key", Policy: "all", Deadline: at.Add(30 * day), Due: at, LookAt: at,
				Key: rotator.Key{ID: fmt.Sprintf("%09d", i), UserID: user, Name: "key", Created: created, State: rotator.KeyActive},
			}})
		}
		if err := store.Merge(ctx, account, users, keys); err != nil {
			return err
		}
	}
	return nil
}

// removeTracked deletes the journals that were made.
func removeTracked() {
	if journals.dir != "" {
		_ = os.RemoveAll(journals.dir) // a leftover in the folder for temporary files
	}
}
