package journaltest

import (
	"errors"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var viewCases = []testCase{
	{"an empty store counts nothing", func(b *bench) {
		c, err := b.Counts(b.ctx, b.now)
		b.ok(err)
		b.same("the counts", c, rotator.Counts{
			Keys: map[string]map[string]int{}, Blocked: map[string]map[rotator.BlockReason]int{}, Orphans: map[string]int{},
		})
	}},
	{"keys are counted by provider and state", func(b *bench) {
		b.oneKeyOfEachState()
		b.merge(b.key("q", "k1", b.now))
		c, err := b.Counts(b.ctx, b.now)
		b.ok(err)
		b.same("the keys", c.Keys, map[string]map[string]int{
			"p": {"managed": 1, "unmanaged": 1, "waiting": 1, "missing": 1, "inactive": 1},
			"q": {"managed": 1},
		})
		b.same("what is blocked", c.Blocked, map[string]map[rotator.BlockReason]int{"p": {rotator.BlockHeld: 1}})
	}},
	{"rotations are counted by stage, with the oldest", func(b *bench) {
		b.start(1, rotator.StageMinting)
		r := b.commit(b.plan(2))
		b.commit(r.BeginMint(b.now.Add(-time.Hour)))
		b.start(3, rotator.StageGrace)
		b.start(4, rotator.StageDone)
		c, err := b.Counts(b.ctx, b.now)
		b.ok(err)
		b.same("the stages", c.Stages, []rotator.StageCount{
			{Provider: "p", Stage: rotator.StageGrace, Count: 1, Oldest: b.now},
			{Provider: "p", Stage: rotator.StageMinting, Count: 2, Oldest: b.now.Add(-time.Hour)},
		})
	}},
	{"blocked rotations and waiting keys are counted together", func(b *bench) {
		r := b.start(1, rotator.StageGrace)
		b.commit(r.Block(rotator.BlockHeld, "held by ada", b.now, b.now))
		r = b.start(2, rotator.StageGrace)
		b.commit(r.Block(rotator.BlockOldKeyInUse, "in use", b.now, b.now))
		b.oneKeyOfEachState()
		c, err := b.Counts(b.ctx, b.now)
		b.ok(err)
		b.same("what is blocked", c.Blocked, map[string]map[rotator.BlockReason]int{
			"p": {rotator.BlockHeld: 2, rotator.BlockOldKeyInUse: 1},
		})
	}},
	{"an orphan is an active key under an intended name that was never sealed", func(b *bench) {
		r := b.start(1, rotator.StageMinting)
		b.appears(r, "orphan", rotator.KeyActive)
		b.orphans(0) // the rotation still asks for it
		r = b.commit(r.Burn(b.now, "its secret is lost"))
		b.orphans(1)
		r = b.lead(r, rotator.StageMinting)
		b.orphans(1) // the rotation asks for another version by now
		b.appears(r, "ours", rotator.KeyActive)
		b.lead(r, rotator.StageMinted)
		b.orphans(1)
		b.ok(b.MarkMissing(b.ctx, "p", []string{"orphan"}, b.now))
		b.orphans(0)
	}},
	{"a revoked key is no orphan", func(b *bench) {
		r := b.start(1, rotator.StageMinting)
		b.appears(r, "orphan", rotator.KeyRevoked)
		b.commit(r.Burn(b.now, "its secret is lost"))
		b.orphans(0)
	}},
	{"holds in force are counted", func(b *bench) {
		b.ok(b.PutHold(b.ctx, b.hold(time.Hour)))
		over := b.hold(-time.Hour)
		over.CredentialID = credential("p", 2)
		b.ok(b.PutHold(b.ctx, over))
		c, err := b.Counts(b.ctx, b.now)
		b.ok(err)
		b.same("the holds", c.Holds, 1)
	}},
	{"what is late counts by provider and policy until every sink has the new key", func(b *bench) {
		old := func(n int, r rotator.Rotation) {
			k := b.key("p", r.OldKey.ID, b.now.Add(-time.Hour)) // due for an hour, which is all there was
			k.UserID, k.LookAt = r.UserID, time.Time{}
			if n == 3 {
				k.Expires = b.now
			}
			b.merge(k)
		}
		for n, stage := range map[int]rotator.Stage{1: rotator.StageTesting, 2: rotator.StageGrace, 3: rotator.StageAbandoning, 4: rotator.StageRevoking} {
			old(n, b.start(n, stage))
		}
		b.merge(b.key("q", "unseen", b.now.Add(-90*time.Minute)), b.key("q", "not due", b.now.Add(time.Minute)))
		unseen := b.key("r", "another provider's", b.now.Add(-time.Hour))
		b.merge(unseen)
		st, err := b.Standing(b.ctx, []string{"p", "q"}, b.now)
		b.ok(err)
		policy := b.plan(1).After.Policy
		b.same("the renewals", st.Renewals, []rotator.Renewal{
			{Provider: "p", Policy: policy, Due: 2, Expired: 1, Used: 1}, {Provider: "q", Policy: "ci", Due: 1, Used: 1.5},
		})
	}},
	{"a block counts from its beginning, and what nothing blocks from its stage, but for what has to last", func(b *bench) {
		r := b.start(1, rotator.StageGrace)
		b.commit(r.Block(rotator.BlockOldKeyInUse, "in use", b.now.Add(-time.Hour), b.now))
		r = b.start(2, rotator.StageDelivering)
		b.start(3, rotator.StageGrace)
		b.start(4, rotator.StageSoaking)
		b.oneKeyOfEachState()
		st, err := b.Standing(b.ctx, []string{"p"}, b.now)
		b.ok(err)
		b.same("the blocks", st.Blocks, []rotator.Blockage{
			{Provider: "p", Policy: r.Policy, Reason: rotator.BlockOldKeyInUse, Count: 1, Since: b.now.Add(-time.Hour)},
			{Provider: "p", Policy: "ci", Reason: rotator.BlockHeld, Count: 1, Since: b.now},
		})
		b.same("the steps", st.Steps, []rotator.Pace{{Provider: "p", Policy: r.Policy, Stage: rotator.StageDelivering, Count: 1, Since: b.now}})
	}},
	{"the oldest hold in force counts", func(b *bench) {
		for n, age := range []time.Duration{time.Minute, time.Hour, 3 * time.Hour} {
			h := b.hold(2 * time.Hour)
			h.CredentialID, h.At = credential("p", n+1), b.now.Add(-age)
			if n == 2 {
				h.Until = b.now.Add(-time.Second)
			}
			b.ok(b.PutHold(b.ctx, h))
		}
		st, err := b.Standing(b.ctx, nil, b.now)
		b.ok(err)
		b.same("the holds", st.Holds, []rotator.HoldAge{{Provider: "p", Count: 2, Since: b.now.Add(-time.Hour)}})
	}},
	{"managed keys come in the order of deadlines, those for ever last", func(b *bench) {
		b.oneKeyOfEachState()
		want := []string{"waiting", "managed"}
		forever := b.key("p", "forever", b.now)
		forever.Deadline = time.Time{}
		b.merge(forever)
		many := make([]rotator.KeyRow, 1500)
		for i := range many {
			many[len(many)-1-i] = b.key("p", fmt.Sprintf("k%04d", i), b.now.Add(time.Duration(i+1)*time.Hour))
			want = append(want, fmt.Sprintf("k%04d", i))
		}
		b.merge(many...)
		var got []string
		b.ok(b.ManagedKeys(b.ctx, func(k rotator.TrackedKey) error {
			got = append(got, k.ID)
			return nil
		}))
		b.same("the keys", got, append(want, "forever"))
	}},
	{"managed keys come whole, stop at an error and may call the store", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k, b.key("p", "k2", b.now.Add(time.Hour)))
		stop := errors.New("enough")
		err := b.ManagedKeys(b.ctx, func(got rotator.TrackedKey) error {
			b.same("the key", got, b.findKey(k.TrackedKey))
			b.merge(k)
			return stop
		})
		if !errors.Is(err, stop) {
			b.Errorf("got %v, want the error of fn", err)
		}
	}},
	{"rotations are listed open or ended, up to the limit", func(b *bench) {
		b.start(1, rotator.StageGrace)
		r := b.commit(b.plan(2))
		for i, stage := range []rotator.Stage{rotator.StageDone, rotator.StageAbandoned} {
			at := b.now
			b.now = b.now.Add(time.Duration(i) * time.Hour)
			b.start(10+i, stage)
			b.now = at
		}
		b.rotations(false, 10, "rotation-1", "rotation-2")
		b.rotations(true, 10, "rotation-11", "rotation-10")
		b.rotations(true, 1, "rotation-11")
		open, err := b.Rotations(b.ctx, false, 10)
		b.ok(err)
		b.same("a listed rotation", open[1], r)
	}},
	{"waiting keys are listed, the longest waiting first", func(b *bench) {
		b.oneKeyOfEachState()
		k := b.key("p", "longer", b.now).TrackedKey
		b.merge(rotator.KeyRow{TrackedKey: k})
		k.Waiting, k.WaitingWhy, k.WaitingSince = rotator.BlockFrozen, "year end", b.now.Add(-time.Hour)
		b.ok(b.SetLook(b.ctx, k, k.WaitingSince))
		got, err := b.WaitingKeys(b.ctx, 10)
		b.ok(err)
		b.same("the waiting keys", ids(got), []string{"longer", "waiting"})
		b.same("the first", got[0], k)
		got, err = b.WaitingKeys(b.ctx, 1)
		b.ok(err)
		b.same("the waiting keys up to 1", ids(got), []string{"longer"})
	}},
	{"an unknown rotation has no history", func(b *bench) {
		got, err := b.History(b.ctx, "none")
		b.ok(err)
		b.same("the history", got, []rotator.Entry(nil))
	}},
	{"credentials are found by glob patterns", func(b *bench) {
		b.fleet()
		cases := []struct {
			provider, user, base string
			limit                int
			want                 []string
		}{
			{"", "", "", 10, []string{"p/u1/cd", "p/u1/ci", "p/u2/ci", "q/u1/ci"}},
			{"", "", "", 2, []string{"p/u1/cd", "p/u1/ci"}},
			{"", "", "", 0, nil},
			{"p", "", "", 10, []string{"p/u1/cd", "p/u1/ci", "p/u2/ci"}},
			{"", "u2", "", 10, []string{"p/u2/ci"}},
			{"", "build-*", "c?", 10, []string{"p/u1/cd", "p/u1/ci"}},
			{"", "", "[d-z]*", 10, nil},
			{"", "U2", "", 10, nil},
			{"", "ci@*", "", 10, []string{"p/u1/cd", "p/u1/ci"}},
		}
		for _, c := range cases {
			found, err := b.FindCredentials(b.ctx, c.provider, c.user, c.base, c.limit)
			b.ok(err)
			var got []string
			for _, k := range found {
				got = append(got, k.Credential().String())
			}
			b.same(fmt.Sprintf("%q %q %q up to %d", c.provider, c.user, c.base, c.limit), got, c.want)
		}
	}},
	{"a credential is found as its newest key that is active and seen", func(b *bench) {
		v1, v2, v3, v4 := b.key("p", "v1", b.now), b.key("p", "v2", b.now), b.key("p", "v3", b.now), b.key("p", "v4", b.now)
		v2.Version, v3.Version, v4.Version = 2, 3, 4
		v4.State = rotator.KeyRevoked
		b.merge(v1, v2, v3, v4)
		b.ok(b.MarkMissing(b.ctx, "p", []string{"v3"}, b.now))
		found, err := b.FindCredentials(b.ctx, "", "", "", 10)
		b.ok(err)
		b.same("the key", found, []rotator.TrackedKey{b.findKey(v2.TrackedKey)})
	}},
	{"a malformed pattern is invalid", func(b *bench) {
		_, err := b.FindCredentials(b.ctx, "", "[", "", 10)
		b.kind(err, rotator.Invalid)
	}},
}

// oneKeyOfEachState stores five keys of provider "p", named for the state that they count as.
func (b *bench) oneKeyOfEachState() {
	b.Helper()
	unmanaged, inactive := b.key("p", "unmanaged", b.now), b.key("p", "inactive", b.now)
	unmanaged.Policy = ""
	inactive.State = rotator.KeyRevoked
	waiting, missing := b.key("p", "waiting", b.now.Add(-time.Hour)), b.key("p", "missing", b.now)
	b.merge(b.key("p", "managed", b.now), unmanaged, inactive, waiting, missing)
	for _, k := range []rotator.TrackedKey{waiting.TrackedKey, missing.TrackedKey} {
		k.Waiting = rotator.BlockHeld
		b.ok(b.SetLook(b.ctx, k, b.now))
	}
	b.ok(b.MarkMissing(b.ctx, "p", []string{"missing"}, b.now))
}

// appears lets a scan see the rotation's new key.
func (b *bench) appears(r rotator.Rotation, id string, state rotator.KeyState) {
	b.Helper()
	k := b.key(r.Provider, id, b.now)
	k.UserID, k.Name, k.Version, k.State = r.UserID, r.NewKey.Name, r.Version, state
	b.merge(k)
}

func (b *bench) orphans(want int) {
	b.Helper()
	c, err := b.Counts(b.ctx, b.now)
	b.ok(err)
	b.same("the orphans", c.Orphans["p"], want)
}

func (b *bench) rotations(final bool, limit int, want ...string) {
	b.Helper()
	got, err := b.Rotations(b.ctx, final, limit)
	b.ok(err)
	b.same(fmt.Sprintf("the rotations, final %v, up to %d", final, limit), rotationIDs(got), want)
}

// fleet stores four credentials, of which only u1 of p has a user with a name.
func (b *bench) fleet() {
	b.Helper()
	b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{{ServiceUser: rotator.ServiceUser{ID: "u1", Name: "build-bot", Email: "ci@example.com", Active: true}}}, nil))
	for i, c := range []rotator.CredentialID{{Provider: "q", UserID: "u1", Base: "ci"}, {Provider: "p", UserID: "u2", Base: "ci"},
		{Provider: "p", UserID: "u1", Base: "ci"}, {Provider: "p", UserID: "u1", Base: "cd"}} {
		k := b.key(c.Provider, fmt.Sprint("k", i), b.now)
		k.UserID, k.Base = c.UserID, c.Base
		b.merge(k)
	}
}
