package journaltest

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/audit"
)

var hookCases = []testCase{
	{"a run comes back exactly, due when the last sink was confirmed", func(b *bench) {
		h := b.run(1, "reload", b.now)
		b.confirm(1, h)
		b.tryable("reload", b.now, 10, h)
		b.tryable("other", b.now, 10)
		b.runsOf(h.Rotation, h)
	}},
	{"a change that is refused leaves no run", func(b *bench) {
		r := b.start(1, rotator.StageDelivering)
		c := r.Confirm(confirmed(&r, b.now), b.now)
		c.Seq, c.After.Seq = 50, 51
		c.Hooks = []rotator.HookRun{b.run(1, "reload", b.now)}
		b.kind(b.Commit(b.ctx, c), rotator.Conflict)
		b.tryable("reload", b.now, 10)
	}},
	{"a run that is there already stays as it is", func(b *bench) {
		h := b.run(1, "reload", b.now)
		r := b.confirm(1, h)
		b.ok(b.EndHookRuns(b.ctx, []string{h.ID}, rotator.HookDone, "it said yes", b.now))
		c := r.Wait("looking again", b.now)
		c.Hooks = []rotator.HookRun{h}
		b.commit(c)
		b.tryable("reload", b.now, 10)
	}},
	{"runs come due or not, by when they are due, and no more than asked for", func(b *bench) {
		fresh, failed := b.run(1, "reload", b.now.Add(time.Hour)), b.run(2, "reload", b.now)
		b.confirm(1, fresh)
		b.confirm(2, failed)
		b.ok(b.BeginHookRuns(b.ctx, "call", []string{failed.ID}))
		b.ok(b.FailHookRuns(b.ctx, []string{failed.ID}, "it said no", false, b.now.Add(time.Minute)))
		failed.Attempt, failed.Trouble, failed.NextAt = 1, "it said no", b.now.Add(time.Minute)
		b.tryable("reload", b.now, 10, failed, fresh)
		b.tryable("reload", b.now, 1, failed)
	}},
	{"a call whose outcome is unknown is kept whole under its name", func(b *bench) {
		one, two, three := b.run(1, "reload", b.now), b.run(2, "reload", b.now.Add(time.Second)), b.run(3, "reload", b.now.Add(2*time.Second))
		for i, h := range []rotator.HookRun{one, two, three} {
			b.confirm(i+1, h)
		}
		b.ok(b.BeginHookRuns(b.ctx, "first", []string{one.ID, three.ID}))
		b.ok(b.BeginHookRuns(b.ctx, "second", []string{one.ID, three.ID}))
		one.Call, one.Attempt, three.Call, three.Attempt = "first", 2, "first", 2
		b.tryable("reload", b.now, 1, one, three) // what is due first, and what was begun with it
		b.ok(b.FailHookRuns(b.ctx, []string{one.ID, three.ID}, "no answer", true, b.now.Add(time.Minute)))
		one.Trouble, one.NextAt, three.Trouble, three.NextAt = "no answer", b.now.Add(time.Minute), "no answer", b.now.Add(time.Minute)
		b.tryable("reload", b.now.Add(time.Minute), 10, two, one, three)
		b.ok(b.FailHookRuns(b.ctx, []string{one.ID, three.ID}, "no", false, b.now.Add(time.Minute)))
		one.Trouble, one.Call, three.Trouble, three.Call = "no", "", "no", ""
		b.tryable("reload", b.now.Add(time.Minute), 10, two, one, three)
	}},
	{"what has ended stays as evidence and is not run again", func(b *bench) {
		h := b.run(1, "reload", b.now)
		b.confirm(1, h)
		b.ok(b.BeginHookRuns(b.ctx, "call", []string{h.ID, "none"}))
		b.ok(b.EndHookRuns(b.ctx, []string{h.ID, "none"}, rotator.HookDone, "app.service was reloaded", b.now))
		b.ok(b.EndHookRuns(b.ctx, []string{h.ID}, rotator.HookDropped, "too late", b.now.Add(time.Hour)))
		b.ok(b.FailHookRuns(b.ctx, []string{h.ID}, "too late", true, b.now))
		b.ok(b.BeginHookRuns(b.ctx, "again", []string{h.ID}))
		h.Attempt, h.NextAt, h.EndedAt, h.Result, h.Detail = 1, time.Time{}, b.now, rotator.HookDone, "app.service was reloaded"
		b.runsOf(h.Rotation, h)
		b.tryable("reload", b.now.Add(time.Hour), 10)
		b.pending()
	}},
	{"counts tell what waits, what fails and since when, by hook", func(b *bench) {
		b.pending()
		old, young, other := b.run(1, "reload", b.now.Add(-time.Hour)), b.run(2, "reload", b.now), b.run(3, "call-home", b.now)
		for i, h := range []rotator.HookRun{old, young, other} {
			b.confirm(i+1, h)
		}
		b.ok(b.FailHookRuns(b.ctx, []string{young.ID}, "no", false, b.now.Add(time.Hour)))
		b.pending(rotator.HookCount{Hook: "call-home", Pending: 1, Oldest: b.now}, rotator.HookCount{Hook: "reload", Pending: 2, Failing: 1, Oldest: old.At})
		failing, err := b.FailingHookRuns(b.ctx, 10)
		b.ok(err)
		young.Trouble, young.NextAt = "no", b.now.Add(time.Hour)
		b.same("the failing runs", failing, []rotator.HookRun{young})
	}},
	{"the audit record tells of repetitions, ends and new failures, and of no failure twice", func(b *bench) {
		h := b.run(1, "reload", b.now)
		b.confirm(1, h)
		ids := []string{h.ID}
		b.ok(b.BeginHookRuns(b.ctx, "call-1", ids))
		b.ok(b.BeginHookRuns(b.ctx, "call-2", ids))
		for _, trouble := range []string{"it said no", "it said no", "it said never"} {
			b.ok(b.FailHookRuns(b.ctx, ids, trouble, false, b.now))
		}
		b.ok(b.EndHookRuns(b.ctx, ids, rotator.HookDone, "it said yes", b.now))
		var told []string
		b.ok(b.AuditRecords(b.ctx, 0, func(r rotator.AuditRecord) error {
			c, err := audit.Decode(r.Text)
			if c.Kind == rotator.AuditHook {
				told = append(told, string(c.Outcome)+" "+c.Rotation+" "+c.Credential+" "+strings.TrimPrefix(c.Note, "hook reload: "))
			}
			return err
		}))
		b.same("the records", told, []string{
			"begun rotation-1 ci the outcome of call call-1 is not known; it is made again under the same name",
			"failed rotation-1 ci it said no", "failed rotation-1 ci it said never", "done rotation-1 ci it said yes",
		})
	}},
	{"a rotation is not forgotten while a run of it waits, and is forgotten with its runs", func(b *bench) {
		h := b.run(1, "reload", b.now)
		first := b.lead(b.confirm(1, h), rotator.StageDone)
		second := rotator.Plan("rotation-1b", draft(credential("p", 1), b.now), b.now, "planned")
		second.After.Version, second.After.NewKey.Name = 3, "ci-r0003"
		later := b.now.Add(time.Hour)
		r := b.commit(second)
		for r.Stage != rotator.StageDone {
			r = b.commit(happy[r.Stage](&r, later))
		}
		gone := b.key("p", "new-user-1", b.now)
		gone.Name, gone.State = "ci-r0002", rotator.KeyRevoked
		b.merge(gone)
		removed, _, err := b.PruneHistory(b.ctx, later.Add(-time.Minute), rotator.PruneCursor{})
		b.ok(err)
		b.same("removed while it waits", removed, 0)
		b.ok(b.EndHookRuns(b.ctx, []string{h.ID}, rotator.HookDone, "", b.now))
		removed, _, err = b.PruneHistory(b.ctx, later.Add(-time.Minute), rotator.PruneCursor{})
		b.ok(err)
		b.same("removed after it", removed, 1)
		b.runsOf(first.ID)
	}},
}

// run is a hook's run for the n-th rotation, with everything in it that it can hold before it is begun.
func (b *bench) run(n int, hook string, at time.Time) rotator.HookRun {
	return rotator.HookRun{
		ID: fmt.Sprintf("rotation-%d/2/%s", n, hook), Hook: hook, At: at, Rotation: fmt.Sprint("rotation-", n), CredentialID: credential("p", n),
		ServiceUser: "ci-bot", Policy: "ci", Reason: rotator.ReasonExpiring, Version: 2, NewKey: rotator.KeyRef{ID: "2", Name: "ci-r0002"},
		Fingerprint: "fp", NewKeyExpires: at.Add(time.Hour), Places: []rotator.HookPlace{{Sink: "disk", Location: "/keys/ci"}},
		Required: true, NextAt: at,
	}
}

// confirm leads the n-th rotation to the stage confirmed, with a run that begins with it.
func (b *bench) confirm(n int, h rotator.HookRun) rotator.Rotation {
	b.Helper()
	r := b.start(n, rotator.StageDelivering)
	c := r.Confirm(confirmed(&r, b.now), b.now)
	c.Hooks = []rotator.HookRun{h}
	return b.commit(c)
}

func (b *bench) tryable(hook string, now time.Time, limit int, want ...rotator.HookRun) {
	b.Helper()
	got, err := b.HookRunsToTry(b.ctx, hook, now, limit)
	b.ok(err)
	b.same("the runs to try", got, want)
}

func (b *bench) runsOf(rotation string, want ...rotator.HookRun) {
	b.Helper()
	got, err := b.HookRuns(b.ctx, rotation)
	b.ok(err)
	b.same("the runs of "+rotation, got, want)
}

func (b *bench) pending(want ...rotator.HookCount) {
	b.Helper()
	got, err := b.PendingHooks(b.ctx)
	b.ok(err)
	b.same("the counts", got, want)
}
