package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
)

// atOnce is how many rotations are due at once.
const atOnce = 10_000

// BenchmarkBurst measures rotations per second, from planned to done, with provider and sinks in memory and the journal on
// disk, so that the journal is what there is to wait for. The baseline replays the very changes that the engine
// committed, in a journal of the same content, from as many goroutines, and does nothing else.
func BenchmarkBurst(b *testing.B) {
	for _, concurrent := range []int{16, 64} {
		b.Run(fmt.Sprint("concurrent=", concurrent), func(b *testing.B) {
			var ran, wrote cost
			for b.Loop() {
				b.StopTimer()
				due := newBurst(b)
				b.StartTimer()
				changes := due.run(b, concurrent, &ran)
				due.replay(b, concurrent, changes, &wrote)
			}
			b.ReportMetric(0, "ns/op")
			n := float64(b.N * atOnce)
			b.ReportMetric(n/ran.took.Seconds(), "rotations/s")
			b.ReportMetric(n/wrote.took.Seconds(), "rotations/s-bare")
			b.ReportMetric(wrote.took.Seconds()/ran.took.Seconds(), "x-of-bare")
			b.ReportMetric(ran.processor.Seconds()/n*1e6, "cpu-us/rotation")
			b.ReportMetric(wrote.processor.Seconds()/n*1e6, "cpu-us/rotation-bare")
		})
	}
}

// cost is what something took on the clock and of this process's processor time.
type cost struct{ took, processor time.Duration }

// begin returns what adds the cost of all between the two calls.
func (c *cost) begin(b *testing.B) (end func()) {
	b.Helper()
	before, err := processorTime()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	return func() {
		b.Helper()
		c.took += time.Since(began)
		after, err := processorTime()
		if err != nil {
			b.Fatal(err)
		}
		c.processor += after - before
	}
}

// burst is a fleet whose keys are all due, and the journal of a daemon that has scanned it and not yet looked at it.
type burst struct {
	fleet *fleet
	path  string
}

func newBurst(b *testing.B) *burst {
	b.Helper()
	d := &burst{fleet: newFleet(atOnce, time.Now().Add(-70*day)), path: filepath.Join(b.TempDir(), "rotatord.db")}
	stop, scanned := d.start(b, d.path, 1, func(s rotator.Store) rotator.Store { return &gate{Store: s} }, nil)
	<-scanned
	stop()
	return d
}

// start runs an engine on a journal, through a store that is wrapped. scanned is closed when its first scan has ended.
func (d *burst) start(b *testing.B, path string, concurrent int, wrap func(rotator.Store) rotator.Store, atScan func()) (stop func(), scanned <-chan struct{}) {
	b.Helper()
	store, err := journal.Open(b.Context(), path, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	setup, err := newSetup(d.fleet, concurrent)
	if err != nil {
		b.Fatal(err)
	}
	first := firstScan{ended: make(chan struct{}), once: new(sync.Once), then: atScan}
	e := engine.New(engine.Options{Store: wrap(store), Sealer: newSealer(), Log: logToNowhere(), Observer: first, Drain: time.Minute}, setup)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}, first.ended
}

// logToNowhere makes every line as the daemon does, and writes none.
func logToNowhere() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zap.InfoLevel))
}

// firstScan tells when the first scan has ended.
type firstScan struct {
	engine.Unobserved
	ended chan struct{}
	once  *sync.Once
	then  func()
}

// Scanned implements [engine.Observer].
func (f firstScan) Scanned(string, engine.ScanResult, time.Duration, error) {
	f.once.Do(func() {
		if f.then != nil {
			f.then()
		}
		close(f.ended)
	})
}

// gate keeps due keys from being seen until it is opened.
type gate struct {
	rotator.Store
	open atomic.Bool
}

func (g *gate) KeysToLookAt(ctx context.Context, provider string, now time.Time, limit int) ([]rotator.TrackedKey, error) {
	if !g.open.Load() {
		return nil, nil
	}
	return g.Store.KeysToLookAt(ctx, provider, now, limit)
}

// recorder is a gate that keeps the changes that were committed, and tells when the last rotation has ended.
type recorder struct {
	gate
	mu      sync.Mutex
	changes map[string][]rotator.Change // by rotation
	left    int
	done    chan struct{}
}

func (r *recorder) Commit(ctx context.Context, c rotator.Change) error {
	err := r.gate.Commit(ctx, c)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes[c.After.ID] = append(r.changes[c.After.ID], c)
	if c.After.Stage == rotator.StageDone {
		if r.left--; r.left == 0 {
			close(r.done)
		}
	}
	return nil
}

// run has an engine do all that is due, adds what it cost, and returns what it committed. The clock starts when the keys
// can be seen, all at once. The journal at d.path stays as it was.
func (d *burst) run(b *testing.B, concurrent int, c *cost) map[string][]rotator.Change {
	b.Helper()
	r := &recorder{changes: make(map[string][]rotator.Change, atOnce), left: atOnce, done: make(chan struct{})}
	var end func()
	stop, _ := d.start(b, copied(b, d.path), concurrent,
		func(s rotator.Store) rotator.Store { r.Store = s; return r },
		func() { end = c.begin(b); r.open.Store(true) })
	<-r.done
	end()
	stop()
	if err := d.fleet.rotated(); err != nil {
		b.Fatal(err)
	}
	return r.changes
}

// replay commits the same changes and adds what it cost.
func (d *burst) replay(b *testing.B, writers int, changes map[string][]rotator.Change, c *cost) {
	b.Helper()
	store, err := journal.Open(b.Context(), copied(b, d.path), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rotations := make(chan []rotator.Change, len(changes))
	for _, of := range changes {
		rotations <- of
	}
	close(rotations)
	end := c.begin(b)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for of := range rotations {
				for _, change := range of {
					if err := store.Commit(context.Background(), change); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	end()
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}

// copied copies a journal that nobody has open.
func copied(b *testing.B, path string) string {
	b.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	to := filepath.Join(b.TempDir(), "rotatord.db")
	if err := os.WriteFile(to, content, 0o600); err != nil {
		b.Fatal(err)
	}
	return to
}
