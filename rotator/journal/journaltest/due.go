package journaltest

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var dueCases = []testCase{
	{"a rotation is due at its time and not before", func(b *bench) {
		r := b.commit(b.plan(1))
		r = b.commit(r.Wait("not yet", b.now.Add(time.Hour)))
		b.due("p", b.now.Add(time.Hour-time.Millisecond), false, 10)
		b.due("p", b.now.Add(time.Hour), false, 10, r.ID)
		b.due("p", b.now.Add(2*time.Hour), false, 10, r.ID)
	}},
	{"a fraction of a millisecond is not too early", func(b *bench) {
		at := b.now.Add(time.Hour + 300*time.Microsecond)
		r := b.commit(b.plan(1))
		r = b.commit(r.Wait("not yet", at))
		b.due("p", at.Add(-100*time.Microsecond), false, 10)
		next, err := b.NextDue(b.ctx, "p", false)
		b.ok(err)
		b.due("p", next, false, 10, r.ID)
		b.stored(r)
	}},
	{"the longest due comes first, up to the limit", func(b *bench) {
		for i := range 5 {
			r := b.commit(b.plan(i))
			b.commit(r.Wait("not yet", b.now.Add(time.Duration(-i)*time.Minute)))
		}
		b.due("p", b.now, false, 10, "rotation-4", "rotation-3", "rotation-2", "rotation-1", "rotation-0")
		b.due("p", b.now, false, 2, "rotation-4", "rotation-3")
		b.due("p", b.now, false, 0)
	}},
	{"what is due comes back whole", func(b *bench) {
		r := b.start(1, rotator.StageMinted)
		got, err := b.Due(b.ctx, "p", b.now, false, 10)
		b.ok(err)
		b.same("what is due", got, []rotator.Rotation{r})
	}},
	{"other providers are left out", func(b *bench) {
		b.commit(b.plan(1))
		other := rotator.Plan("other", draft(credential("q", 1), b.now), b.now.Add(-time.Hour), "planned")
		b.commit(other)
		b.due("p", b.now, false, 10, "rotation-1")
		b.due("q", b.now, false, 10, "other")
		b.next("q", false, b.now.Add(-time.Hour))
		b.due("r", b.now, false, 10)
	}},
	{"ended rotations are never due", func(b *bench) {
		b.start(1, rotator.StageDone)
		b.start(2, rotator.StageAbandoned)
		b.due("p", b.now.Add(1000*time.Hour), false, 10)
		b.due("p", b.now.Add(1000*time.Hour), true, 10)
		b.next("p", false, time.Time{})
	}},
	{"while paused only stages that do not call the provider are due", func(b *bench) {
		later := b.now.Add(100 * time.Hour)
		var want []string
		for i, stage := range rotator.Stages() {
			r := b.start(i, stage)
			if !stage.CallsProvider() && !stage.Final() {
				want = append(want, r.ID)
			}
		}
		b.due("p", later, true, 100, want...)
	}},
	{"the next due time is the earliest", func(b *bench) {
		b.next("p", false, time.Time{})
		for i := range 3 {
			r := b.commit(b.plan(i))
			b.commit(r.Wait("not yet", b.now.Add(time.Duration(3-i)*time.Hour)))
		}
		b.next("p", false, b.now.Add(time.Hour))
	}},
	{"while paused the next due time is that of stages that do not call the provider", func(b *bench) {
		b.commit(b.plan(1))
		b.next("p", true, time.Time{})
		r := b.start(2, rotator.StageDelivering)
		sinks := r.Sinks
		for i := range sinks {
			sinks[i].NextAt = b.now.Add(time.Hour)
		}
		b.commit(r.Delivered(sinks, b.now, "sinks are down"))
		b.next("p", true, b.now.Add(time.Hour))
		b.next("p", false, b.now)
	}},
}

// due checks what is due, in order.
func (b *bench) due(provider string, now time.Time, paused bool, limit int, want ...string) {
	b.Helper()
	got, err := b.Due(b.ctx, provider, now, paused, limit)
	b.ok(err)
	b.same(fmt.Sprintf("due at %s, paused %v", now, paused), rotationIDs(got), want)
}

func (b *bench) next(provider string, paused bool, want time.Time) {
	b.Helper()
	got, err := b.NextDue(b.ctx, provider, paused)
	b.ok(err)
	b.same("the next due time", got, want)
}
