package world

import (
	"context"
	"testing/synctest"
	"time"
)

// The rounds of those who look in now and then.
const (
	careEvery  = 3 * time.Hour    // the on-call
	judgeEvery = 12*time.Hour + 7 // the onlooker
)

// agenda is what comes next, in the world's time.
type agenda struct {
	incidents   []Incident
	care, judge time.Time
	census      time.Time // zero for never
	consume     time.Time
	calm        time.Time
	calmed      bool
}

func (w *World) newAgenda(e era) *agenda {
	a := &agenda{care: e.from.Add(careEvery), judge: e.from.Add(judgeEvery), consume: e.from, calm: w.s.Start.Add(w.s.Span - w.s.Calm)}
	a.calmed = !a.calm.Before(e.to) // in the next era
	if w.s.Census != nil {
		a.census = e.from.Add(w.s.CensusEvery)
	}
	for _, i := range w.s.InOrder() {
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
		w.buryTheDead()
		w.welcome()
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
	for slot, at := range w.awake {
		if at.IsZero() || at.After(now) {
			continue
		}
		w.awake[slot] = time.Time{}
		if err := w.start(slot); err != nil {
			w.fail(err)
			return
		}
	}
	if !a.care.After(now) {
		a.care = now.Add(careEvery)
		if !w.s.Unattended {
			w.care()
		}
	}
	if !a.census.IsZero() && !a.census.After(now) {
		a.census = now.Add(w.s.CensusEvery)
		synctest.Wait()
		w.s.Census()
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
	times := append([]time.Time{a.care, a.judge, a.census, a.consume}, w.awake...)
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

// sleepUntil returns at that time of the world, or when a daemon dies or gives up by itself, because the journal failed at the start.
func (w *World) sleepUntil(t time.Time) {
	timer := time.NewTimer(t.Sub(w.now()))
	defer timer.Stop()
	var died, ended [2]chan struct{}
	for i, l := range w.lives {
		if l != nil {
			died[i], ended[i] = l.died, l.ended
		}
	}
	select {
	case <-timer.C:
	case <-died[0]:
	case <-ended[0]:
	case <-died[1]:
	case <-ended[1]:
	}
}

// rebirth is how long the supervisor takes to start the daemon again after a crash.
const rebirth = 10 * time.Second

func (w *World) buryTheDead() {
	for slot, l := range w.lives {
		if l == nil {
			continue
		}
		select {
		case <-l.died:
		case <-l.ended:
		default:
			continue
		}
		w.bury(l)
		if w.awake[slot].IsZero() {
			w.awake[slot] = w.now().Add(rebirth)
		}
	}
}

// down stops a daemon in order.
func (w *World) down(l *life, d time.Duration) {
	if l == nil {
		return
	}
	w.happened(string(Restart))
	w.tell("person", "stops %s for %s", l.called(), d)
	w.bury(l)
	w.awake[l.slot] = w.now().Add(max(d, time.Second))
}

// calm ends everything that stands in the way.
func (w *World) calm() {
	w.tell("world", "from now on nothing goes wrong by itself")
	w.chance.hush()
	if off := w.skew(); off != 0 {
		w.setClock(off)
	}
	for slot := range w.apart {
		if off := w.clockApart(slot); off != 0 {
			w.setReplicaClock(slot, -off)
		}
	}
	w.mu.Lock()
	w.fullUntil, w.deafUntil = time.Time{}, time.Time{}
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
