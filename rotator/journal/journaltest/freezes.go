package journaltest

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var freezeCases = []testCase{
	{"freezes come back until they end, the one that ends first before the others", func(b *bench) {
		long, short, over := b.freeze("long", 3*time.Hour), b.freeze("short", time.Hour), b.freeze("over", -time.Second)
		short.UnlessExpiresWithin = 90 * time.Minute
		for _, f := range []rotator.PlacedFreeze{long, short, over} {
			b.ok(b.PutFreeze(b.ctx, f))
		}
		b.freezes(b.now, short, long)
		b.freezes(short.To.Add(-time.Millisecond), short, long)
		b.freezes(short.To, long)
	}},
	{"a name is taken once", func(b *bench) {
		f := b.freeze("f", time.Hour)
		b.ok(b.PutFreeze(b.ctx, f))
		again := b.freeze("f", 2*time.Hour)
		b.kind(b.PutFreeze(b.ctx, again), rotator.Conflict)
		b.freezes(b.now, f)
	}},
	{"a freeze that is lifted is gone, and cannot be lifted again", func(b *bench) {
		f := b.freeze("f", time.Hour)
		b.ok(b.PutFreeze(b.ctx, f))
		b.ok(b.LiftFreeze(b.ctx, f.ID, "ann", b.now))
		b.freezes(b.now)
		b.kind(b.LiftFreeze(b.ctx, f.ID, "ann", b.now), rotator.Gone)
	}},
	{"after a freeze is lifted the keys that it stopped are looked at at once, and nothing else", func(b *bench) {
		later := b.now.Add(1000 * time.Hour)
		frozen, held := b.key("p", "k1", later), b.key("p", "k2", later)
		b.merge(frozen, held)
		frozen.Waiting, held.Waiting = rotator.BlockFrozen, rotator.BlockHeld
		b.ok(b.SetLook(b.ctx, frozen.TrackedKey, b.now))
		b.ok(b.SetLook(b.ctx, held.TrackedKey, b.now))
		f := b.freeze("f", time.Hour)
		b.ok(b.PutFreeze(b.ctx, f))
		b.ok(b.LiftFreeze(b.ctx, f.ID, "ann", b.now))
		keys, err := b.KeysToLookAt(b.ctx, "p", b.now, 10)
		b.ok(err)
		b.same("the keys to look at", ids(keys), []string{"k1"})
	}},
	{"both are recorded with who did it", func(b *bench) {
		f := b.freeze("f", time.Hour)
		b.ok(b.PutFreeze(b.ctx, f))
		b.ok(b.LiftFreeze(b.ctx, f.ID, "ann", b.now))
		told := b.records("freeze done", "lift done")
		b.same("who placed and who lifted it", []string{told[0].Actor, told[1].Actor}, []string{"ada", "ann"})
		b.same("what it was", told[1].Note, "f: release week")
	}},
}

func (b *bench) freeze(id string, length time.Duration) rotator.PlacedFreeze {
	return rotator.PlacedFreeze{ID: id, By: "ada", At: b.now,
		Freeze: rotator.Freeze{From: b.now.Add(-time.Hour), To: b.now.Add(length), Reason: "release week"}}
}

func (b *bench) freezes(now time.Time, want ...rotator.PlacedFreeze) {
	b.Helper()
	got, err := b.PlacedFreezes(b.ctx, now)
	b.ok(err)
	b.same("the freezes", got, want)
}
