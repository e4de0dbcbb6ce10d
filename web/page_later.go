package web

import (
	"context"
	"sync"
	"time"
)

const (
	laterStale = time.Minute
	// laterWait is how long a page waits for an answer that is being worked out before it goes without.
	laterWait  = 40 * time.Millisecond
	laterLimit = time.Minute
)

// later holds what takes too long in a large fleet for a page to wait for. It is worked out in the background, once at a
// time, and shown until it is stale and the next is there.
type later[T any] struct {
	mu      sync.Mutex
	last    *T
	at      time.Time
	running chan struct{}
}

// get returns what was worked out last, or nil if nothing was yet. It begins anew if that is stale. An error leaves the last
// in place; the next page tries again.
func (l *later[T]) get(ctx context.Context, now time.Time, work func(context.Context) (*T, error)) *T {
	l.mu.Lock()
	if l.running == nil && (l.last == nil || now.Sub(l.at) > laterStale) {
		l.running = make(chan struct{})
		go l.run(context.WithoutCancel(ctx), now, work)
	}
	last, running := l.last, l.running
	l.mu.Unlock()
	if last != nil || running == nil {
		return last
	}
	select {
	case <-running:
	case <-time.After(laterWait):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *later[T]) run(ctx context.Context, now time.Time, work func(context.Context) (*T, error)) {
	ctx, cancel := context.WithTimeout(ctx, laterLimit)
	defer cancel()
	fresh, err := work(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.last, l.at = fresh, now
	}
	close(l.running)
	l.running = nil
}
