package journaltest

import (
	"errors"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var inventoryCases = []testCase{
	{"merge stores all of a key", func(b *bench) {
		k := b.key("p", "k1", b.now)
		k.Expires, k.LastUsed, k.Version, k.State = b.now.Add(time.Hour), b.now.Add(-time.Minute), 12, rotator.KeyDisabled
		b.merge(k)
		b.same("the key", b.findKey(k.TrackedKey), k.TrackedKey)
	}},
	{"merge stores a key without any time", func(b *bench) {
		k := rotator.KeyRow{TrackedKey: rotator.TrackedKey{Provider: "p", Base: "ci", Key: rotator.Key{ID: "k1", UserID: "user-1", State: rotator.KeyOther}}}
		b.merge(k)
		b.same("the key", b.findKey(k.TrackedKey), k.TrackedKey)
	}},
	{"merge replaces what changed", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		k.Name, k.Base, k.Version, k.Policy, k.State, k.Draw, k.Sum = "cd-r0002", "cd", 2, "", rotator.KeyRevoked, 0.75, 2
		k.LastUsed, k.Deadline, k.Due, k.LookAt = b.now, time.Time{}, time.Time{}, time.Time{}
		b.merge(k)
		b.same("the key", b.findKey(k.TrackedKey), k.TrackedKey)
		b.same("the series it left", b.series("user-1", "ci"), []string(nil))
	}},
	{"merge replaces what changed under the same sum", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		changes := map[string]func(){
			"look at":   func() { k.LookAt = time.Time{} },
			"due":       func() { k.Due = k.Due.Add(time.Second) },
			"deadline":  func() { k.Deadline = time.Time{} },
			"created":   func() { k.Created = time.Time{} },
			"expires":   func() { k.Expires = b.now },
			"last used": func() { k.LastUsed = b.now },
			"draw":      func() { k.Draw = 0.5 },
			"policy":    func() { k.Policy = "other" },
			"state":     func() { k.State = rotator.KeyDisabled },
			"version":   func() { k.Version = 9 },
			"name":      func() { k.Name = "ci-r0009" },
			"user":      func() { k.UserID = "user-2" },
		}
		for what, change := range changes {
			change()
			b.merge(k)
			b.same("the key after a change of "+what, b.findKey(k.TrackedKey), k.TrackedKey)
		}
	}},
	{"merge leaves why a key waits alone", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		waiting := k.TrackedKey
		waiting.Waiting, waiting.WaitingWhy = rotator.BlockFrozen, "year end"
		b.ok(b.SetLook(b.ctx, waiting, b.now))
		k.Sum, k.Policy = 2, "other"
		b.merge(k)
		want := k.TrackedKey
		want.Waiting, want.WaitingWhy, want.WaitingSince = rotator.BlockFrozen, "year end", b.now
		b.same("the key", b.findKey(want), want)
	}},
	{"merge keeps providers apart", func(b *bench) {
		p, q := b.key("p", "k1", b.now), b.key("q", "k1", b.now)
		q.Policy = "other"
		b.merge(p)
		b.merge(q)
		b.same("of p", b.findKey(p.TrackedKey), p.TrackedKey)
		b.same("of q", b.findKey(q.TrackedKey), q.TrackedKey)
	}},
	{"merge stores users, new and changed", func(b *bench) {
		u := rotator.UserRow{ServiceUser: rotator.ServiceUser{ID: "u1", Name: "ci-bot", Email: "ci@example.com", Active: true}, Sum: 1}
		for _, change := range []func(){func() {}, func() { u.Name, u.Sum = "cd-bot", 2 }, func() { u.Active = false }, func() { u.Email = "" }} {
			change()
			b.ok(b.Merge(b.ctx, "p", []rotator.UserRow{u}, nil))
			got, err := b.User(b.ctx, "p", "u1")
			b.ok(err)
			b.same("the user", got, u.ServiceUser)
		}
		_, err := b.User(b.ctx, "q", "u1")
		b.kind(err, rotator.Gone)
	}},
	{"merge of many rows", func(b *bench) {
		var users []rotator.UserRow
		var keys []rotator.KeyRow
		for i := range 2500 {
			users = append(users, rotator.UserRow{ServiceUser: rotator.ServiceUser{ID: fmt.Sprint("u", i)}, Sum: uint64(i)})
			k := b.key("p", fmt.Sprint("k", i), b.now)
			k.Sum = 1<<63 + uint64(i)
			keys = append(keys, k)
		}
		b.ok(b.Merge(b.ctx, "p", users, keys))
		got := b.digests("p")
		if len(got) != 5000 {
			b.Fatalf("%d digests, want 5000", len(got))
		}
		for i := range 2500 {
			u, k := rotator.Digest{ID: fmt.Sprint("u", i), Sum: uint64(i)}, rotator.Digest{ID: fmt.Sprint("k", i), Key: true, Sum: 1<<63 + uint64(i)}
			if !got[u] || !got[k] {
				b.Fatalf("the digest of user or key %d is wrong or missing", i)
			}
		}
	}},
	{"digests are those of the provider alone", func(b *bench) {
		b.merge(b.key("p", "k1", b.now))
		b.same("of q", b.digests("q"), map[rotator.Digest]bool{})
	}},
	{"digests stop at an error and return it, and may call the store", func(b *bench) {
		b.merge(b.key("p", "k1", b.now), b.key("p", "k2", b.now))
		stop, calls := errors.New("enough"), 0
		err := b.Digests(b.ctx, "p", func(rotator.Digest) error {
			calls++
			b.merge(b.key("p", "k3", b.now))
			return stop
		})
		if !errors.Is(err, stop) || calls != 1 {
			b.Errorf("got %v after %d calls, want the error of fn after 1", err, calls)
		}
	}},
	{"missing keys keep when they went missing and lose their digest", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k, b.key("p", "k2", b.now))
		b.ok(b.MarkMissing(b.ctx, "p", []string{"k1", "unknown"}, b.now))
		b.ok(b.MarkMissing(b.ctx, "p", []string{"k1"}, b.now.Add(time.Hour)))
		want := k.TrackedKey
		want.MissingSince = b.now
		b.same("the key", b.findKey(want), want)
		b.same("the digests", b.digests("p"), map[rotator.Digest]bool{{ID: "k1", Key: true}: true, {ID: "k2", Key: true, Sum: 1}: true})
	}},
	{"a key that comes back is no longer missing", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		b.ok(b.MarkMissing(b.ctx, "p", []string{"k1"}, b.now))
		b.merge(k)
		b.same("the key", b.findKey(k.TrackedKey), k.TrackedKey)
		b.same("the digests", b.digests("p"), map[rotator.Digest]bool{{ID: "k1", Key: true, Sum: 1}: true})
	}},
	{"a key that is gone wakes the others of its credential", func(b *bench) {
		later := b.now.Add(time.Hour)
		for _, gone := range []func(k rotator.KeyRow){
			func(k rotator.KeyRow) { b.ok(b.MarkMissing(b.ctx, "p", []string{k.ID}, b.now)) },
			func(k rotator.KeyRow) {
				k.State, k.LookAt, k.Sum = rotator.KeyRevoked, time.Time{}, 2
				b.merge(k)
			},
		} {
			newer, atRest, revoked, stranger := b.key("p", "newer", later), b.key("p", "rests", time.Time{}), b.key("p", "revoked", later), b.key("p", "stranger", later)
			revoked.State, stranger.Base = rotator.KeyRevoked, "other"
			b.merge(newer, b.key("p", "older", later), atRest, stranger)
			b.merge(revoked)
			b.merge(newer, b.key("p", "older", later)) // which the revoked one woke
			b.look(time.Now().Add(time.Minute), 10)
			gone(newer)
			b.look(time.Now().Add(time.Minute), 10, "older")
		}
	}},
	{"a series holds all keys of the credential, the newest first", func(b *bench) {
		v1, v2, other := b.key("p", "k1", b.now), b.key("p", "k2", b.now), b.key("p", "k3", b.now)
		v2.Version = 2
		other.Base = "cd"
		zero, late, later := b.key("p", "k4", b.now), b.key("p", "k5", b.now), b.key("p", "k6", b.now)
		zero.Created = time.Time{}
		late.Created = b.now
		later.Created = b.now
		b.merge(v1, v2, other, zero, late, later)
		b.same("the series", b.series("user-1", "ci"), []string{"k2", "k6", "k5", "k1", "k4"})
	}},
}

func (b *bench) series(user, base string) []string {
	b.Helper()
	keys, err := b.Series(b.ctx, rotator.CredentialID{Provider: "p", UserID: user, Base: base})
	b.ok(err)
	return ids(keys)
}

func (b *bench) digests(provider string) map[rotator.Digest]bool {
	b.Helper()
	all := map[rotator.Digest]bool{}
	b.ok(b.Digests(b.ctx, provider, func(d rotator.Digest) error {
		if all[d] {
			b.Errorf("%+v came twice", d)
		}
		all[d] = true
		return nil
	}))
	return all
}

var lookCases = []testCase{
	{"a key is to be looked at at its time and not before, the longest due first", func(b *bench) {
		b.merge(b.key("p", "late", b.now), b.key("p", "later", b.now.Add(-time.Hour)), b.key("p", "early", b.now.Add(time.Millisecond)))
		b.merge(b.key("q", "other", b.now))
		b.look(b.now, 10, "later", "late")
		b.look(b.now.Add(time.Millisecond), 10, "later", "late", "early")
		b.look(b.now, 1, "later")
		b.look(b.now, 0)
	}},
	{"a fraction of a millisecond is not too early", func(b *bench) {
		at := b.now.Add(300 * time.Microsecond)
		b.merge(b.key("p", "k1", at))
		b.look(b.now.Add(200*time.Microsecond), 10)
		next, err := b.NextLook(b.ctx, "p")
		b.ok(err)
		b.look(next, 10, "k1")
	}},
	{"a key without a LookAt is never looked at", func(b *bench) {
		k := b.key("p", "k1", b.now)
		k.LookAt = time.Time{}
		b.merge(k)
		b.look(b.now.Add(10_000*time.Hour), 10)
		b.nextLook("p", time.Time{})
	}},
	{"the next look is the earliest of the provider", func(b *bench) {
		b.nextLook("p", time.Time{})
		b.merge(b.key("p", "k1", b.now.Add(time.Hour)), b.key("p", "k2", b.now.Add(time.Minute)))
		b.merge(b.key("q", "k3", b.now))
		b.nextLook("p", b.now.Add(time.Minute))
	}},
	{"a decision is stored with the time since when the key waits", func(b *bench) {
		k := b.key("p", "k1", b.now).TrackedKey
		b.merge(rotator.KeyRow{TrackedKey: k})
		steps := []struct {
			waiting rotator.BlockReason
			why     string
			after   time.Duration
			since   time.Duration
		}{
			{rotator.BlockFrozen, "year end", time.Minute, time.Minute},
			{rotator.BlockFrozen, "year end, still", 2 * time.Minute, time.Minute},
			{rotator.BlockHeld, "held by ada", 3 * time.Minute, 3 * time.Minute},
		}
		for _, step := range steps {
			k.LookAt, k.Waiting, k.WaitingWhy = b.now.Add(step.after+time.Hour), step.waiting, step.why
			b.ok(b.SetLook(b.ctx, k, b.now.Add(step.after)))
			k.WaitingSince = b.now.Add(step.since)
			b.same("the key", b.findKey(k), k)
		}
		k.LookAt, k.Waiting, k.WaitingWhy = time.Time{}, "", ""
		b.ok(b.SetLook(b.ctx, k, b.now))
		k.WaitingSince = time.Time{}
		b.same("the key that waits no more", b.findKey(k), k)
	}},
	{"a decision changes nothing else of the key", func(b *bench) {
		k := b.key("p", "k1", b.now)
		b.merge(k)
		other := k.TrackedKey
		other.Policy, other.Draw, other.Due, other.LookAt = "x", 0.9, time.Time{}, b.now.Add(time.Hour)
		b.ok(b.SetLook(b.ctx, other, b.now))
		want := k.TrackedKey
		want.LookAt = b.now.Add(time.Hour)
		b.same("the key", b.findKey(want), want)
	}},
	{"a decision about an unknown key is gone", func(b *bench) {
		b.kind(b.SetLook(b.ctx, b.key("p", "k1", b.now).TrackedKey, b.now), rotator.Gone)
	}},
	{"due keys and those that wait for approval are counted once, up to the limit", func(b *bench) {
		for i := range 6 {
			k := b.key("p", fmt.Sprint("k", i), b.now.Add(time.Hour))
			b.merge(k)
			if i < 4 {
				k.Waiting = rotator.BlockAwaitingApproval
			} else {
				k.Waiting = rotator.BlockFrozen
			}
			k.LookAt = []time.Time{b.now, b.now.Add(time.Hour), {}, b.now.Add(-time.Hour), b.now, b.now.Add(time.Hour)}[i]
			b.ok(b.SetLook(b.ctx, k.TrackedKey, b.now))
		}
		b.merge(b.key("q", "other", b.now))
		for limit, want := range map[int]int{10: 5, 5: 5, 4: 4, 2: 2, 0: 0} {
			got, err := b.CountDue(b.ctx, "p", b.now, limit)
			b.ok(err)
			b.same(fmt.Sprint("the count up to ", limit), got, want)
		}
	}},
	{"keys that wait for the reason are looked at again", func(b *bench) {
		for id, reason := range map[string]rotator.BlockReason{"a": rotator.BlockAwaitingApproval, "b": rotator.BlockAwaitingApproval, "c": rotator.BlockHeld, "d": ""} {
			k := b.key("p", id, b.now.Add(time.Hour))
			b.merge(k)
			k.Waiting = reason
			b.ok(b.SetLook(b.ctx, k.TrackedKey, b.now))
		}
		b.ok(b.LookAgain(b.ctx, "p", rotator.BlockAwaitingApproval, b.now))
		b.look(b.now, 10, "a", "b")
		b.ok(b.LookAgain(b.ctx, "p", "", b.now))
		b.look(b.now, 10, "a", "b")
	}},
	{"keys that were put off beyond their time are looked at earlier", func(b *bench) {
		for id, look := range map[string]time.Duration{"as due": 3 * time.Hour, "later": 4 * time.Hour, "earlier": time.Hour, "never": 0} {
			k := b.key("p", id, b.now.Add(3*time.Hour))
			b.merge(k)
			if k.LookAt = (time.Time{}); look != 0 {
				k.LookAt = b.now.Add(look)
			}
			b.ok(b.SetLook(b.ctx, k.TrackedKey, b.now))
		}
		b.ok(b.LookEarlier(b.ctx, "other", b.now))
		b.look(b.now, 10)
		b.ok(b.LookEarlier(b.ctx, "p", b.now))
		b.look(b.now, 10, "later")
		b.look(b.now.Add(3*time.Hour), 10, "later", "earlier", "as due")
	}},
}

// look checks which keys of provider "p" are to be looked at, in order.
func (b *bench) look(now time.Time, limit int, want ...string) {
	b.Helper()
	keys, err := b.KeysToLookAt(b.ctx, "p", now, limit)
	b.ok(err)
	b.same("the keys to look at", ids(keys), want)
}

func (b *bench) nextLook(provider string, want time.Time) {
	b.Helper()
	got, err := b.NextLook(b.ctx, provider)
	b.ok(err)
	b.same("the next look", got, want)
}
