package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// epoch is a moment that tests count from; nothing depends on which.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openIn(tb testing.TB, dir string, opts Options) *Store {
	tb.Helper()
	s, err := Open(context.Background(), filepath.Join(dir, "rotatord.db"), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func openTemp(tb testing.TB) *Store {
	tb.Helper()
	return openIn(tb, tb.TempDir(), Options{})
}

// planned makes the change that plans the n-th rotation of provider "p".
func planned(n int) rotator.Change {
	r := rotator.Rotation{
		CredentialID: rotator.CredentialID{Provider: "p", UserID: fmt.Sprint("u", n), Base: "ci"},
		ServiceUser:  fmt.Sprint("ci-", n), Policy: "ci", Reason: rotator.ReasonExpiring, Version: 2,
		OldKey: rotator.KeyRef{ID: fmt.Sprint("k", n), Name: "ci-r0001"}, Deadline: epoch.Add(30 * 24 * time.Hour),
		Sinks: []rotator.SinkProgress{{Sink: "vault", Location: fmt.Sprint("secret/data/ci-", n)}, {Sink: "disk", Location: fmt.Sprint("/var/lib/keys/ci-", n)}},
	}
	return rotator.Plan(fmt.Sprint("rotation-", n), r, epoch, "the deadline is near")
}

// BenchmarkCommit measures acknowledged changes of rotations per second with so many committers at once, beside what the
// disk and SQLite give without the store: bare syncs, and a lone writer of the same rows that puts as many into a
// transaction as the committer may.
func BenchmarkCommit(b *testing.B) {
	b.Run("bare=syncs", benchSyncs)
	b.Run("bare=writer", benchBareWriter)
	for _, committers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("committers=", committers), func(b *testing.B) {
			s := openTemp(b)
			rotations := make([]rotator.Rotation, committers)
			for i := range rotations {
				c := planned(i)
				if err := s.Commit(context.Background(), c); err != nil {
					b.Fatal(err)
				}
				rotations[i] = c.After
			}
			b.ResetTimer()
			commitAll(b, s, rotations)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func benchSyncs(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for b.Loop() {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "syncs/s")
}

func benchBareWriter(b *testing.B) {
	s := openTemp(b)
	c := planned(0)
	if err := s.Commit(context.Background(), c); err != nil {
		b.Fatal(err)
	}
	r := c.After
	b.ResetTimer()
	for done := 0; done < b.N; done += maxBatch {
		err := s.write(context.Background(), "bare", func(w *writer) error {
			for range min(maxBatch, b.N-done) {
				ready, err := prepare("bare", r.Wait("nothing new to see", epoch.Add(time.Hour)))
				if err != nil {
					return err
				}
				if err := ready.apply(w, "bare"); err != nil {
					return err
				}
				r = ready.After
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

func commitAll(b *testing.B, s *Store, rotations []rotator.Rotation) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for i := range rotations {
		wg.Go(func() {
			r := rotations[i]
			for left.Add(-1) >= 0 {
				c := r.Wait("nothing new to see", epoch.Add(time.Hour))
				if err := s.Commit(context.Background(), c); err != nil {
					b.Error(err)
					return
				}
				r = c.After
			}
		})
	}
	wg.Wait()
}

// BenchmarkMerge measures the rows per second of a first scan and of a rescan in which everything changed, page by page.
func BenchmarkMerge(b *testing.B) {
	const pages, rows = 20, 1000
	for _, name := range []string{"new", "changed", "same"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := openTemp(b)
				if name != "new" {
					mergePages(b, s, pages, rows, 1)
				}
				sum := map[string]uint64{"new": 1, "changed": 2, "same": 1}[name]
				b.StartTimer()
				mergePages(b, s, pages, rows, sum)
				b.StopTimer()
				_ = s.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.N*pages*rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// mergePages stores pages of keys, two to a user, due over the coming year.
func mergePages(tb testing.TB, s *Store, pages, rows int, sum uint64) {
	tb.Helper()
	for p := range pages {
		users := make([]rotator.UserRow, 0, rows/2)
		keys := make([]rotator.KeyRow, 0, rows)
		for i := p * rows; i < (p+1)*rows; i++ {
			if i%2 == 0 {
				users = append(users, rotator.UserRow{ServiceUser: rotator.ServiceUser{ID: fmt.Sprint("user-", i/2), Name: fmt.Sprint("ci-", i/2), Active: true}, Sum: sum})
			}
			keys = append(keys, keyRow(i, sum))
		}
		if err := s.Merge(context.Background(), "p", users, keys); err != nil {
			tb.Fatal(err)
		}
	}
}

func keyRow(i int, sum uint64) rotator.KeyRow {
	due := epoch.Add(time.Hour + time.Duration(i*7919%500_000)*time.Minute)
	return rotator.KeyRow{Sum: sum, TrackedKey: rotator.TrackedKey{
		Provider: "p", Base: "ci", Version: 1 + i%2, Policy: "ci", Deadline: due.Add(30 * 24 * time.Hour), Due: due, LookAt: due, Draw: 0.5,
		Key: rotator.Key{ID: fmt.Sprintf("%08x-key", uint32(i)*2654435761), UserID: fmt.Sprint("user-", i/2), Name: fmt.Sprintf("ci-r%04d", 1+i%2),
			Created: epoch.Add(-time.Hour), LastUsed: epoch.Add(time.Duration(sum) * time.Minute), State: rotator.KeyActive},
	}}
}

// BenchmarkIdleTick measures a look at one provider that finds nothing due, with so many keys tracked. It must not grow
// with their number.
func BenchmarkIdleTick(b *testing.B) {
	perOp := map[int]float64{}
	for _, tracked := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint("tracked=", tracked), func(b *testing.B) {
			s := openTemp(b)
			start := time.Now()
			rows := min(tracked, 20_000) // the larger the page, the fewer times an index page is written again
			mergePages(b, s, tracked/rows, rows, 1)
			b.Logf("%d keys stored in %s", tracked, time.Since(start).Round(time.Millisecond))
			tick(b, s)
			for b.Loop() {
				tick(b, s)
			}
			perOp[tracked] = float64(b.Elapsed()) / float64(b.N)
			if small := perOp[1_000]; small > 0 {
				b.ReportMetric(perOp[tracked]/small, "x-of-1000")
			}
		})
	}
}

func tick(b *testing.B, s *Store) {
	ctx := context.Background()
	due, err := s.Due(ctx, "p", epoch, false, 100)
	if err != nil || len(due) != 0 {
		b.Fatal("rotations due: ", len(due), err)
	}
	keys, err := s.KeysToLookAt(ctx, "p", epoch, 100)
	if err != nil || len(keys) != 0 {
		b.Fatal("keys due: ", len(keys), err)
	}
	if _, err := s.NextDue(ctx, "p", false); err != nil {
		b.Fatal(err)
	}
	if next, err := s.NextLook(ctx, "p"); err != nil || next.IsZero() {
		b.Fatal("next look: ", next, err)
	}
}

// BenchmarkCounts measures the aggregates of a fleet of 100,000 keys with 10,000 open rotations.
func BenchmarkCounts(b *testing.B) {
	s := openTemp(b)
	mergePages(b, s, 100, 1000, 1)
	var wg sync.WaitGroup
	for w := range 100 {
		wg.Go(func() {
			for i := range 100 {
				if err := s.Commit(context.Background(), planned(w*100+i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for b.Loop() {
		if _, err := s.Counts(context.Background(), epoch); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen measures the start on a journal that exists and is up to date.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	path := filepath.Join(dir, "rotatord.db")
	first := openIn(b, dir, Options{})
	if err := first.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(context.Background(), path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkManagedKeys measures the walk over every key of a fleet of 100,000.
func BenchmarkManagedKeys(b *testing.B) {
	s := openTemp(b)
	mergePages(b, s, 100, 1000, 1)
	for b.Loop() {
		n := 0
		if err := s.ManagedKeys(context.Background(), func(rotator.TrackedKey) error { n++; return nil }); err != nil || n != 100_000 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkFindCredentials measures the search for one credential among 100,000 keys.
func BenchmarkFindCredentials(b *testing.B) {
	s := openTemp(b)
	mergePages(b, s, 100, 1000, 1)
	for b.Loop() {
		found, err := s.FindCredentials(context.Background(), "p", "ci-777", "", 10)
		if err != nil || len(found) != 1 {
			b.Fatal(len(found), err)
		}
	}
}
