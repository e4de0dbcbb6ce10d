package emulator

import "time"

// Rate is a rolling window: at most Requests calls in any span of length Per.
type Rate struct {
	Requests int
	Per      time.Duration
}

// windows holds the rolling windows of one key.
type windows struct{ each []window }

// window keeps the times of the last Requests calls in a ring that grows to that size.
type window struct {
	rate  Rate
	calls []int64
	next  int
}

func newWindows(rates []Rate) *windows {
	w := &windows{each: make([]window, len(rates))}
	for i, r := range rates {
		w.each[i].rate = r
	}
	return w
}

// enter counts a call and returns 0, or returns how long to wait until there is room in every window. A refused call is
// not counted.
func (w *windows) enter(now time.Time) (wait time.Duration) {
	at := now.UnixNano()
	for i := range w.each {
		wait = max(wait, w.each[i].full(at))
	}
	if wait > 0 {
		return wait
	}
	for i := range w.each {
		w.each[i].add(at)
	}
	return 0
}

// full returns how long the window has no room, 0 if it has.
func (w *window) full(at int64) time.Duration {
	if len(w.calls) < w.rate.Requests {
		return 0
	}
	oldest := w.calls[w.next]
	return max(0, time.Duration(oldest-at)+w.rate.Per)
}

func (w *window) add(at int64) {
	if len(w.calls) < w.rate.Requests {
		w.calls = append(w.calls, at)
		return
	}
	w.calls[w.next] = at
	w.next = (w.next + 1) % len(w.calls)
}
