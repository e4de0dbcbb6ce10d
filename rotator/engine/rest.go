package engine

import (
	"context"
	"sync"
	"time"
)

// rest is how the steps of an account wait while the journal does not take them. A step that cannot be written down has called the
// provider for nothing, so from one try to the next the rest grows to longestJournalPause. Steps that fail meanwhile share it, and
// the first one that is taken ends it for all.
type rest struct {
	mu    sync.Mutex
	tries int
	until time.Time
	over  chan struct{} // closed when a step was taken
}

// refused keeps a step that was not taken until it may be tried again, or until another one is taken.
func (r *rest) refused(ctx context.Context) {
	until, over := r.next()
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-over:
	}
}

// next returns until when a step rests that was not taken now, and what is closed if that is over earlier.
func (r *rest) next() (until time.Time, over <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); !now.Before(r.until) {
		r.until = now.Add(min(longestJournalPause, journalPause<<min(r.tries, 10)))
		r.tries++
	}
	if r.over == nil {
		r.over = make(chan struct{})
	}
	return r.until, r.over
}

// taken tells that the journal takes steps.
func (r *rest) taken() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries, r.until = 0, time.Time{}
	if r.over != nil {
		close(r.over)
		r.over = nil
	}
}
