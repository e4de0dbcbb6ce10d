package world

import (
	"context"
	"time"
)

// The rounds of those who look in now and then.
const (
	careEvery  = 3 * time.Hour    // the on-call
	judgeEvery = 12*time.Hour + 7 // the onlooker
)

// agenda is what comes next, in the world's time.
type agenda struct {
	incidents          []Incident
	care, judge, awake time.Time // awake: when a dead daemon comes back; zero while it lives
	consume            time.Time
	calm               time.Time
	calmed             bool
}

func (w *World) newAgenda(e era) *agenda {
	a := &agenda{care: e.from.Add(careEvery), judge: e.from.Add(judgeEvery), consume: e.from, calm: w.s.Start.Add(w.s.Span - w.s.Calm)}
	for _, i := range w.s.sorted() {
		at := w.s.Start.Add(i.At)
		if i.Kind != ClockJump && !at.Before(e.from) && at.Before(e.to) && (w.s.Calm == 0 || at.Before(a.calm)) {
			a.incidents = append(a.incidents, i)
		}
	}
	return a
}

// play lets everything happen in the order of time, until the era ends, a guarantee is broken or the run is given up.
func (w *World) play(e era) {
	a := w.newAgenda(e)
	for w.now().Before(e.to) && w.oracle.Breach() == nil && w.given() == nil {
		w.sleepUntil(a.next(w, e.to))
		w.buryTheDead(a)
		now := w.now()
		if !a.calmed && w.s.Calm > 0 && !now.Before(a.calm) {
			a.calmed = true
			w.calm()
		}
		if !a.consume.After(now) {
			a.consume = w.consume()
		}
		for len(a.incidents) > 0 && !w.s.Start.Add(a.incidents[0].At).After(now) {
			i := a.incidents[0]
			a.incidents = a.incidents[1:]
			w.happen(i, a)
		}
		w.rounds(a, now)
	}
}

func (w *World) rounds(a *agenda, now time.Time) {
	if !a.awake.IsZero() && !a.awake.After(now) {
		a.awake = time.Time{}
		if err := w.start(); err != nil {
			w.fail(err)
			return
		}
	}
	if !a.care.After(now) {
		a.care = now.Add(careEvery)
		if w.life != nil && !w.s.Unattended {
			w.care()
		}
	}
	if !a.judge.After(now) {
		a.judge = now.Add(judgeEvery)
		if !w.s.Quick {
			w.judge()
		}
	}
}

// next is the earliest thing on the agenda.
func (a *agenda) next(w *World, end time.Time) time.Time {
	next := end
	times := []time.Time{a.care, a.judge, a.awake, a.consume}
	if !a.calmed {
		times = append(times, a.calm)
	}
	if len(a.incidents) > 0 {
		times = append(times, w.s.Start.Add(a.incidents[0].At))
	}
	for _, t := range times {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// sleepUntil returns at that time of the world, or when the daemon dies.
func (w *World) sleepUntil(t time.Time) {
	timer := time.NewTimer(t.Sub(w.now()))
	defer timer.Stop()
	var died, ended chan struct{}
	if w.life != nil {
		died, ended = w.life.died, w.life.ended
	}
	select {
	case <-timer.C:
	case <-died:
	case <-ended: // it gave up by itself, because the journal failed at the start
	}
}

// rebirth is how long the supervisor takes to start the daemon again after a crash.
const rebirth = 10 * time.Second

func (w *World) buryTheDead(a *agenda) {
	if w.life == nil {
		return
	}
	select {
	case <-w.life.died:
	case <-w.life.ended:
	default:
		return
	}
	w.bury()
	if a.awake.IsZero() {
		a.awake = w.now().Add(rebirth)
	}
}

// down stops the daemon in order.
func (w *World) down(a *agenda, d time.Duration) {
	if w.life == nil {
		return
	}
	w.tell("person", "stops the daemon for %s", d)
	w.bury()
	a.awake = w.now().Add(max(d, time.Second))
}

// calm ends everything that stands in the way.
func (w *World) calm() {
	w.tell("world", "from now on nothing goes wrong by itself")
	w.chance.hush()
	w.mu.Lock()
	w.fullUntil = time.Time{}
	w.mu.Unlock()
	for _, a := range w.accounts {
		a.mu.Lock()
		a.down = nil
		a.mu.Unlock()
	}
	for _, s := range w.sinks {
		s.mu.Lock()
		s.down = nil
		s.mu.Unlock()
	}
	if w.life == nil {
		return
	}
	w.freezes = nil
	w.reload()
	for _, c := range w.creds {
		w.release(c)
	}
}

// patience bounds what a person waits for an answer.
const patience = 5 * time.Minute

func asking() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
