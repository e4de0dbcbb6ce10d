package journal

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// reportFleet is the size of an inventory that the report is measured on.
const reportFleet = 100_000

// BenchmarkReport measures a report of a large fleet in which every tenth credential has been rotated.
func BenchmarkReport(b *testing.B) {
	s := openTemp(b)
	fillForReport(b, s)
	for _, brief := range []bool{false, true} {
		b.Run(fmt.Sprint("brief=", brief), func(b *testing.B) {
			for b.Loop() {
				n := 0
				err := s.ReportKeys(context.Background(), rotator.KeyQuery{Brief: brief}, epoch, func(f rotator.KeyFacts) error {
					n++
					rotator.Classify(f, epoch, rotator.ReportLimits{})
					return nil
				})
				if err != nil || n != reportFleet {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.N)*reportFleet/b.Elapsed().Seconds(), "keys/s")
			b.ReportMetric(liveWhileReporting(b, s, brief)/(1<<20), "live-MB")
		})
	}
}

// liveWhileReporting is the most memory, in bytes, that is found in use on the way through a report.
func liveWhileReporting(b *testing.B, s *Store, brief bool) float64 {
	b.Helper()
	b.StopTimer()
	most, n := uint64(0), 0
	err := s.ReportKeys(context.Background(), rotator.KeyQuery{Brief: brief}, epoch, func(rotator.KeyFacts) error {
		if n++; n%10_000 == 500 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return float64(most)
}

func fillForReport(b *testing.B, s *Store) {
	b.Helper()
	ctx := context.Background()
	for from := 0; from < reportFleet; from += page {
		var users []rotator.UserRow
		var keys []rotator.KeyRow
		for i := from; i < from+page; i++ {
			users = append(users, rotator.UserRow{Sum: 1, ServiceUser: rotator.ServiceUser{ID: fmt.Sprint("u", i), Name: fmt.Sprint("ci-", i), Active: true}})
			keys = append(keys, rotator.KeyRow{Sum: 1, TrackedKey: rotator.TrackedKey{Provider: "p", Base: "ci", Version: 2, Policy: "ci", Deadline: epoch.Add(time.Hour),
				Key: rotator.Key{ID: fmt.Sprint("new", i), UserID: fmt.Sprint("u", i), Name: "ci-r0002", Created: epoch, State: rotator.KeyActive}}})
		}
		if err := s.Merge(ctx, "p", users, keys); err != nil {
			b.Fatal(err)
		}
	}
	err := s.write(ctx, "fill", func(w *writer) error {
		for i := 0; i < reportFleet; i += 10 {
			for _, c := range rotated(i) {
				ready, err := prepare("fill", c)
				if err != nil {
					return err
				}
				if err := ready.apply(w, "fill"); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// rotated are the changes of a rotation that ended well.
func rotated(n int) []rotator.Change {
	changes := []rotator.Change{planned(n)}
	now := epoch.Add(-time.Hour)
	for _, step := range []func(r *rotator.Rotation) rotator.Change{
		func(r *rotator.Rotation) rotator.Change { return r.BeginMint(now) },
		func(r *rotator.Rotation) rotator.Change {
			return r.Seal(rotator.Minted{KeyID: fmt.Sprint("new", n)}, []byte("sealed"), "fp", now)
		},
		func(r *rotator.Rotation) rotator.Change { return r.BeginTest(now, time.Minute) },
		func(r *rotator.Rotation) rotator.Change { return r.Proven(now) },
		func(r *rotator.Rotation) rotator.Change {
			sinks := append([]rotator.SinkProgress(nil), r.Sinks...)
			for i := range sinks {
				sinks[i].ConfirmedAt = now
			}
			return r.Confirm(sinks, now)
		},
		func(r *rotator.Rotation) rotator.Change { return r.BeginGrace(now) },
		func(r *rotator.Rotation) rotator.Change { return r.BeginRevoke(now) },
		func(r *rotator.Rotation) rotator.Change { return r.Finish(now, "the old key is gone") },
	} {
		changes = append(changes, step(&changes[len(changes)-1].After))
	}
	return changes
}
