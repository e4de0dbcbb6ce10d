package journaltest

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const leaseTime = time.Hour

var leaseCases = []testCase{
	{"one owner", func(b *bench) {
		first := b.acquire("a", leaseTime)
		if _, err := b.AcquireLease(b.ctx, "p", "b", leaseTime); !errors.Is(err, rotator.ErrLeaseHeld) || rotator.KindOf(err) != rotator.Conflict {
			b.Fatalf("a second owner got %v", err)
		}
		if err := b.RenewLease(b.ctx, first, leaseTime); err != nil {
			b.Fatal(err)
		}
	}},
	{"given back", func(b *bench) {
		first := b.acquire("a", leaseTime)
		if err := b.ReleaseLease(b.ctx, first); err != nil {
			b.Fatal(err)
		}
		b.wantLost(b.RenewLease(b.ctx, first, leaseTime))
		b.wantLost(b.Record(rotator.WithLease(b.ctx, first), rotator.AuditEvent{Kind: rotator.AuditStart}))
		if second := b.acquire("b", leaseTime); second.Epoch <= first.Epoch {
			b.Fatalf("the epoch went from %d to %d", first.Epoch, second.Epoch)
		}
		if err := b.ReleaseLease(b.ctx, first); err != nil {
			b.Fatalf("giving back what is lost: %v", err)
		}
	}},
	{"run out", func(b *bench) {
		first := b.acquire("a", -time.Second)
		second := b.acquire("b", leaseTime)
		b.wantLost(b.RenewLease(b.ctx, first, leaseTime))
		if err := b.RenewLease(b.ctx, second, leaseTime); err != nil {
			b.Fatal(err)
		}
	}},
	{"a step of an older epoch of the same replica is refused", func(b *bench) {
		old := rotator.WithLease(b.ctx, b.acquire("a", leaseTime))
		current := rotator.WithLease(b.ctx, b.acquire("a", leaseTime))
		b.wantLost(b.Commit(old, b.plan(1)))
		if err := b.Commit(current, b.plan(1)); err != nil {
			b.Fatal(err)
		}
	}},
	{"every late write is refused and leaves nothing", func(b *bench) {
		late := rotator.WithLease(b.ctx, b.acquire("a", -time.Second))
		b.acquire("b", leaseTime)
		for name, write := range lateWrites(b) {
			if err := write(late); !errors.Is(err, rotator.ErrLeaseLost) {
				b.Errorf("%s: %v", name, err)
			}
		}
		if head, err := b.AuditHead(b.ctx); err != nil || head.Seq != 0 {
			b.Errorf("the audit record went on to %d (%v)", head.Seq, err)
		}
		if _, err := b.Rotation(b.ctx, "rotation-1"); rotator.KindOf(err) != rotator.Gone {
			b.Errorf("the rotation was stored: %v", err)
		}
	}},
	{"listed", func(b *bench) {
		l := b.acquire("a", leaseTime)
		states, err := b.LeaseStates(b.ctx)
		if err != nil || len(states) != 1 || states[0].Lease != l || !states[0].Until.After(states[0].Since) {
			b.Fatalf("got %+v (%v)", states, err)
		}
	}},
}

func (b *bench) acquire(owner string, d time.Duration) rotator.Lease {
	b.Helper()
	l, err := b.AcquireLease(b.ctx, "p", owner, d)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

func (b *bench) wantLost(err error) {
	b.Helper()
	if !errors.Is(err, rotator.ErrLeaseLost) || rotator.KindOf(err) != rotator.Conflict {
		b.Fatalf("got %v, want that the lease is lost", err)
	}
}

// lateWrites are the writes that a scan or a step makes.
func lateWrites(b *bench) map[string]func(ctx context.Context) error {
	key := rotator.TrackedKey{Provider: "p", Key: rotator.Key{ID: "1", UserID: "user-1", State: rotator.KeyActive}}
	return map[string]func(ctx context.Context) error{
		"commit":  func(ctx context.Context) error { return b.Commit(ctx, b.plan(1)) },
		"merge":   func(ctx context.Context) error { return b.Merge(ctx, "p", nil, []rotator.KeyRow{{TrackedKey: key}}) },
		"missing": func(ctx context.Context) error { return b.MarkMissing(ctx, "p", []string{"1"}, b.now) },
		"look":    func(ctx context.Context) error { return b.SetLook(ctx, key, b.now) },
		"again":   func(ctx context.Context) error { return b.LookAgain(ctx, "p", rotator.BlockHeld, b.now) },
		"earlier": func(ctx context.Context) error { return b.LookEarlier(ctx, "p", b.now) },
		"state": func(ctx context.Context) error {
			return b.SaveProviderState(ctx, rotator.ProviderState{Provider: "p", BreakerOpen: true})
		},
		"provision": func(ctx context.Context) error {
			return b.SaveProvision(ctx, rotator.Provision{DeclaredUser: rotator.DeclaredUser{Provider: "p", Label: "x"}})
		},
		"forget": func(ctx context.Context) error { return b.ForgetProvision(ctx, "p", "x") },
		"record": func(ctx context.Context) error { return b.Record(ctx, rotator.AuditEvent{Kind: rotator.AuditStart}) },
		"sent":   func(ctx context.Context) error { return b.NoticesSent(ctx, []string{"n"}) },
	}
}
