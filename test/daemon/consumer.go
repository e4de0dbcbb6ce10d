package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ErrNothing is what a [Reader] returns while nothing was delivered yet.
var ErrNothing = os.ErrNotExist

// Reader reads a secret where a consumer does. An error that is [ErrNothing] says that nothing is there.
type Reader func(ctx context.Context) (string, error)

// FileReader reads a file as a whole.
func FileReader(path string) Reader {
	return func(context.Context) (string, error) {
		content, err := os.ReadFile(path) //nolint:gosec // a test's file
		return string(content), err
	}
}

// Consumer reads its secret and calls the provider with it, again and again, from its start to its stop. Until the first
// delivery it uses the key that a person handed to it; from then on a secret must always be there.
type Consumer struct {
	name  string
	read  Reader
	first string

	stop  context.CancelFunc
	ended chan struct{}

	mu       sync.Mutex
	calls    int
	used     map[string]int
	failures []string

	rereads atomic.Bool
}

// staleAfter is when a consumer lets go of what it read. A goroutine that a busy machine held up for longer cannot blame the
// daemon.
const staleAfter = 500 * time.Millisecond

// Consume starts a consumer that ends with the test at the latest.
func (e *Emulator) Consume(t testing.TB, name, first string, read Reader, pause time.Duration) *Consumer {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &Consumer{name: name, read: read, first: first, stop: stop, ended: make(chan struct{}), used: map[string]int{}}
	go func() {
		defer close(c.ended)
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for ctx.Err() == nil {
			c.once(ctx, e)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(c.Stop)
	return c
}

// Reread has the consumer read once more when it is refused, and call with what is there by then: where a leak is told of, the old key
// goes as soon as the new one is in its places, and what was read just before is refused.
func (c *Consumer) Reread() { c.rereads.Store(true) }

// once reads and calls once.
func (c *Consumer) once(ctx context.Context, e *Emulator) {
	began := time.Now()
	secret, err := c.read(ctx)
	if errors.Is(err, ErrNothing) && c.first != "" {
		secret, err = c.first, nil
	} else if err == nil {
		c.first = "" // from now on it must always be there
	}
	if err == nil {
		err = e.Use(ctx, secret)
	}
	if err != nil && c.rereads.Load() {
		if again, failed := c.read(ctx); failed == nil && again != secret {
			secret, err = again, e.Use(ctx, again)
		}
	}
	if ctx.Err() != nil || time.Since(began) > staleAfter && err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if err != nil {
		c.failures = append(c.failures, fmt.Sprintf("%s %s: %v", time.Now().Format("15:04:05.000"), c.name, err))
		return
	}
	c.used[secret]++
}

// Stop ends the consumer and returns when it has ended.
func (c *Consumer) Stop() {
	c.stop()
	<-c.ended
}

// Calls is how many calls it made, and how many different secrets were accepted.
func (c *Consumer) Calls() (calls, secrets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, len(c.used)
}

// Failures says which calls were refused, and when there was nothing to read; empty if it never was in trouble.
func (c *Consumer) Failures() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.failures, "\n")
}
