package stripe

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestOneHolderAtATime(t *testing.T) {
	locks, count := New(), 0
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			unlock, err := locks.Lock(t.Context(), "same")
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			count++ // the race detector is the judge
		})
	}
	all.Wait()
	if count != 50 {
		t.Errorf("%d holders, want 50", count)
	}
}

func TestWaitingHonoursTheContext(t *testing.T) {
	locks := New()
	unlock, err := locks.Lock(t.Context(), "taken")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := locks.Lock(ctx, "taken")
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ended with %v", err)
	}
	unlock()
	if _, err := locks.Lock(ctx, "free"); !errors.Is(err, context.Canceled) {
		t.Errorf("a free lock was given to a cancelled context: %v", err)
	}
}
