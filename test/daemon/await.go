package daemon

import (
	"testing"
	"time"
)

// Patience is the limit for what takes a moment: long enough for a busy machine.
const Patience = 30 * time.Second

// pollEvery is the pause between two looks at something that is awaited.
const pollEvery = 10 * time.Millisecond

// Await looks again and again until look returns nil, and fails the test with its last error once within is over.
func Await(t testing.TB, within time.Duration, what string, look func() error) {
	t.Helper()
	if err := poll(within, nil, look); err != nil {
		t.Fatalf("waited %s in vain for %s: %v", within, what, err)
	}
}

// poll returns nil as soon as look does, and look's last error when within is over or ended is closed.
func poll(within time.Duration, ended <-chan struct{}, look func() error) error {
	limit := time.NewTimer(within)
	defer limit.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := look()
		if err == nil {
			return nil
		}
		select {
		case <-limit.C:
			return err
		case <-ended:
			return err
		case <-tick.C:
		}
	}
}
