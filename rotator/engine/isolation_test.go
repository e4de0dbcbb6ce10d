package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rotatord/rotatord/rotator"
)

// panicky makes the provider's and the sinks' calls panic, a number of times each, with a secret in the words.
func (w *world) panicky(op string, times int) {
	left := times
	hook := func(called string, after bool) error {
		if called == op && after && left > 0 {
			left--
			panic("index out of range: s3cr3t")
		}
		return nil
	}
	w.provider.SetHook(hook)
	w.sinks["disk"].SetHook(hook)
}

// TestG9APanicInAnAdapterEndsNothing lets each call panic after its effect: the daemon goes on, and the rotation ends well.
func TestG9APanicInAnAdapterEndsNothing(t *testing.T) {
	t.Parallel()
	// A key that was revoked before the panic is found revoked: it is not asked for again.
	for op, times := range map[string]int{"Scan": 2, "List": 2, "Mint": 2, "Check": 2, "Retire": 1, "Deliver": 2, "Observe": 2} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				logged, logs := observer.New(zap.ErrorLevel)
				w.log = zap.New(logged)
				w.panicky(op, times)
				l := w.start(nil)
				defer l.stop()
				pass(12 * time.Hour)
				w.wantRotated()
				if n := logs.FilterMessageSnippet("a defect of rotatord").Len(); n != times {
					t.Errorf("%d panics were told of, want %d", n, times)
				}
				for _, entry := range logs.All() {
					if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, "s3cr3t") {
						t.Errorf("the log repeats what the panic said: %s", text)
					}
				}
			})
		})
	}
}

// skewed is a provider whose clock is not ours.
type skewed struct {
	rotator.Provider
	ahead *atomic.Int64
}

func (s skewed) Skew() (time.Duration, bool) { return time.Duration(s.ahead.Load()), true }

// TestAWrongClockStopsWhatGoesByDates: nothing is planned and nothing is revoked while the clocks differ; a compromised key
// is rotated all the same.
func TestAWrongClockStopsWhatGoesByDates(t *testing.T) {
	t.Parallel()
	in := func(run func(w *world, ahead *atomic.Int64)) {
		bubble(t, func(t *testing.T, w *world) {
			var ahead atomic.Int64
			ahead.Store(int64(-48 * time.Hour))
			w.outerProvider = func(p rotator.Provider) rotator.Provider { return skewed{p, &ahead} }
			run(w, &ahead)
		})
	}
	in(func(w *world, ahead *atomic.Int64) {
		l := w.start(nil)
		defer l.stop()
		pass(2 * time.Hour)
		if rs := l.rotations(); len(rs) != 0 {
			w.t.Fatalf("planned although the clock is wrong: %+v", rs)
		}
		waiting, err := l.store.WaitingKeys(w.t.Context(), 10)
		if err != nil || len(waiting) != 1 || waiting[0].Waiting != rotator.BlockClockSkew || !strings.Contains(waiting[0].WaitingWhy, "48h0m0s ahead of") {
			w.t.Errorf("waiting %+v, %v", waiting, err)
		}
		ahead.Store(int64(time.Minute))
		pass(20 * time.Minute)
		ahead.Store(int64(72 * time.Hour))
		pass(6 * time.Hour)
		if r := l.only(); r.Blocked != rotator.BlockClockSkew {
			w.t.Errorf("stage %s, blocked %q: %s", r.Stage, r.Blocked, r.Trouble)
		}
		w.wantActive("deploy", "deploy-r0001")
		ahead.Store(0)
		pass(time.Hour)
		w.wantRotated()
	})
	in(func(w *world, _ *atomic.Int64) {
		l := w.start(nil)
		defer l.stop()
		pass(time.Minute)
		if _, err := l.engine.Rotate(context.Background(), deploy, rotator.ReasonCompromised, "ann"); err != nil {
			w.t.Fatal(err)
		}
		pass(time.Hour)
		w.wantRotated()
	})
}
