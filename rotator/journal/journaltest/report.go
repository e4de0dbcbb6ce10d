package journaltest

import (
	"errors"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var reportCases = []testCase{
	{"an empty store reports nothing", func(b *bench) {
		b.report(rotator.KeyQuery{})
	}},
	{"every key is reported, in the order of provider and id", func(b *bench) {
		b.oneKeyOfEachState()
		b.merge(b.key("q", "a", b.now), b.key("q", "B", b.now))
		b.report(rotator.KeyQuery{}, "p/inactive", "p/managed", "p/missing", "p/unmanaged", "p/waiting", "q/B", "q/a")
	}},
	{"keys are reported by provider, policy and class", func(b *bench) {
		b.oneKeyOfEachState()
		other := b.key("q", "other", b.now)
		other.Policy = "other"
		expired := b.key("q", "expired", b.now)
		expired.Expires = b.now
		b.merge(other, expired)
		classes := func(c ...rotator.Class) rotator.KeyQuery { return rotator.KeyQuery{Classes: c} }
		b.report(rotator.KeyQuery{Provider: "q"}, "q/expired", "q/other")
		b.report(rotator.KeyQuery{Provider: "p", Policy: "other"})
		b.report(rotator.KeyQuery{Policy: "other"}, "q/other")
		b.report(rotator.KeyQuery{Provider: "?"})
		b.report(classes(rotator.ClassExpired), "q/expired")
		b.report(classes(rotator.ClassGone, rotator.ClassInactive), "p/inactive", "p/missing")
		b.report(rotator.KeyQuery{Provider: "p", Classes: []rotator.Class{rotator.ClassManaged}, Limit: 1}, "p/managed")
	}},
	{"a report goes on after a key, of one provider and of all, and ends at its limit", func(b *bench) {
		b.merge(b.key("p", "a", b.now), b.key("p", "b", b.now))
		b.merge(b.key("q", "a", b.now))
		after := func(provider, id string) rotator.KeyCursor { return rotator.KeyCursor{Provider: provider, ID: id} }
		b.report(rotator.KeyQuery{Limit: 2}, "p/a", "p/b")
		b.report(rotator.KeyQuery{After: after("p", "a")}, "p/b", "q/a")
		b.report(rotator.KeyQuery{After: after("p", "aa"), Limit: 1}, "p/b")
		b.report(rotator.KeyQuery{After: after("pp", "z")}, "q/a")
		b.report(rotator.KeyQuery{After: after("q", "a")})
		b.report(rotator.KeyQuery{Provider: "p", After: after("p", "a")}, "p/b")
		b.report(rotator.KeyQuery{Provider: "p", After: after("q", "a")})
		b.report(rotator.KeyQuery{Provider: "q", After: after("p", "b")}, "q/a")
	}},
	{"a report of many keys has each of them once, also of those that are one in many", func(b *bench) {
		keys, want := make([]rotator.KeyRow, 2500), []string{}
		for i := range keys {
			keys[i] = b.key("p", fmt.Sprintf("k%04d", i), b.now)
			keys[i].UserID = fmt.Sprintf("user-%d", i)
			want = append(want, "p/"+keys[i].ID)
		}
		keys[1].State, keys[2400].State = rotator.KeyDisabled, rotator.KeyDisabled
		b.merge(keys...)
		b.report(rotator.KeyQuery{}, want...)
		b.report(rotator.KeyQuery{Limit: 1500}, want[:1500]...)
		b.report(rotator.KeyQuery{Classes: []rotator.Class{rotator.ClassInactive}}, "p/k0001", "p/k2400")
		b.report(rotator.KeyQuery{Classes: []rotator.Class{rotator.ClassInactive}, Limit: 1}, "p/k0001")
	}},
	{"a report stops at an error and returns it, and may call the store", func(b *bench) {
		b.merge(b.key("p", "k1", b.now), b.key("p", "k2", b.now))
		stop, calls := errors.New("enough"), 0
		err := b.ReportKeys(b.ctx, rotator.KeyQuery{}, b.now, func(rotator.KeyFacts) error {
			calls++
			b.merge(b.key("p", "k3", b.now))
			return stop
		})
		if !errors.Is(err, stop) || calls != 1 {
			b.Errorf("got %v after %d calls, want the error of fn after 1", err, calls)
		}
	}},
	{"a key without anything that belongs to it", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		b.facts("k1", rotator.KeyFacts{Key: k.TrackedKey, User: rotator.ServiceUser{ID: "user-1"}})
	}},
	{"a managed key comes with an active one that took its place", func(b *bench) {
		old, told := b.key("p", "k5", b.now), uint64(1)
		newer := func(change func(k *rotator.KeyRow)) {
			b.Helper()
			other := b.key("p", "k4", b.now)
			other.Name, other.Version = "ci-r0002", 2
			change(&other)
			told++ // as a scan tells that something changed
			old.Sum, other.Sum = told, told
			b.merge(old, other)
		}
		superseded := func(is bool) {
			b.Helper()
			want := rotator.KeyFacts{Key: old.TrackedKey, User: rotator.ServiceUser{ID: "user-1"}}
			if is {
				want.Newer = rotator.KeyRef{ID: "k4", Name: "ci-r0002"}
			}
			b.facts("k5", want)
		}
		newer(func(*rotator.KeyRow) {})
		superseded(true)
		b.ok(b.MarkMissing(b.ctx, "p", []string{"k4"}, b.now))
		superseded(false)
		newer(func(*rotator.KeyRow) {})
		superseded(true)
		b.facts("k4", rotator.KeyFacts{Key: b.findKey(b.key("p", "k4", b.now).TrackedKey), User: rotator.ServiceUser{ID: "user-1"}})
		for _, change := range []func(*rotator.KeyRow){
			func(k *rotator.KeyRow) { k.State = rotator.KeyDisabled },
			func(k *rotator.KeyRow) { k.Expires = b.now },
			func(k *rotator.KeyRow) { k.UserID = "user-2" },
			func(k *rotator.KeyRow) { k.Base = "cd" },
			func(k *rotator.KeyRow) { k.Version = 0 },
			func(k *rotator.KeyRow) { k.Version = 1 }, // as old, and of a lower id
			func(k *rotator.KeyRow) { k.Version, k.Created = 1, time.Time{} },
		} {
			newer(change)
			superseded(false)
		}
		newer(func(k *rotator.KeyRow) { k.Expires = b.now.Add(time.Second) })
		superseded(true)
		newer(func(k *rotator.KeyRow) { k.Version, k.Created = 1, b.now })
		superseded(true)
		next, err := b.DueNext(b.ctx, "p", 9)
		b.ok(err)
		b.same("what is next", ids(next), []string{"k4"})
		old.Policy = ""
		newer(func(*rotator.KeyRow) {})
		superseded(false)
	}},
	{"a key comes with its user, listed or not", func(b *bench) {
		k := b.key("p", "k1", b.now)
		u := rotator.UserRow{ServiceUser: rotator.ServiceUser{ID: "user-1", Name: "ci-bot", Email: "ci@example.com", Active: true}, Sum: 1}
		b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{u}, []rotator.KeyRow{k}))
		b.ok(b.Merge(b.ctx, "q", []rotator.UserRow{{ServiceUser: rotator.ServiceUser{ID: "user-1", Name: "another's"}, Sum: 1}}, nil))
		b.facts("k1", rotator.KeyFacts{Key: k.TrackedKey, User: u.ServiceUser, UserListed: true})
		u.Active = false
		b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{u}, nil))
		b.facts("k1", rotator.KeyFacts{Key: k.TrackedKey, User: u.ServiceUser, UserListed: true})
		u.Sum = 0 // how a scan notes that a user is gone
		b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{u}, nil))
		b.facts("k1", rotator.KeyFacts{Key: k.TrackedKey, User: u.ServiceUser})
	}},
	{"a key comes with the hold that is in force", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		want := rotator.KeyFacts{Key: k.TrackedKey, User: rotator.ServiceUser{ID: "user-1"}}
		over := b.hold(0)
		b.ok(b.PutHold(b.ctx, over))
		b.facts("k1", want)
		hold := b.hold(time.Hour)
		b.ok(b.PutHold(b.ctx, hold))
		want.Hold = &hold
		b.facts("k1", want)
		b.report(rotator.KeyQuery{Classes: []rotator.Class{rotator.ClassHeld}}, "p/k1")
	}},
	{"a key comes with its open rotation", func(b *bench) {
		r := b.start(1, rotator.StageGrace)
		r = b.commit(r.Block(rotator.BlockOldKeyInUse, "used yesterday", b.now, b.now))
		old := b.key("p", r.OldKey.ID, b.now)
		b.merge(old)
		b.facts(r.OldKey.ID, rotator.KeyFacts{Key: old.TrackedKey, User: rotator.ServiceUser{ID: "user-1"}, Open: &rotator.RotationNote{
			ID: r.ID, Stage: rotator.StageGrace, At: b.now, Blocked: rotator.BlockOldKeyInUse, Why: "used yesterday", Retires: []string{r.OldKey.ID}}})
	}},
	{"a key comes with the rotation that ended last, and with what that proved", func(b *bench) {
		end := b.now
		b.now = end.Add(-time.Hour)
		first := b.start(1, rotator.StageDone)
		b.now = end
		again := draft(first.CredentialID, b.now)
		again.Version, again.OldKey = 3, first.NewKey
		c := rotator.Plan("rotation-2", again, b.now, "planned")
		last := b.lead(b.commit(c), rotator.StageAbandoned)

		k := b.key("p", first.NewKey.ID, b.now)
		k.Name, k.Version = first.NewKey.Name, 2
		b.merge(k)
		want := rotator.KeyFacts{Key: k.TrackedKey, User: rotator.ServiceUser{ID: "user-1"},
			Last: &rotator.RotationNote{ID: "rotation-2", Stage: rotator.StageAbandoned, At: end, Why: last.Why, Retires: []string{first.NewKey.ID}}}
		for _, s := range first.Sinks {
			want.Evidence = append(want.Evidence, rotator.Confirmation{Sink: s.Sink, Location: s.Location, At: s.ConfirmedAt})
		}
		b.facts(k.ID, want)
		var brief []rotator.KeyFacts
		b.ok(b.ReportKeys(b.ctx, rotator.KeyQuery{Brief: true}, b.now, collect(&brief)))
		want.Last, want.Evidence = nil, nil
		b.same("the brief report", brief, []rotator.KeyFacts{want})
	}},
	{"a sink that is not confirmed is no evidence, nor is another key's", func(b *bench) {
		r := b.start(1, rotator.StageDelivering)
		some := confirmed(&r, b.now)[:1]
		r = b.commit(r.Delivered(append(some, r.Sinks[1]), b.now, "one of two"))
		k, namesake := b.key("p", r.NewKey.ID, b.now), b.key("p", "namesake", b.now)
		k.Name, namesake.Name = r.NewKey.Name, r.NewKey.Name
		b.merge(k, namesake)
		evidence := map[string]int{}
		b.ok(b.ReportKeys(b.ctx, rotator.KeyQuery{}, b.now, func(f rotator.KeyFacts) error {
			evidence[f.Key.ID] = len(f.Evidence)
			return nil
		}))
		b.same("the sinks that hold each key", evidence, map[string]int{r.NewKey.ID: 1, "namesake": 0})
	}},
	{"orphans are those that are counted", func(b *bench) {
		orphans := func(want ...string) {
			b.Helper()
			b.report(rotator.KeyQuery{Classes: []rotator.Class{rotator.ClassOrphaned}}, want...)
			b.orphans(len(want))
		}
		r := b.start(1, rotator.StageMinting)
		b.appears(r, "orphan", rotator.KeyActive)
		orphans() // the rotation still asks for it
		b.commit(r.Burn(b.now, "its secret is lost"))
		orphans("p/orphan")
		used := b.key("p", "orphan", b.now)
		used.UserID, used.Name, used.Version, used.LastUsed, used.Sum = r.UserID, r.NewKey.Name, r.Version, b.now, 2
		b.merge(used)
		orphans()
	}},
}

func collect(into *[]rotator.KeyFacts) func(rotator.KeyFacts) error {
	return func(f rotator.KeyFacts) error {
		*into = append(*into, f)
		return nil
	}
}

// report checks which keys a query selects, in order, as provider/id; whole and brief reports have the same.
func (b *bench) report(q rotator.KeyQuery, want ...string) {
	b.Helper()
	for _, brief := range []bool{false, true} {
		q.Brief = brief
		var facts []rotator.KeyFacts
		b.ok(b.ReportKeys(b.ctx, q, b.now, collect(&facts)))
		var got []string
		for _, f := range facts {
			got = append(got, f.Key.Provider+"/"+f.Key.ID)
		}
		b.same(fmt.Sprintf("the keys of %+v", q), got, want)
	}
}

// facts checks all that is reported of one key of provider "p".
func (b *bench) facts(id string, want rotator.KeyFacts) {
	b.Helper()
	var got []rotator.KeyFacts
	b.ok(b.ReportKeys(b.ctx, rotator.KeyQuery{Provider: "p"}, b.now, func(f rotator.KeyFacts) error {
		if f.Key.ID == id {
			got = append(got, f)
		}
		return nil
	}))
	b.same("what is reported of "+id, got, []rotator.KeyFacts{want})
}
