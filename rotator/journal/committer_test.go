package journal

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/rotator"
)

func TestOneBadRequestFailsAlone(t *testing.T) {
	s := openTemp(t)
	release := s.hold(t)
	var wg sync.WaitGroup
	errs := make([]error, 9)
	for i := range errs {
		wg.Go(func() {
			if i == 4 {
				errs[i] = s.write(t.Context(), "break a rule", func(w *writer) error {
					_, err := w.exec(`INSERT INTO users (provider, id, name, email, active, sum) VALUES ('p', 'u', '', '', 7, 0)`)
					return err
				})
				return
			}
			errs[i] = s.Commit(t.Context(), planned(i))
		})
	}
	s.awaitQueued(len(errs))
	release()
	wg.Wait()
	for i, err := range errs {
		if i == 4 {
			if rotator.KindOf(err) != rotator.Invalid {
				t.Errorf("the bad request got %v, want a fault of kind invalid", err)
			}
			continue
		}
		if err != nil {
			t.Errorf("request %d failed with it: %v", i, err)
		}
		if _, err := s.Rotation(t.Context(), planned(i).After.ID); err != nil {
			t.Errorf("rotation %d is not there: %v", i, err)
		}
	}
}

// hold occupies the committer until the returned function is called, so that what is queued meanwhile is one batch.
func (s *Store) hold(t *testing.T) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.write(context.Background(), "occupy", func(*writer) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	return sync.OnceFunc(func() {
		close(free)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// awaitQueued returns when n requests wait behind the one that holds the committer.
func (s *Store) awaitQueued(n int) {
	for len(s.committer.requests) < n {
		runtime.Gosched()
	}
}

func TestACallThatEndsWhileQueuedIsLeftOut(t *testing.T) {
	s := openTemp(t)
	release := s.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Commit(ctx, planned(1)) }()
	s.awaitQueued(1)
	cancel()
	if err := <-done; rotator.KindOf(err) != rotator.Transient {
		t.Errorf("got %v, want a fault of kind transient", err)
	}
	release()
	if err := s.Commit(t.Context(), planned(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotation(t.Context(), planned(1).After.ID); rotator.KindOf(err) != rotator.Gone {
		t.Errorf("the change was committed though its caller had left before its turn: %v", err)
	}
}

func TestCloseWaitsForWhatIsQueued(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir, Options{})
	release := s.hold(t)
	errs := make(chan error, 10)
	for i := range cap(errs) {
		go func() { errs <- s.Commit(context.Background(), planned(i)) }()
	}
	s.awaitQueued(cap(errs))
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	release()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Errorf("a queued change was not committed: %v", err)
		}
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(context.Background(), planned(99)); err == nil {
		t.Error("a closed store took a change")
	}
	if _, err := s.Rotation(context.Background(), "x"); err == nil || rotator.KindOf(err) == rotator.Gone {
		t.Errorf("a closed store answered a read: %v", err)
	}
	again := openIn(t, dir, Options{})
	for i := range cap(errs) {
		if _, err := again.Rotation(context.Background(), planned(i).After.ID); err != nil {
			t.Errorf("rotation %d is not there after reopening: %v", i, err)
		}
	}
}
