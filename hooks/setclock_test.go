package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/rotator"
)

// ahead gives the bench a clock that can be set, which is ahead by as much as what it returns says.
func (b *bench) ahead() *atomic.Int64 {
	var by atomic.Int64
	b.clock = rotator.NewClock(func() time.Duration { return time.Duration(by.Load()) })
	return &by
}

// sayNo takes its time, so that the clock goes on however often it is asked.
func sayNo(context.Context, hooks.Call) error {
	time.Sleep(30 * time.Second)
	return errors.New("it said no")
}

// TestARetryThatAClockPutOffWhichWasAhead is made soon once the clock is right, and not in a year: whether the run or its failure alone
// comes from the future, and whether the clock is set while the daemon runs or while it is stopped.
func TestARetryThatAClockPutOffWhichWasAhead(t *testing.T) {
	for _, confirmed := range []bool{false, true} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("confirmed then %v, restart %v", confirmed, restart), func(t *testing.T) {
				bubble(t, func(t *testing.T, b *bench) { putOffAhead(t, b, confirmed, restart) })
			})
		}
	}
}

func putOffAhead(t *testing.T, b *bench, confirmed, restart bool) {
	t.Helper()
	const year = 365 * 24 * time.Hour
	by := b.ahead()
	c := &consumer{do: sayNo}
	if !confirmed {
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
	}
	by.Store(int64(year))
	if confirmed {
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
	}
	stop := b.life(b.store, hook("reload", c))
	defer func() { stop() }()
	time.Sleep(20 * time.Minute)
	if r := b.run("a"); r.Attempt == 0 || r.Call != "" || r.NextAt.Before(time.Now().Add(year)) {
		t.Fatalf("begun %d times in call %q, and tried next at %s", r.Attempt, r.Call, r.NextAt)
	}
	if restart {
		stop()
	}
	c.recovers()
	tried := len(c.log())
	by.Store(0)
	if restart {
		stop = b.life(b.store, hook("reload", c))
	}
	time.Sleep(time.Minute)
	if r := b.run("a"); len(c.log()) != tried+1 || r.Result != rotator.HookDone || r.EndedAt.After(time.Now()) {
		t.Errorf("told %d times since, %+v", len(c.log())-tried, r)
	}
}

// TestARetryThatIsAnHourAwayIsNotHurried: as far as that a clock that is right puts off what has failed for a day.
func TestARetryThatIsAnHourAwayIsNotHurried(t *testing.T) {
	bubble(t, func(t *testing.T, b *bench) {
		c := &consumer{do: sayNo}
		b.confirm("a", "reload", "app", rotator.ReasonExpiring)
		stop := b.life(b.store, hook("reload", c))
		defer stop()
		time.Sleep(25 * time.Hour)
		tried := len(c.log())
		time.Sleep(5 * time.Hour)
		if n := len(c.log()) - tried; n < 4 || n > 5 {
			t.Errorf("tried %d times in five hours", n)
		}
	})
}
