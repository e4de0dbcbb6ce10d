// Package stripe serialises work on the same name within a process, with memory that does not grow with the number of
// names: names share a fixed number of locks. Waiting for a lock honours a context.
package stripe

import (
	"context"
	"hash/maphash"
)

// width is the number of locks: far more than workers, so that unrelated names seldom wait for each other.
const width = 256

// Locks are the locks. Make them with [New].
type Locks struct {
	seed  maphash.Seed
	gates [width]chan struct{}
}

// New returns locks that nobody holds.
func New() *Locks {
	l := &Locks{seed: maphash.MakeSeed()}
	for i := range l.gates {
		l.gates[i] = make(chan struct{}, 1)
	}
	return l
}

// Lock waits until nobody else holds the name, and returns what gives it back. The error is the context's, whose end has
// precedence over a free lock. A holder must not take a second name: it may be the same lock.
func (l *Locks) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	gate := l.gates[maphash.String(l.seed, name)%width]
	select {
	case gate <- struct{}{}:
		return func() { <-gate }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
