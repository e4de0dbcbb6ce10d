package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/journal"
	"github.com/rotatord/rotatord/rotator/rotatortest"
)

// BenchmarkVerify measures a verification of 100,000 credentials, each with a key in two sinks, as its findings come: provider and sinks
// are in memory and answer at once, so that what is left is the daemon's own work. live-MB is the most memory that is in use on the way,
// beyond what was before; x-of-1000 is the processor time of a credential beside that in a fleet of 1,000.
func BenchmarkVerify(b *testing.B) {
	each := map[int]float64{}
	for _, size := range []int{smallFleet, fleetSize} {
		b.Run(fmt.Sprint("credentials=", size), func(b *testing.B) {
			e := delivered(b, size)
			seen := &counted{b: b, before: liveHeap()}
			var spent cost
			for b.Loop() {
				end := spent.begin(b)
				if err := e.Verify(b.Context(), rotator.VerifyQuery{}, seen); err != nil {
					b.Fatal(err)
				}
				end()
			}
			if seen.ok != b.N*size {
				b.Fatalf("%d of %d credentials are as they should be", seen.ok, b.N*size)
			}
			n := float64(b.N * size)
			each[size] = spent.processor.Seconds() / n * 1e6
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(spent.took.Seconds()/float64(b.N), "s")
			b.ReportMetric(n/spent.took.Seconds(), "credentials/s")
			b.ReportMetric(each[size], "cpu-us/credential")
			b.ReportMetric(float64(max(seen.most, seen.before)-seen.before)/(1<<20), "live-MB")
			if few := each[smallFleet]; few > 0 && size != smallFleet {
				b.ReportMetric(each[size]/few, "x-of-1000")
			}
		})
	}
}

// counted counts findings, and looks now and then at how much memory is in use.
type counted struct {
	b            *testing.B
	n, ok        int
	before, most uint64
}

func (*counted) Total(int) error { return nil }

func (c *counted) Verified(v rotator.Verification) error {
	if v.Outcome == rotator.VerifiedOK && v.SignsIn && len(v.Sinks) == 2 {
		c.ok++
	} else if c.n == c.ok {
		c.b.Errorf("%s is %s: %s", v.CredentialID, v.Outcome, v.Why)
	}
	if c.n++; c.n%20_000 == 500 {
		c.most = max(c.most, liveHeap())
	}
	return nil
}

// liveHeap is how many bytes of the heap are in use.
func liveHeap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// delivered makes an engine whose journal knows so many credentials, each by a rotation that ended with its key in two sinks.
func delivered(b *testing.B, size int) *engine.Engine {
	b.Helper()
	f := newFleet(size, time.Now().Add(-10*day))
	setup, err := newSetup(f, 16)
	if err != nil {
		b.Fatal(err)
	}
	store, err := journal.Open(b.Context(), filepath.Join(b.TempDir(), "rotatord.db"), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d := deliverer{f: f, store: store, sinks: setup.Sinks, fingerprint: newSealer().Fingerprint}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(128) // they share the syncs of the disk
	for _, user := range f.users {
		group.Go(func() error { return d.deliver(ctx, user) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return afterScan(b, store, setup)
}

// afterScan runs an engine until the benchmark ends, and returns it after its first scan.
func afterScan(b *testing.B, store *journal.Store, setup *engine.Setup) *engine.Engine {
	b.Helper()
	first := firstScan{ended: make(chan struct{}), once: new(sync.Once)}
	e := engine.New(engine.Options{Store: store, Sealer: newSealer(), Log: logToNowhere(), Observer: first, Drain: time.Minute}, setup)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, store.Close()); err != nil {
			b.Error(err)
		}
	})
	<-first.ended
	return e
}

// deliverer puts a fleet's keys where rotations would have put them.
type deliverer struct {
	f           *fleet
	store       *journal.Store
	sinks       map[string]rotator.Sink
	fingerprint func(rotator.Secret) string
}

// deliver puts a user's key into the sinks and into the journal.
func (d *deliverer) deliver(ctx context.Context, user string) error {
	now, key := time.Now().UTC(), d.f.keysOf[user][0]
	text := "secret of " + key.ID
	d.f.mu.Lock()
	d.f.bySecret[text] = key
	d.f.mu.Unlock()
	secret := rotator.SecretString(text)
	r := rotator.Rotation{CredentialID: rotator.CredentialID{Provider: account, UserID: user, Base: "key"}, ServiceUser: "ci-" + user, Policy: "all",
		Reason: rotator.ReasonMaxAge, Version: 1}
	for name, sink := range d.sinks {
		place := name + "/" + user
		r.Sinks = append(r.Sinks, rotator.SinkProgress{Sink: name, Location: place})
		sink.(*rotatortest.Sink).Put(place, rotatortest.Item{Secret: text, Version: 1})
	}
	plan := rotator.Plan("r-"+user, r, now, "planned")
	if err := d.store.Commit(ctx, plan); err != nil {
		return err
	}
	after := plan.After
	after.Seq, after.Stage, after.StageAt, after.Fingerprint = 2, rotator.StageDone, now, d.fingerprint(secret)
	after.NewKey = rotator.KeyRef{ID: key.ID, Name: key.Name}
	after.Sinks = append([]rotator.SinkProgress(nil), after.Sinks...)
	for i := range after.Sinks {
		after.Sinks[i].ConfirmedAt = now
	}
	return d.store.Commit(ctx, rotator.Change{From: rotator.StagePlanned, Seq: 1, After: after, Note: "done", At: now})
}
