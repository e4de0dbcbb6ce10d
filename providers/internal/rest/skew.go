package rest

import (
	"net/http"
	"sync/atomic"
	"time"
)

// skew is how far the other side's clock was ahead of ours at its latest answer.
type skew struct {
	known atomic.Bool
	ahead atomic.Int64 // nanoseconds
}

// note reads the Date header of an answer to a request that was sent at sent. The header counts whole seconds, and the
// answer was under way for a while: what that may explain is no difference.
func (s *skew) note(h http.Header, sent, now time.Time) {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	var ahead time.Duration
	switch earliest, latest := sent.Add(-time.Second), now.Add(time.Second); {
	case theirs.Before(earliest):
		ahead = theirs.Sub(earliest)
	case theirs.After(latest):
		ahead = theirs.Sub(latest)
	}
	s.ahead.Store(int64(ahead))
	s.known.Store(true)
}

// Skew returns how far the other side's clock is ahead of ours (behind, if negative), as of its latest answer with a Date
// header; false if there was none.
func (c *Client) Skew() (time.Duration, bool) {
	return time.Duration(c.skew.ahead.Load()), c.skew.known.Load()
}
