package journal

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// BenchmarkAudit measures what the audit record costs: acknowledged changes per second with it over those without it, in
// the same run, turn and turn about, with so many committers at once. The cpu-ratio is the same of processor time, which says
// more on a machine that has other things to do.
func BenchmarkAudit(b *testing.B) {
	for _, committers := range []int{1, 16, 256} {
		b.Run(fmt.Sprint("committers=", committers), func(b *testing.B) {
			with, without := newRace(b, committers, commitAudited), newRace(b, committers, commitUnaudited)
			const turns = 40
			b.ResetTimer()
			for range turns {
				n := max(1, b.N/turns)
				with.run(b, n)
				without.run(b, n)
			}
			b.ReportMetric(with.perSecond(), "audited/s")
			b.ReportMetric(without.perSecond(), "unaudited/s")
			b.ReportMetric(with.perSecond()/without.perSecond(), "ratio")
			b.ReportMetric(float64(without.cpu)/float64(with.cpu), "cpu-ratio")
		})
	}
}

// race is one of the two that are compared.
type race struct {
	store     *Store
	rotations []rotator.Rotation
	commit    func(s *Store, c rotator.Change) error
	done      int
	took, cpu time.Duration
}

// cpuTime is what the process has used of processors, which other work on the machine does not change.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func newRace(b *testing.B, committers int, commit func(*Store, rotator.Change) error) *race {
	b.Helper()
	r := &race{store: openTemp(b), commit: commit}
	for i := range committers {
		c := planned(i)
		if err := r.store.Commit(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		r.rotations = append(r.rotations, c.After)
	}
	return r
}

func (r *race) perSecond() float64 { return float64(r.done) / r.took.Seconds() }

// run commits n changes, each of which says something new.
func (r *race) run(b *testing.B, n int) {
	b.Helper()
	start, cpu := time.Now(), cpuTime(b)
	var wg sync.WaitGroup
	each := (n + len(r.rotations) - 1) / len(r.rotations)
	for i := range r.rotations {
		wg.Go(func() {
			for range each {
				c := r.rotations[i].Wait(fmt.Sprint("nothing new to see but ", r.rotations[i].Seq), epoch.Add(time.Hour))
				if err := r.commit(r.store, c); err != nil {
					b.Error(err)
					return
				}
				r.rotations[i] = c.After
			}
		})
	}
	wg.Wait()
	r.took += time.Since(start)
	r.cpu += cpuTime(b) - cpu
	r.done += each * len(r.rotations)
}

func commitAudited(s *Store, c rotator.Change) error { return s.Commit(context.Background(), c) }

// commitUnaudited is Commit without anything that the audit record adds to it.
func commitUnaudited(s *Store, c rotator.Change) error {
	c.Repeats = true // so that no event is written
	ready, err := prepare("commit", c)
	if err != nil {
		return err
	}
	ready.Repeats = false
	return s.write(context.Background(), "commit", func(w *writer) error {
		err := ready.apply(w, "commit")
		w.chain.events = w.chain.events[:max(0, len(w.chain.events)-1)]
		return err
	})
}
