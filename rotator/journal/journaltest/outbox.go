package journaltest

import (
	"fmt"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

var outboxCases = []testCase{
	{"a notice comes back exactly, due when it came about", func(b *bench) {
		n := b.notice(1, b.now)
		b.tell(n)
		b.dueNotices(b.now.Add(-time.Millisecond), 10)
		b.dueNotices(b.now, 10, n)
	}},
	{"a change that is refused leaves no notice", func(b *bench) {
		r := b.commit(b.plan(1))
		c := r.BeginMint(b.now)
		c.Seq, c.After.Seq = 5, 6
		c.Notices = []rotator.Notice{b.notice(1, b.now)}
		b.kind(b.Commit(b.ctx, c), rotator.Conflict)
		b.dueNotices(b.now, 10)
	}},
	{"a notice that cannot be written leaves no change", func(b *bench) {
		n := b.notice(1, b.now)
		b.tell(n)
		r := b.commit(b.plan(2))
		c := r.BeginMint(b.now)
		c.Notices = []rotator.Notice{n} // an id that is there already
		if b.Commit(b.ctx, c) == nil {
			b.Error("a second notice of the same id was taken")
		}
		b.stored(r)
	}},
	{"due notices come in the order of time, and no more than asked for", func(b *bench) {
		first, second, third := b.notice(1, b.now.Add(-2*time.Minute)), b.notice(2, b.now.Add(-time.Minute)), b.notice(3, b.now)
		b.tell(third)
		b.tell(first)
		b.tell(second)
		b.dueNotices(b.now, 10, first, second, third)
		b.dueNotices(b.now, 2, first, second)
	}},
	{"a notice of a message brings the others of it along", func(b *bench) {
		first, second, third := b.notice(1, b.now.Add(-2*time.Minute)), b.notice(2, b.now.Add(-time.Minute)), b.notice(3, b.now)
		for _, n := range []rotator.Notice{first, second, third} {
			b.tell(n)
		}
		b.ok(b.GroupNotices(b.ctx, first.ID, []string{first.ID, third.ID}))
		first.Message, third.Message = first.ID, first.ID
		b.dueNotices(b.now, 1, first, third)
	}},
	{"a notice keeps the message that it has", func(b *bench) {
		n := b.notice(1, b.now)
		b.tell(n)
		b.ok(b.GroupNotices(b.ctx, "first", []string{n.ID}))
		b.ok(b.GroupNotices(b.ctx, "second", []string{n.ID}))
		n.Message = "first"
		b.dueNotices(b.now, 10, n)
	}},
	{"what was sent is gone, once and for all", func(b *bench) {
		first, second, third := b.notice(1, b.now), b.notice(2, b.now), b.notice(3, b.now)
		for _, n := range []rotator.Notice{first, second, third} {
			b.tell(n)
		}
		b.ok(b.NoticesSent(b.ctx, []string{first.ID, third.ID}))
		b.ok(b.NoticesSent(b.ctx, []string{first.ID, "none"}))
		b.dueNotices(b.now, 10, second)
	}},
	{"what failed is tried again later, and says why", func(b *bench) {
		n := b.notice(1, b.now)
		b.tell(n)
		later := b.now.Add(time.Minute)
		b.ok(b.NoticesFailed(b.ctx, []string{n.ID, "none"}, "450 later", later))
		b.dueNotices(later.Add(-time.Millisecond), 10)
		n.Attempt, n.Trouble = 1, "450 later"
		b.dueNotices(later, 10, n)
		b.ok(b.NoticesFailed(b.ctx, []string{n.ID}, "550 never", later))
		n.Attempt, n.Trouble = 2, "550 never"
		b.dueNotices(later, 10, n)
	}},
	{"what was put off too far is hastened", func(b *bench) {
		soon, far := b.notice(1, b.now.Add(time.Hour)), b.notice(2, b.now.Add(3*time.Hour))
		b.tell(soon)
		b.tell(far)
		b.ok(b.HastenNotices(b.ctx, b.now.Add(2*time.Hour), b.now))
		b.dueNotices(b.now, 10, far)
		b.dueNotices(b.now.Add(time.Hour), 10, far, soon)
	}},
	{"counts tell what is fresh, what failed and since when", func(b *bench) {
		b.counted(rotator.NoticeCounts{})
		old := b.notice(1, b.now.Add(-time.Hour))
		b.tell(old)
		b.tell(b.notice(2, b.now))
		b.tell(b.notice(3, b.now))
		b.counted(rotator.NoticeCounts{Fresh: 3, Oldest: old.At})
		b.ok(b.NoticesFailed(b.ctx, []string{old.ID}, "down", b.now.Add(time.Hour)))
		b.counted(rotator.NoticeCounts{Fresh: 2, Failed: 1, Oldest: old.At})
		b.ok(b.NoticesSent(b.ctx, []string{old.ID}))
		b.counted(rotator.NoticeCounts{Fresh: 2, Oldest: b.now})
	}},
}

// notice is one of the n-th rotation, with everything in it that a notice can hold before it is tried.
func (b *bench) notice(n int, at time.Time) rotator.Notice {
	c := credential("p", n)
	return rotator.Notice{
		ID: fmt.Sprintf("rotation-%d/1", n), At: at, Kind: rotator.NoticeReplaced, To: "ann@example.com", Contact: "bob@example.com",
		CredentialID: c, ServiceUser: "ci-bot", Rotation: fmt.Sprint("rotation-", n), Reason: rotator.ReasonExpiring,
		OldKey: rotator.KeyRef{ID: "1", Name: "ci"}, NewKey: rotator.KeyRef{ID: "2", Name: "ci-r0002"},
		Places: []string{"disk: /keys/ci"}, GraceUntil: at.Add(time.Hour), NewKeyExpires: at.Add(2 * time.Hour),
		Deadline: at.Add(3 * time.Hour), Why: "because",
	}
}

// tell commits a change of a rotation of the notice's credential that brings the notice along.
func (b *bench) tell(n rotator.Notice) {
	b.Helper()
	c := rotator.Plan(n.Rotation, draft(n.CredentialID, b.now), b.now, "planned")
	c.Notices = []rotator.Notice{n}
	b.commit(c)
}

func (b *bench) dueNotices(now time.Time, limit int, want ...rotator.Notice) {
	b.Helper()
	got, err := b.DueNotices(b.ctx, now, limit)
	b.ok(err)
	b.same("the due notices", got, want)
}

func (b *bench) counted(want rotator.NoticeCounts) {
	b.Helper()
	got, err := b.CountNotices(b.ctx)
	b.ok(err)
	b.same("the counts", got, want)
}
