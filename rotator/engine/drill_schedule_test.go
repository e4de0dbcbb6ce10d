package engine_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// practising has the credentials drilled every day from 10 to 14 o'clock; bubbles begin at midnight.
func (w *world) practising(limit int) {
	w.t.Helper()
	opens, err := rotator.ParseSchedule("0 10 * * *", "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.setup.Drills = []rotator.DrillSchedule{{Name: "daily", Match: rotator.Match{ServiceUsers: []string{"ci-*"}},
		Window: rotator.Window{Opens: opens, For: 4 * time.Hour}, Limit: limit}}
}

// byCalendar are the drills that the calendar asked for, the latest first.
func (l *life) byCalendar() []rotator.Rotation {
	l.w.t.Helper()
	var drills []rotator.Rotation
	for _, r := range l.rotations() {
		if r.Actor == rotator.ActorSchedule && r.Reason == rotator.ReasonDrill {
			drills = append(drills, r)
		}
	}
	return drills
}

func (l *life) wantDrills(n int) {
	l.w.t.Helper()
	if got := l.byCalendar(); len(got) != n {
		l.w.t.Errorf("%s: %d drills were begun, want %d: %+v", time.Now().Format(time.DateTime), len(got), n, got)
	}
}

// byHand is a provider where a person makes the keys.
type byHand struct{ *rotatortest.Provider }

// Limits implements [rotator.Provider].
func (byHand) Limits() rotator.Limits { return rotator.Limits{Supplied: true} }

// until lets time pass up to that hour of the day.
func until(hour int) {
	now := time.Now().UTC()
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, 0, 0, 0, time.UTC)
	if !at.After(now) {
		at = at.Add(day)
	}
	pass(at.Sub(now))
}

func TestTheCalendarDrillsOnceInEachWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.practising(1)
		l := w.proven() // until 6 o'clock
		defer l.stop()
		until(9)
		l.wantDrills(0)
		until(11)
		l.wantDrills(1)
		until(20)
		l.wantDrills(1)
		for _, d := range l.byCalendar() {
			if d.Stage != rotator.StageDone || d.PlannedAt.Hour() != 10 {
				t.Errorf("%+v", d)
			}
		}
		w.wantActive("deploy-r0002")
		until(11)
		l.wantDrills(2)
		until(9)
		w.wantActive("deploy-r0003")
	})
}

// TestACrashInTheMiddleOfADrillIsSettled crashes at every journal write and every effect of a drill by the calendar: after the
// restart, in the same window, the same drill ends and no second one is begun.
func TestACrashInTheMiddleOfADrillIsSettled(t *testing.T) {
	t.Parallel()
	total := crashDrill(t, 0)
	for at := 1; at <= total; at += stride {
		t.Run(fmt.Sprint("point ", at), func(t *testing.T) { crashDrill(t, at) })
	}
}

func crashDrill(t *testing.T, at int) int {
	t.Helper()
	crash := &rotatortest.Crash{At: at}
	bubble(t, func(t *testing.T, w *world) {
		w.unhurried()
		w.proven().stop()
		w.practising(1)
		until(10)
		first := w.start(crash)
		pass(3 * time.Hour)
		first.stop()
		second := w.start(nil)
		defer second.stop()
		pass(5 * time.Hour)
		second.wantDrills(1)
		for _, d := range second.byCalendar() {
			if d.Stage != rotator.StageDone {
				t.Errorf("crashed %s: %+v", crash.Where(), d)
			}
		}
		if n := len(w.provider.Active(user)); n != 1 {
			t.Errorf("crashed %s: %d keys are active after it: %v", crash.Where(), n, w.provider.Active(user))
		}
	})
	return crash.Points()
}

func TestWhatStandsAgainstADrillIsWaitedForWhileTheWindowIsOpen(t *testing.T) {
	freeze := func(from, to time.Duration) func(t *testing.T, w *world, l *life) {
		return func(t *testing.T, _ *world, l *life) {
			now := time.Now()
			if err := l.engine.Freeze(t.Context(), rotator.PlacedFreeze{ID: "f", By: "bob", At: now,
				Freeze: rotator.Freeze{From: now.Add(from), To: now.Add(to), Reason: "release"}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name string
		set  func(t *testing.T, w *world, l *life) // at 9 o'clock
		// drilled is the hour in which the drill is begun; 0 if it is not on that day.
		drilled int
	}{
		{"nothing", func(*testing.T, *world, *life) {}, 10},
		{"a freeze that ends in time", freeze(0, 3*time.Hour), 12},
		{"a freeze that does not", freeze(0, 8*time.Hour), 0},
		{"a hold", func(t *testing.T, _ *world, l *life) {
			if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: theOne, By: "bob", Until: time.Now().Add(2 * time.Hour), Reason: "release"}); err != nil {
				t.Fatal(err)
			}
		}, 11},
		{"a rotation under way", func(t *testing.T, _ *world, l *life) {
			if _, err := l.engine.Rotate(t.Context(), theOne, rotator.ReasonManual, "bob"); err != nil {
				t.Fatal(err)
			}
		}, 10},
		{"the policy's window", func(t *testing.T, _ *world, l *life) {
			opens, err := rotator.ParseSchedule("0 13 * * *", "")
			if err != nil {
				t.Fatal(err)
			}
			l.reload(func(s *engine.Setup) {
				p := *s.Policies[0]
				p.Window = &rotator.Window{Opens: opens, For: 8 * time.Hour}
				s.Policies = []*rotator.Policy{&p}
			})
		}, 13},
		{"a cap that lets nothing through", func(_ *testing.T, _ *world, l *life) {
			l.reload(func(s *engine.Setup) { s.Cap = rotator.CapLimits{MaxShare: 0.01, AlwaysAllowed: 0} })
		}, 0},
		{"a clock that is wrong", func(_ *testing.T, w *world, l *life) {
			var ahead atomic.Int64
			ahead.Store(int64(48 * time.Hour))
			time.AfterFunc(2*time.Hour, func() { ahead.Store(0) })
			l.reload(func(s *engine.Setup) {
				s.Accounts = []engine.Account{{Name: "cc", Provider: skewed{w.provider, &ahead}, MaxKeys: 3}}
			})
		}, 11},
		{"keys that people make", func(_ *testing.T, w *world, l *life) {
			l.reload(func(s *engine.Setup) {
				s.Accounts = []engine.Account{{Name: "cc", Provider: byHand{w.provider}, MaxKeys: 3}}
			})
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unwatched(t, func(t *testing.T, w *world) {
				w.practising(1)
				l := w.proven()
				defer l.stop()
				until(9)
				tt.set(t, w, l)
				until(15)
				drills := l.byCalendar()
				if len(drills) == 0 && tt.drilled != 0 || len(drills) > 0 && drills[len(drills)-1].PlannedAt.Hour() != tt.drilled {
					t.Errorf("drills: %+v, want one at %d", drills, tt.drilled)
				}
			})
		})
	}
}

// TestTheOldestKeyIsDrilledFirst has several credentials and fewer drills at a time.
func TestTheOldestKeyIsDrilledFirst(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.practising(2)
		l := w.proven()
		defer l.stop()
		for i, name := range []string{"b", "c", "a"} {
			w.provider.AddKey(user, name, time.Now().Add(-time.Duration(40-i)*day))
		}
		w.provider.AddUser("8", "other")
		w.provider.AddKey("8", "oldest", time.Now().Add(-50*day))
		until(11)
		l.wantDrills(2)
		got := map[string]bool{}
		for _, r := range l.byCalendar() {
			got[r.Base] = true
		}
		if !got["b"] || !got["c"] {
			t.Errorf("%v were drilled, want b and c, whose keys are the oldest that it selects", got)
		}
		until(11)
		l.wantDrills(4)
	})
}

// TestOneReplicaDrills has one act while a window is open, and the other take over in it.
func TestOneReplicaDrills(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.proven().stop()
		w.practising(1)
		rs := w.replicas()
		defer rs.close()
		one := rs.start("one", nil, w.provider)
		two := rs.start("two", nil, w.provider)
		until(11)
		rs.stop(one)
		until(16)
		rs.stop(two)
		(&life{w: w, store: rs.store}).wantDrills(1)
		w.wantActive("deploy-r0002")
	})
}

func TestEveryCredentialIsVerifiedBySchedule(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.proven()
		schedule, err := rotator.ParseSchedule("0 12 * * *", "")
		if err != nil {
			t.Fatal(err)
		}
		w.setup.Verify = schedule
		verified := func(n int, since time.Time) {
			t.Helper()
			counts, err := l.store.CountVerifications(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, c := range counts {
				if c.Outcome == rotator.VerifiedOK && !c.Latest.Before(since) {
					found += c.Count
				}
			}
			if found != n {
				t.Errorf("%s: %d were verified since %s, want %d: %+v", time.Now(), found, since, n, counts)
			}
		}
		l.reload(func(s *engine.Setup) { s.Verify = schedule })
		until(11)
		verified(0, time.Time{})
		until(13)
		verified(1, time.Now().Add(-time.Hour))
		l.stop()
		pass(2 * day) // a time that passed meanwhile is made up for, once
		l = w.start(nil)
		defer l.stop()
		began := time.Now()
		pass(10 * time.Minute)
		verified(1, began)
		pass(time.Hour)
		verified(0, began.Add(10*time.Minute))
	})
}

// TestTheOldestOfVeryManyIsDrilled: not all of them are kept while the oldest is looked for.
func TestTheOldestOfVeryManyIsDrilled(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, w *world) {
		w.unhurried()
		w.setup.Scan, _ = rotator.ParseSchedule("@daily", "")
		for i := range 4500 {
			u, age := fmt.Sprint(1000+i), time.Duration(i%40)*time.Hour
			if i == 2700 {
				age = 20 * day
			}
			w.provider.AddUser(u, "ci-"+u)
			w.provider.AddKey(u, "deploy", time.Now().Add(-age))
		}
		w.practising(1)
		l := w.start(nil)
		defer l.stop()
		until(11)
		l.wantDrills(1)
		for _, d := range l.byCalendar() {
			if d.UserID != "3700" {
				t.Errorf("the key of user %s is drilled", d.UserID)
			}
		}
	})
}
