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
	{"a key comes up with its hold and its neighbours", func(b *bench) {
		k, other, off := b.key("p", "k1", b.now), b.key("p", "k2", b.now.Add(time.Minute)), b.key("p", "k3", b.now.Add(2*time.Minute))
		other.Base = "cd"
		off.Base, off.State = "off", rotator.KeyDisabled
		b.merge(k, other, off)
		h := rotator.Hold{CredentialID: k.Credential(), By: "ada", Until: b.now.Add(time.Hour), Reason: "migration", At: b.now}
		b.ok(b.PutHold(b.ctx, h))
		b.same("what comes up", b.upcoming(b.now.Add(time.Hour)), []rotator.UpcomingKey{
			{TrackedKey: upcoming(k), Hold: &h, InSeries: 1, OfUser: 2},
			{TrackedKey: upcoming(other), InSeries: 1, OfUser: 2},
			{TrackedKey: upcoming(off), OfUser: 2}})
	}},
	{"keys for which nothing begins do not come up", func(b *bench) {
		older, newer := b.key("p", "older", b.now), b.key("p", "newer", b.now)
		newer.Version, newer.Name = 2, "ci-r0002"
		later := b.key("p", "later", b.now)
		older.Base, newer.Base, later.Base = "version", "version", "time"
		earlier := later
		earlier.ID, later.Created = "earlier", earlier.Created.Add(time.Second)
		rotating := b.key("p", "rotating", b.now)
		off := b.key("p", "off", b.now)
		off.UserID = "off"
		open := b.start(1, rotator.StageGrace)
		rotating.UserID, rotating.Base = open.UserID, open.Base
		b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{{ServiceUser: rotator.ServiceUser{ID: "off"}, Sum: 1}}, []rotator.KeyRow{older, newer, later, earlier, rotating, off}))
		var got []string
		for _, k := range b.upcoming(b.now) {
			got = append(got, k.ID)
			b.same("keys of the credential "+k.Base, k.InSeries, 2)
		}
		b.same("what comes up", got, []string{"later", "newer"})
	}},
	{"the user of a key that no scan showed counts as active, and a hold that ended is none", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		b.ok(b.PutHold(b.ctx, rotator.Hold{CredentialID: k.Credential(), By: "ada", Until: b.now.Add(-time.Second), Reason: "over", At: b.now}))
		b.same("what comes up", b.upcoming(b.now), []rotator.UpcomingKey{{TrackedKey: upcoming(k), InSeries: 1, OfUser: 1}})
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
		k := b.key("p", "k1", b.now)
		k.Base = "alone"
		b.merge(k)
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

// upcoming is what comes up of a key.
func upcoming(k rotator.KeyRow) rotator.TrackedKey {
	k.Version, k.Created, k.LastUsed, k.Draw, k.WaitingSince = 0, time.Time{}, time.Time{}, 0, time.Time{}
	return k.TrackedKey
}
