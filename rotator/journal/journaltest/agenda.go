package journaltest

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var agendaCases = []testCase{
	{"keys come up in the order of their looks, and none behind the span", func(b *bench) {
		b.merge(b.key("p", "k2", b.now.Add(2*time.Hour)), b.key("p", "k1", b.now.Add(time.Hour)), b.key("p", "k3", b.now.Add(3*time.Hour)))
		b.merge(b.key("q", "other", b.now))
		never := b.key("p", "never", b.now)
		never.LookAt = time.Time{}
		b.merge(never)
		got := b.upcoming(b.now.Add(2 * time.Hour))
		if len(got) != 2 || got[0].ID != "k1" || got[1].ID != "k2" {
			b.Errorf("%+v came up, want k1 and k2", got)
		}
	}},
	{"a key comes up with its hold, its user and its series", func(b *bench) {
		k, newer, disabled := b.key("p", "k1", b.now), b.key("p", "k2", b.now.Add(time.Minute)), b.key("p", "k3", b.now.Add(2*time.Minute))
		newer.Version, newer.Name = 2, "ci-r0002"
		disabled.Base, disabled.State = "cd", rotator.KeyDisabled
		b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{{ServiceUser: rotator.ServiceUser{ID: k.UserID}, Sum: 1}}, []rotator.KeyRow{k, newer, disabled}))
		h := rotator.Hold{CredentialID: k.Credential(), By: "ada", Until: b.now.Add(time.Hour), Reason: "migration", At: b.now}
		b.ok(b.PutHold(b.ctx, h))
		got := b.upcoming(b.now.Add(time.Hour))
		want := []rotator.UpcomingKey{
			{TrackedKey: k.TrackedKey, Hold: &h, Superseded: true, InSeries: 2, OfUser: 2},
			{TrackedKey: newer.TrackedKey, Hold: &h, InSeries: 2, OfUser: 2},
			{TrackedKey: disabled.TrackedKey, OfUser: 2},
		}
		b.same("what comes up", got, want)
	}},
	{"the user of a key that no scan showed counts as active, and a hold that ended is none", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		b.ok(b.PutHold(b.ctx, rotator.Hold{CredentialID: k.Credential(), By: "ada", Until: b.now.Add(-time.Second), Reason: "over", At: b.now}))
		b.same("what comes up", b.upcoming(b.now), []rotator.UpcomingKey{{TrackedKey: k.TrackedKey, UserActive: true, InSeries: 1, OfUser: 1}})
	}},
	{"open rotations come up in the order of their next steps, each with its hold, and nothing is changed", func(b *bench) {
		first, second, ended := b.start(1, rotator.StageGrace), b.start(2, rotator.StagePlanned), b.start(3, rotator.StageDone)
		h := rotator.Hold{CredentialID: second.CredentialID, By: "ada", Until: b.now.Add(time.Hour), Reason: "migration", At: b.now}
		b.ok(b.PutHold(b.ctx, h))
		held := map[string]*rotator.Hold{}
		err := b.UpcomingRotations(b.ctx, "p", b.now, first.NextAt.Add(second.NextAt.Sub(b.now).Abs()), func(r rotator.Rotation, h *rotator.Hold) error {
			held[r.ID] = h
			return nil
		})
		b.ok(err)
		if _, came := held[ended.ID]; came || len(held) != 2 {
			b.Errorf("%v came up, want the two open ones", held)
		}
		b.same("the first one's hold", held[first.ID], (*rotator.Hold)(nil))
		b.same("the second one's hold", held[second.ID], &h)
		b.stored(first)
		b.stored(second)
	}},
	{"a walk ends with the error of its caller", func(b *bench) {
		b.merge(b.key("p", "k1", b.now))
		b.start(1, rotator.StagePlanned)
		enough := rotator.NewFault("test", rotator.Gone, "enough")
		until := b.now.Add(time.Hour)
		b.kind(b.UpcomingKeys(b.ctx, "p", b.now, until, func(rotator.UpcomingKey) error { return enough }), rotator.Gone)
		b.kind(b.UpcomingRotations(b.ctx, "p", b.now, until, func(rotator.Rotation, *rotator.Hold) error { return enough }), rotator.Gone)
	}},
}

// upcoming lists the keys of provider p that come up.
func (b *bench) upcoming(until time.Time) []rotator.UpcomingKey {
	b.Helper()
	var got []rotator.UpcomingKey
	b.ok(b.UpcomingKeys(b.ctx, "p", b.now, until, func(k rotator.UpcomingKey) error {
		got = append(got, k)
		return nil
	}))
	return got
}
