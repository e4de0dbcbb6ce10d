package rest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a rolling window: at most Requests calls in any span of length Per.
type Rate struct {
	Requests int
	Per      time.Duration
}

// Check returns an error if the rate lets nothing through, or means nothing.
func (r Rate) Check() error {
	if r.Requests < 1 || r.Per <= 0 {
		return fmt.Errorf("the rate of %d requests per %v must be above zero", r.Requests, r.Per)
	}
	return nil
}

// throttle keeps calls below all rates at once.
//
// A caller asks every bucket at the same instant, the one at which its request leaves. Were it to take from one and then
// wait for the next, the first would think the call long past, and a group of such calls could leave together. So one
// caller at a time stands at the gate, and the others wait in line.
type throttle struct {
	gate    chan struct{}
	buckets []*rate.Limiter
}

func newThrottle(rates []Rate) *throttle {
	t := &throttle{gate: make(chan struct{}, 1)}
	for _, r := range rates {
		t.buckets = append(t.buckets, r.bucket())
	}
	return t
}

// bucket is a token bucket that no rolling window of the rate can catch: what it can pour out at once (one twentieth) and
// what it refills during the window add up to the window's number.
func (r Rate) bucket() *rate.Limiter {
	burst := max(1, r.Requests/20)
	refill := max(1, r.Requests-burst) // a window of one call is refilled with that one
	return rate.NewLimiter(rate.Limit(float64(refill)/r.Per.Seconds()), burst)
}

// PerHour is how many calls all rates together let through in an hour; 0 without rates.
func PerHour(rates []Rate) int {
	least := 0
	for _, r := range rates {
		if n := int(float64(r.bucket().Limit()) * time.Hour.Seconds()); least == 0 || n < least {
			least = n
		}
	}
	return least
}

// errTooLong says that a call would have had to wait beyond its context's deadline.
var errTooLong = errors.New("the client-side rate limit leaves no room before the call's deadline")

// wait returns when a call may leave. It returns errTooLong at once if that would be after ctx's deadline.
func (t *throttle) wait(ctx context.Context) error {
	if len(t.buckets) == 0 {
		return ctx.Err()
	}
	select {
	case t.gate <- struct{}{}:
		defer func() { <-t.gate }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		now := time.Now()
		d := t.delay(now)
		if d == 0 {
			return ctx.Err()
		}
		if deadline, ok := ctx.Deadline(); ok && now.Add(d).After(deadline) {
			return errTooLong
		}
		if err := sleep(ctx, d); err != nil {
			return err
		}
	}
}

// delay takes a token from every bucket and returns 0, or takes none and returns how long to wait.
func (t *throttle) delay(now time.Time) time.Duration {
	taken := make([]*rate.Reservation, 0, len(t.buckets))
	var longest time.Duration
	for _, b := range t.buckets {
		r := b.ReserveN(now, 1)
		taken = append(taken, r)
		longest = max(longest, r.DelayFrom(now))
	}
	if longest > 0 {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	return longest
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
