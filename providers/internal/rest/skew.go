package rest

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// skew is how far the other side's clock was ahead of ours at its latest answer.
type skew struct{ latest atomic.Pointer[reading] }

// reading is what an answer told, and when it came.
type reading struct {
	ahead time.Duration
	at    rotator.Reading
}

// note reads the Date header of an answer to a request that was sent at sent. The header counts whole seconds, and the
// answer was under way for a while: what that may explain is no difference.
func (s *skew) note(h http.Header, sent time.Time, now rotator.Reading) {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	var ahead time.Duration
	switch earliest, latest := sent.Add(-time.Second), now.Wall.Add(time.Second); {
	case theirs.Before(earliest):
		ahead = theirs.Sub(earliest)
	case theirs.After(latest):
		ahead = theirs.Sub(latest)
	}
	s.latest.Store(&reading{ahead, now})
}

// Skew returns how far the other side's clock is ahead of ours (behind, if negative), as of its latest answer with a Date
// header; false if there was none. A clock of ours that was set since then differs by as much more.
func (c *Client) Skew() (time.Duration, bool) {
	r := c.skew.latest.Load()
	if r == nil {
		return 0, false
	}
	if set := c.options.Clock.SetSince(r.at); set.Abs() > time.Second {
		return r.ahead - set, true
	}
	return r.ahead, true
}
