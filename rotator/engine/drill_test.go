package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// proven starts a life in which the key has been rotated by date and nothing is due.
func (w *world) proven() *life {
	w.t.Helper()
	l := w.start(nil)
	pass(6 * time.Hour)
	w.wantRotated()
	return l
}

func TestDrillGoesTheWholeWayAndWaitsForAllThatARotationWaitsFor(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.proven()
		defer l.stop()
		r, err := l.engine.Drill(t.Context(), theOne, "", "ann")
		if err != nil || r.Reason != rotator.ReasonDrill || r.Actor != "ann" || r.Terms.Grace != time.Hour || r.Terms.Soak != time.Hour {
			t.Fatalf("drill: %+v, %v", r, err)
		}
		pass(30 * time.Minute)
		w.wantActive("deploy-r0001", "deploy-r0002")
		pass(6 * time.Hour)
		w.wantActive("deploy-r0002")
		w.wantRotated()
		entries, err := l.store.History(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		var stages []rotator.Stage
		for _, e := range entries {
			stages = append(stages, e.To)
		}
		for _, s := range []rotator.Stage{rotator.StageTesting, rotator.StageConfirmed, rotator.StageSoaking, rotator.StageDone} {
			if !slices.Contains(stages, s) {
				t.Errorf("it went through %v, without %s", stages, s)
			}
		}
	})
}

func TestDrillDoesNotRevokeAKeyInUse(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := w.proven()
		defer l.stop()
		old := w.sinks["disk"].Items()[deployed].Secret
		if _, err := l.engine.Drill(t.Context(), theOne, "", "ann"); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			pass(5 * time.Minute)
			if _, err := w.provider.Use(old); err != nil {
				t.Fatal("the drill revoked a key that somebody uses")
			}
		}
	})
}

func TestDrillIsRefusedWhereAnythingSpeaksAgainstIt(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(t *testing.T, w *world, l *life)
		says string
		kind rotator.Kind
	}{
		{"a hold", func(t *testing.T, _ *world, l *life) {
			if err := l.engine.Hold(t.Context(), rotator.Hold{CredentialID: theOne, By: "bob", Until: time.Now().Add(time.Hour), Reason: "release"}); err != nil {
				t.Fatal(err)
			}
		}, "held by bob", rotator.Conflict},
		{"a freeze", func(t *testing.T, _ *world, l *life) {
			if err := l.engine.Freeze(t.Context(), rotator.PlacedFreeze{ID: "f", By: "bob", At: time.Now(),
				Freeze: rotator.Freeze{From: time.Now(), To: time.Now().Add(time.Hour), Reason: "year end"}}); err != nil {
				t.Fatal(err)
			}
		}, "year end; a drill can wait", rotator.Conflict},
		{"a rotation under way", func(t *testing.T, _ *world, l *life) {
			if _, err := l.engine.Rotate(t.Context(), theOne, rotator.ReasonManual, "bob"); err != nil {
				t.Fatal(err)
			}
		}, "is as good as a drill", rotator.Conflict},
		{"a provider that is paused", func(_ *testing.T, w *world, _ *life) {
			w.provider.SetHook(func(op string, after bool) error {
				if op == "Scan" && !after {
					return rotator.NewFault(op, rotator.Throttled, "slow down")
				}
				return nil
			})
			pass(15*time.Minute + time.Second)
		}, "is paused until", rotator.Conflict},
		{"a policy that observes", func(_ *testing.T, w *world, l *life) {
			l.reload(func(s *engine.Setup) {
				p := *s.Policies[0]
				p.Observe = true
				s.Policies = []*rotator.Policy{&p}
			})
			pass(time.Minute)
		}, "only observes", rotator.Invalid},
		{"a key that nobody has any more", func(_ *testing.T, w *world, _ *life) {
			for _, k := range w.provider.Keys() {
				w.provider.RemoveByHand(k.ID)
			}
			pass(time.Hour)
		}, "no active key", rotator.Gone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unwatched(t, func(t *testing.T, w *world) {
				l := w.proven()
				defer l.stop()
				tt.set(t, w, l)
				before := len(l.rotations())
				_, err := l.engine.Drill(t.Context(), theOne, "", "ann")
				if err == nil || rotator.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %v, want %s: %s", err, tt.kind, tt.says)
				}
				if len(l.rotations()) != before {
					t.Error("a rotation was planned all the same")
				}
				p, err := l.engine.ExplainDrill(t.Context(), theOne)
				if tt.kind == rotator.Gone {
					if rotator.KindOf(err) != rotator.Gone {
						t.Errorf("explained: %+v, %v", p, err)
					}
				} else if err != nil || !strings.Contains(p.Obstacle, tt.says) {
					t.Errorf("explained: %+v, %v", p, err)
				}
			})
		})
	}
}

func TestDrillIsExplainedAndIsOfTheKeyThatWasShown(t *testing.T) {
	unwatched(t, func(t *testing.T, w *world) {
		w.disables = true
		l := w.proven()
		defer l.stop()
		p, err := l.engine.ExplainDrill(t.Context(), theOne)
		if err != nil || p.Obstacle != "" || p.Policy != "ci" || p.NewKey.Name != "deploy-r0002" || len(p.Sinks) != 2 || !p.Disables || p.Terms.Grace != time.Hour {
			t.Fatalf("explained: %+v, %v", p, err)
		}
		if len(l.rotations()) != 1 || w.provider.Mints() != 1 {
			t.Error("the explanation changed something")
		}
		if _, err := l.engine.Drill(t.Context(), theOne, "another", "ann"); rotator.KindOf(err) != rotator.Conflict || !strings.Contains(err.Error(), "look again") {
			t.Errorf("another key: %v", err)
		}
		if _, err := l.engine.Drill(t.Context(), theOne, p.OldKey.ID, "ann"); err != nil {
			t.Error(err)
		}
	})
}

func TestAFreezeStopsADrillThatWasPlanned(t *testing.T) {
	unwatched(t, func(t *testing.T, w *world) {
		l := w.proven()
		defer l.stop()
		w.provider.SetHook(func(op string, after bool) error {
			if op == "Mint" && !after {
				return rotator.NewFault(op, rotator.Transient, "not now")
			}
			return nil
		})
		if _, err := l.engine.Drill(t.Context(), theOne, "", "ann"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if err := l.engine.Freeze(t.Context(), rotator.PlacedFreeze{ID: "f", By: "bob", At: time.Now(),
			Freeze: rotator.Freeze{From: time.Now(), To: time.Now().Add(day), Reason: "year end"}}); err != nil {
			t.Fatal(err)
		}
		w.provider.SetHook(nil)
		pass(time.Hour)
		if w.wantActive("deploy-r0001"); w.provider.Mints() != 1 {
			t.Errorf("%d keys were made", w.provider.Mints())
		}
	})
}
