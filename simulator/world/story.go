package world

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator/oracle"
)

// Line is one thing that happened.
type Line struct {
	// At is the world's time.
	At time.Time
	// Who did it: fault, person, daemon, journal, provider, sink, consumer, crash, world.
	Who, What string
}

// String is a dated line.
func (l Line) String() string {
	return fmt.Sprintf("%s  %-8s  %s", l.At.UTC().Format("2006-01-02 15:04:05"), l.Who, l.What)
}

// longest is how many lines are kept: the last ones, which lead to what broke.
const longest = 4000

func (w *World) tell(who, format string, args ...any) {
	if w.s.Quick {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.story) >= 2*longest {
		w.story = append(w.story[:0], w.story[longest:]...)
	}
	w.story = append(w.story, Line{At: w.now(), Who: who, What: fmt.Sprintf(format, args...)})
}

// made and ended pass on what an issuing system did, and tell of it.
func (w *World) made(k oracle.Key, now time.Time) {
	w.tell("provider", "makes key %s", k.ID)
	w.oracle.Made(k, now)
}

func (w *World) ended(id string, daemon bool, sent time.Time) {
	by := "a person"
	if daemon {
		by = "the daemon"
	}
	w.tell("provider", "key %s is off, by %s", id, by)
	w.oracle.Off(id, daemon, sent)
}

func (w *World) delivered(d rotator.Delivery, p oracle.Place) {
	w.tell("sink", "%s holds version %d of %s", p.Sink, d.Version, p.Location)
	c := rotator.CredentialID{Provider: d.Provider, UserID: d.UserID, Base: d.Credential}
	w.oracle.Delivered(c.String(), p, w.keyOf(string(d.Secret.Reveal())), w.daemonNow())
}

func (w *World) wrote(c rotator.Change, by string) {
	r := &c.After
	if r.Stage == rotator.StageDone && r.Reason == rotator.ReasonDrill && r.Actor == rotator.ActorSchedule {
		w.happened("drill_of_the_calendar")
	}
	if r.Blocked == rotator.BlockHookFailing {
		w.happened("hook_awaited")
	}
	if w.s.Watch != nil {
		w.s.Watch.Moved(c, w.now())
	}
	if !w.s.Quick {
		why := ""
		if r.Blocked != "" {
			why = fmt.Sprintf(" (blocked: %s)", r.Blocked)
		}
		if !c.Repeats {
			w.tell("journal", "%s %s: %s%s — %s", r.CredentialID, r.ID, r.Stage, why, c.Note)
		}
		w.oracle.Printed("the history", []byte(c.Note+r.Trouble), w.daemonNow())
	}
	w.oracle.Wrote(row(c, by), w.daemonNow())
}

func (w *World) waits(k rotator.TrackedKey) {
	if w.s.Watch != nil {
		w.s.Watch.Waits(k, w.now())
	}
	w.tell("journal", "%s waits: %s", k.Credential(), k.Waiting)
}

// Watch hears what the journal takes, as it takes it.
type Watch interface {
	// Moved is called for each change that was committed.
	Moved(c rotator.Change, now time.Time)
	// Waits is called for each key that is due and not rotated.
	Waits(k rotator.TrackedKey, now time.Time)
}

// outcome is what a story says of something that a person did.
func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}
