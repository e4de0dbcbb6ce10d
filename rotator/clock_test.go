package rotator_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

func TestClockThatIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Duration(0)
		c := rotator.NewClock(func() time.Duration { return ahead })
		r, began := c.Read(), time.Now()
		time.Sleep(time.Minute)
		if by := c.SetSince(r); by != 0 {
			t.Errorf("nobody set it, and it was set by %s", by)
		}
		for _, by := range []time.Duration{time.Hour, -400 * 24 * time.Hour} {
			ahead = by
			if got := c.SetSince(r); got != by {
				t.Errorf("set by %s, want %s", got, by)
			}
			at := began.Add(time.Minute + by)
			if !c.Now().Equal(at) || c.Since(began) != time.Minute+by || c.Until(at.Add(time.Second)) != time.Second {
				t.Errorf("it is %s, since %s, until %s", c.Now(), c.Since(began), c.Until(at.Add(time.Second)))
			}
		}
	})
}

// TestClockOfTheMachine is what everything goes by that is given none.
func TestClockOfTheMachine(t *testing.T) {
	var c rotator.Clock
	before := time.Now()
	r := c.Read()
	if now := c.Now(); now.Before(before) || now.Sub(before) > time.Minute || r.Wall.Before(before.Round(0)) {
		t.Errorf("it is %s and was read at %s, after %s", now, r.Wall, before)
	}
	if by := c.SetSince(r); by.Abs() > time.Second {
		t.Errorf("it was set by %s", by)
	}
}
