package rest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// busiest is the largest number of calls in any rolling window of the length.
func busiest(calls []time.Time, length time.Duration) (most int) {
	slices.SortFunc(calls, time.Time.Compare)
	first := 0
	for last, at := range calls {
		for at.Sub(calls[first]) >= length {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// twoWindows are those of a service that publishes its limits.
var twoWindows = []Rate{{1000, 3 * time.Minute}, {100, 5 * time.Second}}

func TestNoRollingWindowIsExceeded(t *testing.T) {
	for _, c := range []struct {
		name  string
		rates []Rate
		calls int
		pause time.Duration // every so often, so that the buckets fill up
		least float64       // of what the tightest rate allows
	}{
		{"two windows", twoWindows, 3000, 0, 0.9},
		{"two windows, with pauses", twoWindows, 2000, 7 * time.Minute, 0},
		{"the short window alone", []Rate{{100, 5 * time.Second}}, 2000, 0, 0.9},
		{"windows in an odd relation", []Rate{{50, 10 * time.Second}, {400, 90 * time.Second}, {10, time.Second}}, 1000, 0, 0.8},
		{"one call at a time", []Rate{{1, time.Second}}, 50, 0, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, took := hammer(t, newThrottle(c.rates), c.calls, c.pause)
				tightest := time.Duration(0)
				for _, r := range c.rates {
					if got := busiest(calls, r.Per); got > r.Requests {
						t.Errorf("%d calls in a window of %v, which allows %d", got, r.Per, r.Requests)
					}
					tightest = max(tightest, r.Per/time.Duration(r.Requests)*time.Duration(c.calls))
				}
				if float64(took)*c.least > float64(tightest) {
					t.Errorf("%d calls took %v; the rates alone would take %v", c.calls, took, tightest)
				}
			})
		})
	}
}

// hammer makes calls from many goroutines and returns when each left, and how long it all took.
func hammer(t *testing.T, th *throttle, n int, pause time.Duration) (calls []time.Time, took time.Duration) {
	t.Helper()
	const workers = 50
	started := time.Now()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range n / workers {
				if pause > 0 && i%20 == 19 {
					time.Sleep(pause)
				}
				if err := th.wait(t.Context()); err != nil {
					t.Errorf("wait: %v", err)
				}
				mu.Lock()
				calls = append(calls, time.Now())
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return calls, time.Since(started)
}

func TestThrottleSaysAtOnceThatADeadlineIsTooNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle([]Rate{{1, time.Minute}})
		if err := th.wait(t.Context()); err != nil {
			t.Fatalf("the first call: %v", err)
		}
		soon, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		if err := th.wait(soon); !errors.Is(err, errTooLong) || time.Since(started) != 0 {
			t.Errorf("got %v after %v, want errTooLong at once", err, time.Since(started))
		}
		if err := th.wait(t.Context()); err != nil || time.Since(started) > time.Minute {
			t.Errorf("the call that was given up took a place: %v after %v", err, time.Since(started))
		}
	})
}

func TestThrottleEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle([]Rate{{1, time.Hour}})
		if err := th.wait(t.Context()); err != nil {
			t.Fatalf("the first call: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		for range 2 { // one waits at the gate, the other in line
			go func() { errs <- th.wait(ctx) }()
		}
		synctest.Wait()
		cancel()
		for range 2 {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
		}
	})
}

func TestPerHour(t *testing.T) {
	for _, c := range []struct {
		rates []Rate
		want  int
	}{
		{nil, 0},
		{[]Rate{{Requests: 1000, Per: 3 * time.Minute}}, 19_000}, // one twentieth of each window is kept for bursts
		{[]Rate{{Requests: 1000, Per: 3 * time.Minute}, {Requests: 100, Per: 5 * time.Second}}, 19_000},
		{[]Rate{{Requests: 100, Per: 5 * time.Second}, {Requests: 100, Per: time.Hour}}, 95},
	} {
		if got := PerHour(c.rates); got != c.want {
			t.Errorf("%v: %d, want %d", c.rates, got, c.want)
		}
	}
}
