package engine_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// stuck is a sink that never answers: until its caller gives up or, if it is deaf, until it is let go.
type stuck struct {
	rotator.Sink
	deaf  bool
	reads bool // hangs when it is read, too
	letGo <-chan struct{}
}

func (s stuck) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	if s.deaf {
		<-s.letGo
		return rotator.Receipt{}, context.Canceled
	}
	select {
	case <-ctx.Done():
	case <-s.letGo:
	}
	return rotator.Receipt{}, ctx.Err()
}

func (s stuck) Observe(ctx context.Context, c rotator.Coordinates, location string) (rotator.Observation, error) {
	if !s.reads {
		return s.Sink.Observe(ctx, c, location)
	}
	<-ctx.Done()
	return rotator.Observation{}, ctx.Err()
}

// writable hangs only when it is read.
type writable struct{ stuck }

func (s writable) Deliver(ctx context.Context, d rotator.Delivery) (rotator.Receipt, error) {
	return s.Sink.Deliver(ctx, d)
}

// TestG9ASinkThatNeverAnswersStopsNobodyElse has twice as many rotations to a sink that hangs as there are workers, due
// before one to another sink.
func TestG9ASinkThatNeverAnswersStopsNobodyElse(t *testing.T) {
	for name, hangs := range map[string]func(rotator.Sink) rotator.Sink{
		"written": func(s rotator.Sink) rotator.Sink { return stuck{Sink: s} },
		"read":    func(s rotator.Sink) rotator.Sink { return writable{stuck{Sink: s, reads: true}} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				hung := *w.policies[0]
				hung.Name, hung.Match.Keys = "hung", []string{"svc-*"}
				w.policies[0].Sinks, w.policies[0].Match.Exclude = []string{"disk"}, []string{"svc-*"}
				w.policies = append(w.policies, &hung)
				for i := range 8 {
					w.provider.AddKey(user, fmt.Sprintf("svc-%02d", i), time.Now().Add(-71*day))
				}
				w.outerSink = func(name string, s rotator.Sink) rotator.Sink {
					if name == "vault" {
						return hangs(s)
					}
					return s
				}
				l := w.start(nil)
				defer l.stop()
				pass(2 * time.Hour)
				w.wantAmong("deploy-r0001")
			})
		})
	}
}

func TestAStopIsBoundedWhateverASinkDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		letGo := make(chan struct{})
		w.outerSink = func(_ string, s rotator.Sink) rotator.Sink { return stuck{Sink: s, deaf: true, letGo: letGo} }
		l := w.start(nil)
		pass(time.Minute)
		l.cancel()
		select {
		case err := <-l.done:
			if err == nil {
				t.Error("calls were left behind and Run said nothing of it")
			}
		case <-time.After(time.Minute):
			t.Error("the daemon did not stop within a minute")
			<-l.done
		}
		close(letGo)
		synctest.Wait()
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
	})
}
