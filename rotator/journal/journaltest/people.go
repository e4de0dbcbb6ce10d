package journaltest

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// peopleCases are about what people lend a hand with: supplied keys and declared service users.
var peopleCases = []testCase{
	{"keys enter the ledger with the change that they come with", func(b *bench) {
		r := b.commit(b.plan(1))
		k := b.supplied("k2", r.NewKey.Name)
		b.commit(r.Supply(rotator.Minted{KeyID: k.ID}, []byte("sealed"), "fp", "ann", b.now).Entering(k))
		b.ledger("p", k)
		b.ledger("q")
	}},
	{"a change that conflicts enters nothing", func(b *bench) {
		r := b.commit(b.plan(1))
		c := r.Wait("stale", b.now).Entering(b.supplied("k2", "ci-r0002"))
		b.commit(r.Wait("first", b.now))
		b.kind(b.Commit(b.ctx, c), rotator.Conflict)
		b.ledger("p")
	}},
	{"a key in the ledger is replaced by its id, and the ledger is in the order of ids", func(b *bench) {
		r := b.commit(b.plan(1))
		first, second := b.supplied("a", "ci-r0002"), b.supplied("b", "ci-r0003")
		r = b.commit(r.Wait("both", b.now).Entering(second, first))
		first.State = rotator.KeyRevoked
		b.commit(r.Wait("one is gone", b.now).Entering(first))
		b.ledger("p", first, second)
	}},
	{"a supplied key's name is known, and its secret sealed", func(b *bench) {
		r := b.commit(b.plan(1))
		b.commit(r.Supply(rotator.Minted{KeyID: "k2"}, []byte("sealed"), "fp", "ann", b.now))
		rec, err := b.Name(b.ctx, "p", r.UserID, r.NewKey.Name)
		b.ok(err)
		b.same("the name", rec, rotator.NameRecord{Rotation: r.ID, Version: r.Version, Sealed: true})
		got, err := b.Rotation(b.ctx, r.ID)
		b.ok(err)
		b.same("the sealed secret", got.Sealed, []byte("sealed"))
	}},
	{"a change that says nothing new leaves no line in the history", func(b *bench) {
		r := b.commit(b.plan(1))
		for range 3 {
			r = b.commit(r.Block(rotator.BlockAwaitingSupply, "make a key", b.now, b.now.Add(time.Hour)))
		}
		r = b.commit(r.Block(rotator.BlockAwaitingSupply, "make a key soon", b.now, b.now.Add(time.Hour)))
		var notes []string
		history, err := b.History(b.ctx, r.ID)
		b.ok(err)
		for _, entry := range history {
			notes = append(notes, entry.Note)
		}
		b.same("the notes", notes, []string{"planned", "make a key", "make a key soon"})
		b.stored(r)
	}},
	{"abandoned rotations in a row are counted from the latest back", func(b *bench) {
		b.abandoned(0)
		b.start(1, rotator.StageDone)
		b.abandoned(0)
		for i := range 3 {
			b.now = b.now.Add(time.Minute)
			r := draft(credential("p", 1), b.now)
			r.Version = 10 + i
			b.lead(b.commit(rotator.Plan(fmt.Sprint("again-", i), r, b.now, "planned")), rotator.StageAbandoned)
		}
		b.abandoned(3)
		b.now = b.now.Add(time.Minute)
		r := draft(credential("p", 1), b.now)
		r.Version = 20
		b.lead(b.commit(rotator.Plan("well", r, b.now, "planned")), rotator.StageDone)
		b.abandoned(0)
	}},
	{"a key whose rotation failed waits for that reason until it is tried again", func(b *bench) {
		b.ok(b.Merge(b.ctx, "p", nil, []rotator.KeyRow{b.key("p", draft(credential("p", 1), b.now).OldKey.ID, b.now)}))
		r := b.start(1, rotator.StageAbandoning)
		b.commit(r.Abandon(b.now, b.now.Add(time.Hour)))
		waiting, err := b.WaitingKeys(b.ctx, 10)
		b.ok(err)
		if len(waiting) != 1 || waiting[0].Waiting != rotator.BlockRotationFailed || waiting[0].WaitingWhy != "refused" || !waiting[0].LookAt.Equal(b.now.Add(time.Hour)) {
			b.Errorf("waiting %+v", waiting)
		}
	}},
	{"declared service users come back exactly, by provider and label", func(b *bench) {
		x, y, z := b.declared("p", "y"), b.declared("p", "x"), b.declared("q", "a")
		x.State, x.UserID, x.Drift = rotator.ProvisionPresent, "7", []rotator.Difference{{Attribute: "email", Want: []string{"a"}, Have: []string{"b"}}}
		for _, p := range []rotator.Provision{x, y, z} {
			b.ok(b.SaveProvision(b.ctx, p))
		}
		b.provisions("p", y, x)
		b.provisions("", y, x, z)
		x.State, x.Drift = rotator.ProvisionVanished, nil
		b.ok(b.SaveProvision(b.ctx, x))
		b.ok(b.ForgetProvision(b.ctx, "p", "x"))
		b.ok(b.ForgetProvision(b.ctx, "p", "x"))
		b.provisions("", x, z)
	}},
}

func (b *bench) abandoned(want int) {
	b.Helper()
	got, err := b.Abandoned(b.ctx, credential("p", 1), 8)
	b.ok(err)
	b.same("how many were abandoned", got, want)
}

func (b *bench) supplied(id, name string) rotator.Key {
	return rotator.Key{ID: id, UserID: "user-1", Name: name, Created: b.now, Expires: b.now.Add(time.Hour), State: rotator.KeyActive}
}

func (b *bench) ledger(provider string, want ...rotator.Key) {
	b.Helper()
	var got []rotator.Key
	b.ok(b.LedgerKeys(b.ctx, provider, func(k rotator.Key) error {
		got = append(got, k)
		return nil
	}))
	b.same("the ledger of "+provider, got, want)
}

func (b *bench) declared(provider, label string) rotator.Provision {
	return rotator.Provision{
		DeclaredUser: rotator.DeclaredUser{Provider: provider, Label: label, Credential: "ci", FixDrift: true,
			Spec: rotator.UserSpec{Kind: rotator.ServiceKind, Email: "ci@example.com", KeyName: "ci-r0001", Containers: []string{"5"}}},
		State: rotator.ProvisionIntended, At: b.now, Actor: "ann", Trouble: "the answer was lost",
	}
}

func (b *bench) provisions(provider string, want ...rotator.Provision) {
	b.Helper()
	got, err := b.Provisions(b.ctx, provider)
	b.ok(err)
	b.same("the declared service users of "+provider, got, want)
}
