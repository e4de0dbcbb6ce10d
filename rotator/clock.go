package rotator

import "time"

// Clock is the clock that the daemon goes by: the machine's, which people and programs may set while it runs. The zero value is
// that one. Spans that begin and end within the process (how long a call may take) are not its business: package time measures
// them so that nobody can set them.
type Clock struct{ ahead func() time.Duration }

// NewClock returns a clock that is ahead of the machine's by as much as ahead says at the moment (behind, if negative). A simulation
// sets it so while a daemon runs.
func NewClock(ahead func() time.Duration) Clock { return Clock{ahead} }

// Now is the time.
func (c Clock) Now() time.Time {
	if c.ahead == nil {
		return time.Now()
	}
	return time.Now().Add(c.ahead())
}

// Until is how long it is until t by this clock.
func (c Clock) Until(t time.Time) time.Duration { return t.Sub(c.Now()) }

// Since is how long it was since t by this clock.
func (c Clock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Reading is a moment, by the clock and by what only ever goes on.
type Reading struct {
	// Wall is the time by the clock.
	Wall time.Time
	ran  time.Duration
}

// started is when the process began, with a monotonic reading.
var started = time.Now()

// Read notes this moment.
func (c Clock) Read() Reading { return Reading{Wall: c.Now().Round(0), ran: time.Since(started)} }

// SetSince is by how much the clock was set since r was noted, or the machine slept: positive where it is later now than it would be.
func (c Clock) SetSince(r Reading) time.Duration {
	now := c.Read()
	return now.Wall.Sub(r.Wall) - (now.ran - r.ran)
}
