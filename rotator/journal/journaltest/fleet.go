package journaltest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var fleetCases = []testCase{
	{"credentials come in order and page by page", func(b *bench) {
		b.fleet()
		want := []string{"p/u1/cd", "p/u1/ci", "p/u2/ci", "q/u1/ci"}
		b.listed(rotator.FleetQuery{Limit: 4}, false, want...)
		b.listed(rotator.FleetQuery{Limit: 3}, true, want[:3]...)
		b.listed(rotator.FleetQuery{Limit: 3, After: rotator.CredentialID{Provider: "p", UserID: "u1", Base: "ci"}}, false, want[2:]...)
		b.listed(rotator.FleetQuery{Limit: 3, After: rotator.CredentialID{Provider: "r"}}, false)
	}},
	{"a list without a limit is refused", func(b *bench) {
		_, err := b.FleetCredentials(b.ctx, rotator.FleetQuery{}, b.now)
		b.kind(err, rotator.Invalid)
	}},
	{"a credential comes once, as its current key", func(b *bench) {
		old, current, revoked, unborn := b.key("p", "old", b.now), b.key("p", "current", b.now), b.key("p", "revoked", b.now), b.key("p", "unborn", b.now)
		old.Version, current.Version, revoked.Version, unborn.Version = 1, 2, 3, 2
		revoked.State, unborn.Created = rotator.KeyRevoked, time.Time{}
		b.merge(old, current, revoked, unborn)
		b.current("current")
		b.ok(b.MarkMissing(b.ctx, "p", []string{"current"}, b.now))
		b.current("unborn")
		b.ok(b.MarkMissing(b.ctx, "p", []string{"unborn", "old"}, b.now))
		b.current("revoked")
	}},
	{"credentials are filtered by provider, policy, state and owner", func(b *bench) {
		b.eachStateApart()
		for _, state := range []string{"managed", "unmanaged", "waiting", "missing", "inactive"} {
			b.listed(rotator.FleetQuery{Limit: 9, State: state}, false, "p/"+state+"/ci")
		}
		b.listed(rotator.FleetQuery{Limit: 9, Provider: "q"}, false)
		b.listed(rotator.FleetQuery{Limit: 9, Policy: "none"}, false)
		b.listed(rotator.FleetQuery{Limit: 9, Owners: []rotator.Owned{}}, false)
		b.listed(rotator.FleetQuery{Limit: 9, Owners: []rotator.Owned{{Provider: "q"}, {Provider: "p"}}}, false, "p/unmanaged/ci")
	}},
	{"what is blocked or held is found", func(b *bench) {
		b.eachStateApart()
		r := b.start(1, rotator.StageGrace)
		b.commit(r.Block(rotator.BlockOldKeyInUse, "in use", b.now, b.now))
		k := b.key("p", "k1", b.now)
		k.UserID, k.Base = r.UserID, r.Base
		b.merge(k)
		b.listed(rotator.FleetQuery{Limit: 9, Blocked: true}, false, r.CredentialID.String(), "p/waiting/ci")
		h := b.hold(time.Hour)
		h.CredentialID = r.CredentialID
		b.ok(b.PutHold(b.ctx, h))
		page := b.listed(rotator.FleetQuery{Limit: 9, Held: true}, false, r.CredentialID.String())
		b.same("the hold", page.Credentials[0].Hold, &h)
		b.same("the open rotation", page.Credentials[0].Open, r.ID)
		b.same("why it is blocked", page.Credentials[0].Blocked, rotator.BlockOldKeyInUse)
	}},
	{"text is found in ids, names and mails, and no wildcard is one", func(b *bench) {
		b.fleet()
		for _, text := range []string{"BUILD-b", "CI@example", "u1"} {
			page, err := b.FleetCredentials(b.ctx, rotator.FleetQuery{Limit: 9, Provider: "p", Search: text}, b.now)
			b.ok(err)
			b.same(text, len(page.Credentials), 2)
		}
		for _, text := range []string{"%", "_", "!", `\`, "'"} {
			b.listed(rotator.FleetQuery{Limit: 9, Search: text}, false)
		}
	}},
	{"active keys are counted by age and by what is left", func(b *bench) {
		k, forever := b.key("p", "k", b.now), b.key("q", "forever", b.now)
		k.Created, k.Expires = b.now.Add(-49*time.Hour), b.now.Add(25*time.Hour)
		forever.Created, forever.Expires, forever.Policy = time.Time{}, time.Time{}, ""
		gone, over, old, ahead := b.key("p", "gone", b.now), k, k, k
		gone.State = rotator.KeyRevoked
		over.ID, over.Expires = "over", b.now.Add(-time.Hour)
		old.ID, old.Created, old.Expires = "old", b.now.AddDate(-30, 0, 0), b.now.AddDate(30, 0, 0)
		ahead.ID, ahead.Created, ahead.Expires, ahead.Policy = "ahead", b.now.Add(time.Hour), b.now, ""
		b.merge(k, gone, over, old, ahead)
		b.ok(b.Merge(b.ctx, "q", nil, []rotator.KeyRow{forever}))
		got, err := b.FleetAges(b.ctx, b.now)
		b.ok(err)
		slices.SortFunc(got, func(a, b rotator.AgeCount) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		want := []rotator.AgeCount{
			{Provider: "p", Days: -1, Aged: 1}, {Provider: "p", Left: 1},
			{Provider: "p", Managed: true, Days: -1, Left: 1}, {Provider: "p", Managed: true, Days: 1, Left: 1},
			{Provider: "p", Managed: true, Days: 2, Aged: 2}, {Provider: "p", Managed: true, Days: 730, Aged: 1, Left: 1},
			{Provider: "q", Unknown: true, Aged: 1, Left: 1}}
		slices.SortFunc(want, func(a, b rotator.AgeCount) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		b.same("the counts", got, want)
	}},
	{"a band of ages ends where the next begins, to the millisecond", func(b *bench) {
		var keys []rotator.KeyRow
		want := map[int]int{-1: 1, 0: 1}
		at := func(id string, off time.Duration) {
			k := b.key("p", id, b.now)
			k.Created, k.Expires = b.now.Add(-off), b.now.Add(off)
			keys = append(keys, k)
		}
		at("before", -time.Millisecond)
		at("now", 0)
		for i, days := range rotator.AgeBands() {
			end := time.Duration(days) * 24 * time.Hour
			at(fmt.Sprint("last", i), end-time.Millisecond)
			at(fmt.Sprint("first", i), end)
			want[append([]int{0}, rotator.AgeBands()...)[i]]++
			want[days]++
		}
		b.merge(keys...)
		got, err := b.FleetAges(b.ctx, b.now)
		b.ok(err)
		aged, left := map[int]int{}, map[int]int{}
		for _, c := range got {
			aged[c.Days] += c.Aged
			left[c.Days] += c.Left
		}
		b.same("ages", aged, want)
		b.same("what is left", left, want)
	}},
	{"due keys are counted by the hour, and listed by time", func(b *bench) {
		hour := b.now.Truncate(time.Hour)
		later := b.key("p", "k2", hour.Add(time.Hour-time.Millisecond))
		later.Base = "cd"
		b.merge(b.key("p", "k1", hour), later)
		b.ok(b.Merge(b.ctx, "q", nil, []rotator.KeyRow{b.key("q", "k3", hour.Add(time.Hour))}))
		got, err := b.DueByHour(b.ctx, hour, hour.Add(2*time.Hour))
		b.ok(err)
		b.same("the hours", got, []rotator.DueCount{{Provider: "p", Hour: hour, Keys: 2}, {Provider: "q", Hour: hour.Add(time.Hour), Keys: 1}})
		got, err = b.DueByHour(b.ctx, hour.Add(time.Hour), hour.Add(time.Hour))
		b.ok(err)
		b.same("no hours", len(got), 0)
		next, err := b.DueNext(b.ctx, "p", 9)
		b.ok(err)
		b.same("what is next", ids(next), []string{"k1", "k2"})
	}},
	{"holds in force are listed page by page", func(b *bench) {
		for n, length := range []time.Duration{time.Hour, -time.Hour, time.Hour} {
			h := b.hold(length)
			h.CredentialID = credential("p", n)
			b.ok(b.PutHold(b.ctx, h))
		}
		first, err := b.Holds(b.ctx, rotator.CredentialID{}, 1, b.now)
		b.ok(err)
		rest, err := b.Holds(b.ctx, first[0].CredentialID, 9, b.now)
		b.ok(err)
		b.same("the holds", []rotator.CredentialID{first[0].CredentialID, rest[0].CredentialID}, []rotator.CredentialID{credential("p", 0), credential("p", 2)})
		b.same("how many are left", len(rest), 1)
	}},
	{"a credential's rotations come open first, then the latest", func(b *bench) {
		first := b.start(1, rotator.StageDone)
		c := b.plan(1)
		c.After.ID, c.After.Version = first.ID+"-again", 2
		second := b.commit(c)
		b.start(2, rotator.StageDone)
		for limit, want := range [][]string{nil, {second.ID}, {second.ID, first.ID}} {
			got, err := b.RotationsOf(b.ctx, first.CredentialID, limit)
			b.ok(err)
			b.same(fmt.Sprint("up to ", limit), rotationIDs(got), want)
		}
	}},
}

// eachStateApart stores a key of each state in a credential of its own, whose user is named for the state.
func (b *bench) eachStateApart() {
	b.Helper()
	b.oneKeyOfEachState()
	for _, state := range []string{"managed", "unmanaged", "waiting", "missing", "inactive"} {
		k := b.key("p", state, b.now)
		k.UserID, k.Base = state, "ci"
		if state == "unmanaged" {
			k.Policy = ""
		}
		if state == "inactive" {
			k.State = rotator.KeyRevoked
		}
		b.merge(k)
	}
	b.ok(b.MarkMissing(b.ctx, "p", []string{"missing"}, b.now))
}

func (b *bench) listed(q rotator.FleetQuery, more bool, want ...string) rotator.FleetPage {
	b.Helper()
	page, err := b.FleetCredentials(b.ctx, q, b.now)
	b.ok(err)
	var got []string
	for _, c := range page.Credentials {
		got = append(got, c.Key.Credential().String())
	}
	b.same(fmt.Sprintf("the credentials of %+v", q), got, want)
	b.same("whether there are more", page.More, more)
	return page
}

func (b *bench) current(want string) {
	b.Helper()
	page, err := b.FleetCredentials(b.ctx, rotator.FleetQuery{Limit: 9}, b.now)
	b.ok(err)
	if len(page.Credentials) != 1 || page.Credentials[0].Key.ID != want {
		b.Errorf("got %+v, want the one key %s", page.Credentials, want)
	}
}
