package hooks_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/rotator"
)

// tardy is a context whose end is seen by those who look before it is told to the first one who asked to be told, as happens with
// any context now and then.
type tardy struct {
	context.Context
	asked chan func()
}

// Value hides the context within, of which package context would make use.
func (tardy) Value(any) any { return nil }

// AfterFunc is what [context.AfterFunc] calls.
func (c tardy) AfterFunc(f func()) (stop func() bool) {
	var once sync.Once
	select {
	case c.asked <- func() { once.Do(f) }:
		return func() (stopped bool) {
			once.Do(func() { stopped = true })
			return stopped
		}
	default:
		return context.AfterFunc(c.Context, f)
	}
}

// TestAStopCutsOffWhoeverHearsOfItFirst: the runner may see that it is to stop before the drain time begins.
func TestAStopCutsOffWhoeverHearsOfItFirst(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{do: func(ctx context.Context, _ hooks.Call) error { <-ctx.Done(); return ctx.Err() }}
		b.confirm("a", "reload", "app", rotator.ReasonCompromised)
		ctx, cancel := context.WithCancel(t.Context())
		late := tardy{ctx, make(chan func(), 1)}
		h := hook("reload", c)
		h.Timeout = time.Hour
		done := b.runs(late, b.store, h)
		synctest.Wait()
		tell := <-late.asked
		cancel()
		synctest.Wait()
		stopped := time.Now()
		tell()
		<-done
		if took := time.Since(stopped); took != 10*time.Second || len(c.log()) != 1 {
			t.Errorf("the stop took %s, want the drain time; told %q", took, c.log())
		}
	})
}
