package sinktest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

// stops bounds the number of changes that one delivery may make of its destination.
const stops = 100

// stoppedEverywhere ends a delivery at each of its changes in turn, and then repeats it.
func stoppedEverywhere(t *testing.T, h Harness) {
	for n := range stops {
		freshStopped, err := stopOnce(t, h, n, fmt.Sprintf("fresh-%d", n), 0)
		if err != nil {
			t.Fatalf("first delivery, stop %d: %v", n, err)
		}
		againStopped, err := stopOnce(t, h, n, fmt.Sprintf("again-%d", n), 1)
		if err != nil {
			t.Fatalf("second delivery, stop %d: %v", n, err)
		}
		if !freshStopped && !againStopped {
			if n == 0 {
				t.Fatal("no delivery was stopped at all")
			}
			return
		}
	}
	t.Fatalf("a delivery makes more than %d changes", stops)
}

// stopOnce delivers version from+1 over version from (0 for none), stopped at change n, and checks what is there then and after
// the same delivery was repeated.
func stopOnce(t *testing.T, h Harness, n int, user string, from int) (stopped bool, err error) {
	t.Helper()
	d := delivery(t, h.Sink, user, from+1)
	if from > 0 {
		deliver(t, h.Sink, delivery(t, h.Sink, user, from))
	}
	sink, wasStopped := h.Stopping(t, n)
	_, err = sink.Deliver(t.Context(), d)
	if (err != nil) != wasStopped() {
		return true, fmt.Errorf("delivery of version %d ended with %w, stopped: %t", d.Version, err, wasStopped())
	}
	if err := h.between(d, user, from); err != nil {
		return true, err
	}
	if got := observe(t, h.Sink, d); got.Present && (!got.Ours || string(got.Secret.Reveal()) != secretOf(user, got.Version)) {
		return true, fmt.Errorf("after the stop %+v is observed", got)
	}
	deliver(t, h.Sink, d)
	h.holds(t, d)
	next := delivery(t, h.Sink, user, from+2)
	deliver(t, h.Sink, next)
	h.holds(t, next)
	return wasStopped(), nil
}

// between checks that a consumer reads the version before or the new one, whole.
func (h Harness) between(d rotator.Delivery, user string, from int) error {
	got, present, err := h.Read(d.Location)
	if err != nil {
		return err
	}
	isOld := present && from > 0 && got == secretOf(user, from) || !present && from == 0
	isNew := present && got == secretOf(user, d.Version)
	if !isOld && !isNew {
		return fmt.Errorf("after the stop a consumer reads %q (present %t)", got, present)
	}
	return nil
}

// readerSeesWhole reads without pause while versions replace each other.
func readerSeesWhole(t *testing.T, h Harness) {
	const last = 20
	known := map[string]int{}
	for version := 1; version <= last; version++ {
		known[secretOf("robot", version)] = version
	}
	first := delivery(t, h.Sink, "robot", 1)
	deliver(t, h.Sink, first)
	done := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		seen := 0
		for {
			got, present, err := h.Read(first.Location)
			if version := known[got]; err != nil || !present || version < seen {
				t.Errorf("after version %d a reader saw %q (present %t), %v", seen, got, present, err)
				return
			}
			seen = known[got]
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for version := 2; version <= last; version++ {
		deliver(t, h.Sink, delivery(t, h.Sink, "robot", version))
	}
	close(done)
	reader.Wait()
}

func manyAtOnce(t *testing.T, h Harness) {
	var all sync.WaitGroup
	for i := range 16 {
		d := delivery(t, h.Sink, fmt.Sprintf("robot-%d", i), i+1)
		all.Go(func() {
			if _, err := h.Sink.Deliver(t.Context(), d); err != nil {
				t.Errorf("deliver to %s: %v", d.Location, err)
			}
		})
	}
	all.Wait()
	for i := range 16 {
		h.holds(t, delivery(t, h.Sink, fmt.Sprintf("robot-%d", i), i+1))
	}
}

// manyInOnePlace delivers versions against each other: the highest must be there in the end, and those that came too late are told.
func manyInOnePlace(t *testing.T, h Harness) {
	const last = 8
	var all sync.WaitGroup
	for version := 1; version <= last; version++ {
		d := delivery(t, h.Sink, "robot", version)
		all.Go(func() {
			_, err := h.Sink.Deliver(t.Context(), d)
			if err != nil && (d.Version == last || rotator.KindOf(err) != rotator.Conflict) {
				t.Errorf("deliver version %d: %v", d.Version, err)
			}
		})
		all.Go(func() {
			if got, err := h.Sink.Observe(t.Context(), d.Coordinates, d.Location); err != nil || got.Present && !got.Ours {
				t.Errorf("observed %+v, %v between deliveries", got, err)
			}
		})
	}
	all.Wait()
	h.holds(t, delivery(t, h.Sink, "robot", last))
}
