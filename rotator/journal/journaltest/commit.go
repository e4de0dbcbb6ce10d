package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var commitCases = []testCase{
	{"a new rotation can be read by id and as the open one", func(b *bench) {
		r := b.commit(b.plan(1))
		b.stored(r)
		open, err := b.OpenRotation(b.ctx, r.CredentialID)
		b.ok(err)
		b.same("the open rotation", open, r)
	}},
	{"a rotation comes back exactly in every stage", func(b *bench) {
		for i, stage := range rotator.Stages() {
			b.stored(b.start(i, stage))
		}
	}},
	{"what does not exist is gone", func(b *bench) {
		_, err := b.Rotation(b.ctx, "none")
		b.kind(err, rotator.Gone)
		_, err = b.OpenRotation(b.ctx, credential("p", 1))
		b.kind(err, rotator.Gone)
		_, err = b.Name(b.ctx, "p", "user-1", "ci-r0002")
		b.kind(err, rotator.Gone)
	}},
	{"an ended rotation is not the open one", func(b *bench) {
		r := b.start(1, rotator.StageDone)
		_, err := b.OpenRotation(b.ctx, r.CredentialID)
		b.kind(err, rotator.Gone)
	}},
	{"another seq is a conflict and writes nothing", func(b *bench) {
		r := b.commit(b.plan(1))
		c := r.BeginMint(b.now)
		c.Seq, c.After.Seq = 5, 6
		b.refusedChange(c, r)
	}},
	{"another stage is a conflict and writes nothing", func(b *bench) {
		r := b.start(1, rotator.StageMinting)
		c := r.MintUnknown(errors.New("lost"), b.now, time.Minute, b.now)
		c.From = rotator.StagePlanned
		b.refusedChange(c, r)
	}},
	{"the same change twice is a conflict", func(b *bench) {
		r := b.commit(b.plan(1))
		c := r.BeginMint(b.now)
		b.refusedChange(c, b.commit(c))
	}},
	{"a change of an unknown rotation is a conflict", func(b *bench) {
		c := b.plan(1)
		b.kind(b.Commit(b.ctx, c.After.BeginMint(b.now)), rotator.Conflict)
		_, err := b.Rotation(b.ctx, c.After.ID)
		b.kind(err, rotator.Gone)
	}},
	{"a second rotation with the id is a conflict", func(b *bench) {
		r := b.start(1, rotator.StageDone)
		c := b.plan(1)
		b.refusedChange(c, r)
	}},
	{"a second open rotation of the credential is a conflict and leaves nothing", func(b *bench) {
		first := b.commit(b.plan(1))
		second := b.plan(1)
		second.After.ID, second.After.Version = "second", 9
		second.After.Sinks[0].Location = "elsewhere"
		b.kind(b.Commit(b.ctx, second), rotator.Conflict)
		b.stored(first)
		b.leftNothing(second)
	}},
	{"after the end another can be planned", func(b *bench) {
		b.start(1, rotator.StageAbandoned)
		c := b.plan(1)
		c.After.ID = "second"
		b.stored(b.commit(c))
	}},
	{"a location of another credential is a conflict that says so and leaves nothing", func(b *bench) {
		first := b.commit(b.plan(1))
		second := b.plan(2)
		second.After.Sinks[0].Location = "elsewhere"
		second.After.Sinks[1] = first.Sinks[1]
		err := b.Commit(b.ctx, second)
		b.kind(err, rotator.Conflict)
		if !errors.Is(err, rotator.ErrLocationTaken) {
			b.Errorf("%v does not wrap ErrLocationTaken", err)
		}
		b.leftNothing(second)
	}},
	{"an end and the plan of what follows it are one commit", func(b *bench) {
		r := b.start(1, rotator.StageRevoking)
		c, then := b.followed(r)
		end := b.commit(c)
		b.stored(end)
		b.stored(then.After)
		open, err := b.OpenRotation(b.ctx, r.CredentialID)
		b.ok(err)
		b.same("the open rotation", open.ID, then.After.ID)
		b.version(then.After.Version)
		entries, err := b.History(b.ctx, then.After.ID)
		b.ok(err)
		if len(entries) != 1 || entries[0].To != rotator.StagePlanned {
			b.Errorf("the history of what follows: %+v", entries)
		}
	}},
	{"an end is refused together with what follows it", func(b *bench) {
		taken := b.commit(b.plan(2))
		r := b.start(1, rotator.StageRevoking)
		for what, spoil := range map[string]func(c, then *rotator.Change){
			"a location of another credential": func(_, then *rotator.Change) { then.After.Sinks[1] = taken.Sinks[1] },
			"an id that is there already":      func(_, then *rotator.Change) { then.After.ID = taken.ID },
			"an end that came too late":        func(c, _ *rotator.Change) { c.Seq--; c.After.Seq-- },
		} {
			c, then := b.followed(r)
			spoil(&c, then)
			b.refusedChange(c, r)
			if then.After.ID == taken.ID {
				b.stored(taken)
			} else if _, err := b.Rotation(b.ctx, then.After.ID); rotator.KindOf(err) != rotator.Gone {
				b.Errorf("%s: what follows was planned: %v", what, err)
			}
			v, err := b.HighestVersion(b.ctx, r.CredentialID)
			b.ok(err)
			b.same("the highest version", v, r.Version)
		}
	}},
	{"nothing follows a change that ends nothing", func(b *bench) {
		r := b.start(1, rotator.StageGrace)
		c := r.BeginDeactivate(b.now)
		_, c.Then = b.followed(b.start(2, rotator.StageRevoking))
		b.kind(b.Commit(b.ctx, c), rotator.Invalid)
		b.stored(r)
	}},
	{"a location of a credential that has no active key any more can be taken over", func(b *bench) {
		first := b.start(1, rotator.StageDone)
		b.appears(first, "gone", rotator.KeyRevoked)
		second := b.plan(2)
		second.After.Sinks = second.After.Sinks[:1]
		second.After.Sinks[0].Location = first.Sinks[0].Location
		b.stored(b.commit(second))
		third := b.plan(1)
		third.After.ID, third.After.Version = "third", 9
		if err := b.Commit(b.ctx, third); !errors.Is(err, rotator.ErrLocationTaken) {
			b.Errorf("the one before got it back beside the new one: %v", err)
		}
	}},
	{"a location stays claimed after the end of the rotation while the credential has an active key", func(b *bench) {
		first := b.start(1, rotator.StageDone)
		b.appears(first, "living", rotator.KeyActive)
		second := b.plan(2)
		second.After.Sinks = second.After.Sinks[:1]
		second.After.Sinks[0].Location = first.Sinks[0].Location
		if err := b.Commit(b.ctx, second); !errors.Is(err, rotator.ErrLocationTaken) {
			b.Errorf("got %v, want ErrLocationTaken", err)
		}
	}},
	{"a location stays claimed for a week after a rotation whose new key no scan has shown", func(b *bench) {
		first := b.start(1, rotator.StageDone)
		second := b.plan(2)
		second.After.Sinks = second.After.Sinks[:1]
		second.After.Sinks[0].Location = first.Sinks[0].Location
		if err := b.Commit(b.ctx, second); !errors.Is(err, rotator.ErrLocationTaken) {
			b.Errorf("got %v, want ErrLocationTaken", err)
		}
		second.After.PlannedAt = first.StageAt.Add(8 * 24 * time.Hour)
		b.stored(b.commit(second))
	}},
	{"the same location at another sink is free", func(b *bench) {
		first := b.commit(b.plan(1))
		second := b.plan(2)
		second.After.Sinks = []rotator.SinkProgress{{Sink: "other", Location: first.Sinks[0].Location}}
		b.stored(b.commit(second))
	}},
	{"of many who commit one change one succeeds", func(b *bench) {
		r := b.commit(b.plan(1))
		errs := b.together(16, func(int) error { return b.Commit(b.ctx, r.BeginMint(b.now)) })
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			b.kind(err, rotator.Conflict)
		}
		if won != 1 {
			b.Errorf("%d of 16 succeeded, want 1", won)
		}
	}},
	{"a conflict does not touch the commits beside it", func(b *bench) {
		stale := b.start(0, rotator.StageMinting)
		errs := b.together(64, func(i int) error {
			if i%2 == 0 {
				c := stale.MintUnknown(errors.New("lost"), b.now, time.Minute, b.now)
				c.Seq, c.After.Seq = 1, 2
				return b.Commit(b.ctx, c)
			}
			return b.Commit(b.ctx, b.plan(i))
		})
		for i, err := range errs {
			if i%2 == 0 {
				b.kind(err, rotator.Conflict)
				continue
			}
			b.ok(err)
			b.stored(b.plan(i).After)
		}
		b.stored(stale)
	}},
	{"a call whose context has ended changes nothing", func(b *bench) {
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		c := b.plan(1)
		if err := b.Commit(ctx, c); !errors.Is(err, context.Canceled) {
			b.Errorf("got %v, want an error that wraps context.Canceled", err)
		}
		b.commit(b.plan(2)) // whatever was queued before is done when this is
		b.leftNothing(c)
	}},
}

// followed ends r, and plans right after it a rotation of its new key.
func (b *bench) followed(r rotator.Rotation) (rotator.Change, *rotator.Change) {
	b.Helper()
	c := r.Finish(b.now, "the old key is gone")
	next := draft(r.CredentialID, b.now)
	next.Version, next.OldKey = r.Version+1, r.NewKey
	then := rotator.Plan("after-"+r.ID, next, b.now, "planned")
	c.Then = &then
	return c, &then
}

// refusedChange commits c, which must be a conflict, and checks that the rotation is what it was.
func (b *bench) refusedChange(c rotator.Change, was rotator.Rotation) {
	b.Helper()
	before, err := b.History(b.ctx, was.ID)
	b.ok(err)
	b.kind(b.Commit(b.ctx, c), rotator.Conflict)
	b.stored(was)
	after, err := b.History(b.ctx, was.ID)
	b.ok(err)
	b.same("the history", after, before)
}

// leftNothing checks that a refused plan left no rotation, no version and no claim on the location "elsewhere".
func (b *bench) leftNothing(c rotator.Change) {
	b.Helper()
	_, err := b.Rotation(b.ctx, c.After.ID)
	b.kind(err, rotator.Gone)
	v, err := b.HighestVersion(b.ctx, c.After.CredentialID)
	b.ok(err)
	if v == c.After.Version {
		b.Errorf("the refused version %d was recorded", v)
	}
	entries, err := b.History(b.ctx, c.After.ID)
	b.ok(err)
	b.same("the history of a refused rotation", entries, []rotator.Entry(nil))
	third := b.plan(77)
	third.After.Sinks[0].Location = "elsewhere"
	b.commit(third)
}

// together runs fn n times at once and returns the errors in order.
func (b *bench) together(n int, fn func(i int) error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	return errs
}

var effectCases = []testCase{
	{"planned takes the old key out of the keys to look at", func(b *bench) {
		k := b.key("p", "key-user-1", b.now)
		b.merge(k)
		waiting := k.TrackedKey
		waiting.Waiting, waiting.WaitingWhy = rotator.BlockHeld, "held by ada"
		b.ok(b.SetLook(b.ctx, waiting, b.now))
		b.commit(b.plan(1))
		want := k.TrackedKey
		want.LookAt = time.Time{}
		b.same("the old key", b.findKey(want), want)
	}},
	{"a first key needs no old one", func(b *bench) {
		c := b.plan(1)
		c.After.OldKey = rotator.KeyRef{}
		b.stored(b.commit(c))
	}},
	{"planned raises the highest version and nothing lowers it", func(b *bench) {
		b.version(0)
		c := b.plan(1)
		c.After.Version = 7
		r := b.commit(c)
		b.version(7)
		b.commit(r.Supersede(b.now, "no longer due", time.Time{}))
		b.version(7)
		c = b.plan(1)
		c.After.ID, c.After.Version = "second", 3
		b.commit(c)
		b.version(7)
	}},
	{"a planned rotation that takes another number raises it", func(b *bench) {
		r := b.commit(b.plan(1))
		b.commit(r.Renumber(5, "the name is taken"))
		b.version(5)
	}},
	{"a burnt name raises it", func(b *bench) {
		r := b.start(1, rotator.StageMinting)
		b.commit(r.Burn(b.now, "its secret is lost"))
		b.version(3)
	}},
	{"minting records the name, minted that it was sealed", func(b *bench) {
		r := b.commit(b.plan(1))
		_, err := b.Name(b.ctx, r.Provider, r.UserID, r.NewKey.Name)
		b.kind(err, rotator.Gone)
		r = b.lead(r, rotator.StageMinting)
		b.name(r, rotator.NameRecord{Rotation: r.ID, Version: 2})
		r = b.lead(r, rotator.StageMinted)
		b.name(r, rotator.NameRecord{Rotation: r.ID, Version: 2, Sealed: true})
		r = b.lead(r, rotator.StageDone)
		b.name(r, rotator.NameRecord{Rotation: r.ID, Version: 2, Sealed: true})
	}},
	{"a burnt name stays unsealed beside the next", func(b *bench) {
		r := b.start(1, rotator.StageMinting)
		burnt := r
		r = b.lead(b.commit(r.Burn(b.now, "its secret is lost")), rotator.StageMinted)
		b.name(burnt, rotator.NameRecord{Rotation: r.ID, Version: 2})
		b.name(r, rotator.NameRecord{Rotation: r.ID, Version: 3, Sealed: true})
	}},
	{"the sealed secret lives from minted to confirmed", func(b *bench) {
		r := b.start(1, rotator.StageMinting)
		b.sealed(r, false)
		for _, stage := range []rotator.Stage{rotator.StageMinted, rotator.StageTesting, rotator.StageDelivering} {
			r = b.lead(r, stage)
			b.sealed(r, true)
		}
		r = b.commit(r.Delivered(r.Sinks, b.now, "one sink is down"))
		b.sealed(r, true)
		for _, stage := range []rotator.Stage{rotator.StageConfirmed, rotator.StageGrace, rotator.StageDone} {
			r = b.lead(r, stage)
			b.sealed(r, false)
		}
	}},
	{"the sealed secret is overwritten when the rotation is abandoned", func(b *bench) {
		r := b.start(1, rotator.StageAbandoning)
		b.sealed(r, true)
		b.sealed(b.lead(r, rotator.StageAbandoned), false)
	}},
	{"abandoned puts the old key back to be looked at", func(b *bench) {
		k := b.key("p", "key-user-1", b.now)
		b.merge(k)
		r := b.commit(b.plan(1))
		b.commit(r.Supersede(b.now, "no longer due", b.now.Add(time.Hour)))
		got := b.findKey(k.TrackedKey)
		b.same("its LookAt", got.LookAt, b.now.Add(time.Hour))
	}},
	{"abandoned without a time to retry leaves it out", func(b *bench) {
		k := b.key("p", "key-user-1", b.now)
		b.merge(k)
		r := b.commit(b.plan(1))
		b.commit(r.Supersede(b.now, "the user is gone", time.Time{}))
		b.same("its LookAt", b.findKey(k.TrackedKey).LookAt, time.Time{})
	}},
	{"every commit is a line of the history, oldest first", func(b *bench) {
		r := b.commit(b.plan(1))
		r = b.commit(r.BeginMint(b.now))
		r = b.commit(r.MintUnknown(errors.New("reset"), b.now, time.Minute, b.now))
		entries, err := b.History(b.ctx, r.ID)
		b.ok(err)
		for i := range entries {
			if entries[i].At.IsZero() {
				b.Errorf("line %d has no time", i)
			}
			entries[i].At = time.Time{}
		}
		b.same("the history", entries, []rotator.Entry{
			{Rotation: r.ID, Seq: 1, To: rotator.StagePlanned, Note: "planned"},
			{Rotation: r.ID, Seq: 2, From: rotator.StagePlanned, To: rotator.StageMinting, Note: "asking the provider for ci-r0002"},
			{Rotation: r.ID, Seq: 3, From: rotator.StageMinting, To: rotator.StageMinting,
				Note: "the answer was lost, asking the provider what happened: reset"},
		})
	}},
}

// version checks the highest version of the first credential.
func (b *bench) version(want int) {
	b.Helper()
	got, err := b.HighestVersion(b.ctx, credential("p", 1))
	b.ok(err)
	b.same("the highest version", got, want)
}

func (b *bench) name(r rotator.Rotation, want rotator.NameRecord) {
	b.Helper()
	got, err := b.Name(b.ctx, r.Provider, r.UserID, r.NewKey.Name)
	b.ok(err)
	b.same("the record of "+r.NewKey.Name, got, want)
}

func (b *bench) sealed(r rotator.Rotation, want bool) {
	b.Helper()
	got, err := b.Rotation(b.ctx, r.ID)
	b.ok(err)
	if (len(got.Sealed) > 0) != want {
		b.Errorf("in %s there is a sealed secret: %v, want %v", r.Stage, len(got.Sealed) > 0, want)
	}
	if want && string(got.Sealed) != fmt.Sprint("sealed:", r.ID) {
		b.Errorf("in %s the sealed secret is another", r.Stage)
	}
}
