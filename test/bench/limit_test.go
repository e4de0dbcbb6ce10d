package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

// roundTrip is how long each call of the engine takes beside the wait for its turn.
const roundTrip = 100 * time.Millisecond

// BenchmarkLimited measures how long the engine needs for rotations that are due at once, where a provider bounds the
// calls as CertCentral documents it, on a fake clock: hours pass in seconds, and the machine's speed plays no part.
//
// The engine's calls take a round trip each. Two baselines, for the number of calls that it really made:
//
//	x-of-limiter   a loop that makes as many calls, taking no time, through a limiter of the same kind
//	x-of-window    as many calls divided by the 1000 in 3 minutes that are documented
func BenchmarkLimited(b *testing.B) {
	for b.Loop() {
		var engineTook, loopTook time.Duration
		var calls int
		onFakeClock(b, func(t *testing.T) { engineTook, calls = limitedEngine(t) })
		onFakeClock(b, func(t *testing.T) { loopTook = limitedLoop(t, calls) })
		window := time.Duration(float64(calls) / 1000 * float64(3*time.Minute))
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(calls)/atOnce, "calls/rotation")
		b.ReportMetric(engineTook.Minutes(), "min-engine")
		b.ReportMetric(loopTook.Minutes(), "min-limiter")
		b.ReportMetric(engineTook.Seconds()/loopTook.Seconds(), "x-of-limiter")
		b.ReportMetric(engineTook.Seconds()/window.Seconds(), "x-of-window")
	}
}

// onFakeClock runs fn in a bubble of testing/synctest, which only a test can make: so a test is made here.
func onFakeClock(b *testing.B, fn func(t *testing.T)) {
	b.Helper()
	always := func(_, _ string) (bool, error) { return true, nil }
	inside := []testing.InternalTest{{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, fn) }}}
	if !testing.RunTests(always, inside) {
		b.FailNow()
	}
}

// newLimited is an account with the documented rates and the provider that calls it.
func newLimited(t *testing.T, takes time.Duration) (*emulator.CertCentral, *certcentral.Provider) {
	t.Helper()
	e := emulator.NewCertCentral(emulator.CertCentralOptions{})
	p, err := certcentral.New(certcentral.Options{
		BaseURL: "http://certcentral" + e.BasePath(), Key: fixed(e.ManagerSecret()),
		Transport: distant{emulator.InMemory(e), takes},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e, p
}

// distant lets each call take its time.
type distant struct {
	http.RoundTripper
	takes time.Duration
}

// RoundTrip implements http.RoundTripper.
func (d distant) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.takes > 0 {
		<-time.After(d.takes)
	}
	return d.RoundTripper.RoundTrip(r)
}

// limitedEngine has an engine find and rotate every key of an account. It returns how long that took and how many calls
// the manager key made.
func limitedEngine(t *testing.T) (took time.Duration, calls int) {
	account, provider := newLimited(t, roundTrip)
	account.AddFleet(atOnce, 1, time.Now().Add(-70*day))
	store, err := journal.Open(t.Context(), filepath.Join(memoryFolder(t), "rotatord.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	setup, err := newSetup(provider, 16)
	if err != nil {
		t.Fatal(err)
	}
	ends := &rotationEnds{left: atOnce, done: make(chan struct{})}
	e := engine.New(engine.Options{Store: store, Sealer: newSealer(), Observer: ends, Drain: time.Second}, setup)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	began := time.Now()
	go func() { ran <- e.Run(ctx) }()
	<-ends.done
	took = time.Since(began)
	stop()
	if err := errors.Join(<-ran, store.Close()); err != nil {
		t.Fatal(err)
	}
	if ends.trouble != "" {
		t.Fatalf("a rotation met trouble: %s", ends.trouble)
	}
	calls, err = managerCalls(account)
	if err != nil {
		t.Fatal(err)
	}
	return took, calls
}

// managerCalls counts the calls of the manager key, none of which may have been refused.
func managerCalls(e *emulator.CertCentral) (int, error) {
	key, ok := e.KeyOfSecret(e.ManagerSecret())
	if !ok {
		return 0, errors.New("the emulator does not know its manager key")
	}
	u := e.Usage(key.ID)
	if u.Throttled > 0 || u.Refused > 0 {
		return 0, fmt.Errorf("the manager key was throttled %d times and refused %d times", u.Throttled, u.Refused)
	}
	return u.OK, nil
}

// limitedLoop makes so many calls one after the other, as soon as the limiter lets each go.
func limitedLoop(t *testing.T, calls int) time.Duration {
	_, provider := newLimited(t, 0)
	began := time.Now()
	for range calls {
		if _, err := provider.ShowUser(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(began)
}

// rotationEnds tells when the last rotation has ended.
type rotationEnds struct {
	engine.Unobserved
	mu      sync.Mutex
	left    int
	trouble string
	done    chan struct{}
}

// Moved implements [engine.Observer].
func (r *rotationEnds) Moved(_ rotator.Stage, to *rotator.Rotation, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to.Trouble != "" {
		r.trouble = to.Trouble
	}
	if to.Stage.Final() {
		if r.left--; r.left == 0 {
			close(r.done)
		}
	}
}

// memoryFolder is a folder in memory, where there is one: on a fake clock the disk counts for nothing but the patience of
// who waits for the benchmark.
func memoryFolder(t *testing.T) string {
	t.Helper()
	const inMemory = "/dev/shm"
	if info, err := os.Stat(inMemory); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(inMemory, "rotatord-bench-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
