package rotator

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// NoticeKind says what a contact is told. The list is closed: configurations choose from it.
type NoticeKind string

// The kinds of notice.
const (
	NoticeFirstKey        NoticeKind = "first_key"        // the first key is in its places
	NoticeReplaced        NoticeKind = "replaced"         // the new key is in its places, the old one goes after the grace period
	NoticeRevoked         NoticeKind = "revoked"          // the old key was revoked
	NoticeExtended        NoticeKind = "extended"         // the key lives longer, its secret is the same
	NoticeAbandoned       NoticeKind = "abandoned"        // no new key came of it, the old one stays
	NoticeAwaitingSupply  NoticeKind = "awaiting_supply"  // a person has to make the new key
	NoticeAwaitingRemoval NoticeKind = "awaiting_removal" // a person has to remove the old key
	NoticeOldKeyInUse     NoticeKind = "old_key_in_use"   // somebody still uses the old key, which is therefore not revoked
	NoticeHookFailing     NoticeKind = "hook_failing"     // a consumer cannot be told of the new key, and the old one stays until it is
	NoticeResolved        NoticeKind = "resolved"         // what somebody was asked to do is done, or need not be done any more
)

// NoticeKinds lists every kind of notice.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticeFirstKey, NoticeReplaced, NoticeRevoked, NoticeExtended, NoticeAbandoned,
		NoticeAwaitingSupply, NoticeAwaitingRemoval, NoticeOldKeyInUse, NoticeHookFailing, NoticeResolved}
}

// AsksForAction reports whether the notice asks its reader to do something without which the rotation stands still.
func (k NoticeKind) AsksForAction() bool {
	return k == NoticeAwaitingSupply || k == NoticeAwaitingRemoval || k == NoticeOldKeyInUse || k == NoticeHookFailing
}

// Notice is what the contact of a credential is told of one transition of one rotation. It holds no secret.
//
// The JSON form is what the journal stores; fields are added, never renamed.
type Notice struct {
	// ID is the rotation's, a slash, and the sequence number of the change that it tells of; behind that, where it is for a
	// channel, an at sign and the channel's address.
	ID   string     `json:"id"`
	At   time.Time  `json:"at"`
	Kind NoticeKind `json:"kind"`
	// To is the address of who is told: a contact's, or a channel's.
	To string `json:"to"`
	// Contact is the address that the provider keeps for the service user; To differs where that is empty or not allowed.
	Contact string `json:"contact,omitempty"`
	CredentialID
	// ServiceUser is the user's name for people; it may be empty.
	ServiceUser string `json:"service_user,omitempty"`
	Rotation    string `json:"rotation"`
	Reason      Reason `json:"reason,omitempty"`
	OldKey      KeyRef `json:"old_key"`
	NewKey      KeyRef `json:"new_key"`
	// Places are where the new key is, or will be: "sink: location".
	Places []string `json:"places,omitempty"`
	// GraceUntil is when the old key goes, at the earliest; zero before the new one is in its places.
	GraceUntil time.Time `json:"grace_until,omitzero"`
	// NewKeyExpires is the expiry of the new key, or, of an extended one, the one it has now; zero for none.
	NewKeyExpires time.Time `json:"new_key_expires,omitzero"`
	// Deadline is when the old key must be gone; zero for none.
	Deadline time.Time `json:"deadline,omitzero"`
	// Since is when somebody was first asked to do it; zero where this is the first time. Reminder counts how often they were
	// asked again.
	Since    time.Time `json:"since,omitzero"`
	Reminder int       `json:"reminder,omitempty"`
	// Why says in the daemon's words how the rotation ended, or what blocks it.
	Why string `json:"why,omitempty"`
	// Message is the ID under which it is sent, once that was tried: that of the first notice of the same message. It never
	// changes, so that a message that is sent again can be recognised.
	Message string `json:"message,omitempty"`
	// Attempt counts the failures to send it; Trouble is the last one in words.
	Attempt int    `json:"attempt,omitempty"`
	Trouble string `json:"trouble,omitempty"`
}

// NoticeOf returns what a change tells the person to, which is nothing for most of them. A block is told when it begins and
// when it ends, and between the two where the change is a reminder, see [Change.Reminding].
func NoticeOf(c Change, to string) (Notice, bool) {
	r := &c.After
	kind, told := reached(c)
	n := Notice{At: r.StageAt, Why: r.Why}
	if !told {
		kind, told = begun(c)
		n.At, n.Why = r.BlockedSince, r.Trouble
	}
	if !told && r.Reminders > 0 && c.remindsNow() {
		kind, told = asked(r.Blocked)
		n.At, n.Since, n.Reminder = r.RemindedAt, r.BlockedSince, r.Reminders
	}
	if !told {
		kind, told = resolved(c)
		n.At, n.Why = c.At, c.Note
		if n.At.IsZero() {
			n.At = r.StageAt
		}
	}
	if !told || to == "" {
		return Notice{}, false
	}
	n.ID, n.Kind, n.To, n.Contact, n.Why = fmt.Sprintf("%s/%d", r.ID, r.Seq), kind, to, r.Contact, cmp.Or(n.Why, c.Note)
	n.CredentialID, n.ServiceUser, n.Rotation, n.Reason = r.CredentialID, r.ServiceUser, r.ID, r.Reason
	n.OldKey, n.NewKey, n.Places, n.GraceUntil, n.NewKeyExpires, n.Deadline = r.OldKey, r.NewKey, places(r), r.GraceUntil, r.NewKeyExpires, r.Deadline
	return n, true
}

// reached is what is told of a rotation that came to another stage. A rotation that is abandoned before anything was done
// is told only to somebody who was asked to do something for it, or who was told of a key that is given up.
func reached(c Change) (NoticeKind, bool) {
	if c.After.Stage == c.From {
		return "", false
	}
	switch c.After.Stage {
	case StageGrace:
		return NoticeReplaced, true
	case StageDone:
		return ended[c.From], true
	case StageAbandoned:
		return NoticeAbandoned, c.From != StagePlanned || c.WasBlocked == BlockAwaitingSupply || len(c.After.Discarded) > 0
	default:
		return "", false
	}
}

// ended is how a rotation that is done ended, by the stage that it came from.
var ended = map[Stage]NoticeKind{
	StageConfirmed: NoticeFirstKey,
	StageRevoking:  NoticeRevoked,
	StageExtending: NoticeExtended,
}

// begun is what is told of a block that began.
func begun(c Change) (NoticeKind, bool) {
	if c.After.Blocked == c.WasBlocked {
		return "", false
	}
	return asked(c.After.Blocked)
}

// resolved is what is told of a block that ended without anything else to tell. Where another block takes its place, such as a hold
// or the end of a window, nobody knows whether it has ended.
func resolved(c Change) (NoticeKind, bool) {
	_, was := asked(c.WasBlocked)
	return NoticeResolved, was && c.After.Blocked == ""
}

// asked is what people are asked because of a block.
func asked(b BlockReason) (NoticeKind, bool) {
	switch b { //nolint:exhaustive // the other blocks are for those who run the daemon
	case BlockAwaitingSupply:
		return NoticeAwaitingSupply, true
	case BlockAwaitingRemoval:
		return NoticeAwaitingRemoval, true
	case BlockOldKeyInUse:
		return NoticeOldKeyInUse, true
	case BlockHookFailing:
		return NoticeHookFailing, true
	default:
		return "", false
	}
}

// longestReminder is the longest time between two reminders.
const longestReminder = 30 * 24 * time.Hour

// Reminding makes the change a reminder of what people were asked to do, where it is time for one: first after the given time, then
// after twice that, and so on. Zero never reminds.
func (c Change) Reminding(first time.Duration, now time.Time) Change {
	c.At = now
	r := &c.After
	if _, is := asked(r.Blocked); !is || r.Blocked != c.WasBlocked || first <= 0 {
		return c
	}
	last, pause := r.BlockedSince, first
	if !r.RemindedAt.IsZero() {
		last = r.RemindedAt
	}
	for range min(r.Reminders, 16) {
		pause = min(2*pause, longestReminder)
	}
	setBack := last.After(now) && ClockWrong(last.Sub(now))
	if now.Sub(last) >= pause || setBack {
		r.RemindedAt = now
		r.Reminders++
	}
	return c
}

// remindsNow reports whether Reminding made the change a reminder.
func (c *Change) remindsNow() bool {
	return !c.After.RemindedAt.IsZero() && c.After.RemindedAt.Equal(c.At)
}

func places(r *Rotation) []string {
	if len(r.Sinks) == 0 {
		return nil
	}
	all := make([]string, 0, len(r.Sinks))
	for _, s := range r.Sinks {
		all = append(all, s.Sink+": "+s.Location)
	}
	return all
}

// Outbox holds the notices that have not been delivered yet. [Journal.Commit] puts them there, in the transaction of the
// change that they tell of: neither a crash nor a mail server that is down loses one. A notice leaves the outbox after it
// was delivered, so a crash between the two delivers it twice, under the same [Notice.Message].
type Outbox interface {
	// DueNotices returns up to limit notices that are to be tried at now, the longest due first, from an index. With a notice
	// that has a message come all others of the message, beyond the limit if need be.
	DueNotices(ctx context.Context, now time.Time, limit int) ([]Notice, error)
	// GroupNotices records, before anything is sent, that the notices go in one message. Those that have a message already
	// keep it.
	GroupNotices(ctx context.Context, message string, ids []string) error
	// NoticesSent takes delivered notices out, all of them at once. It succeeds for those that are gone.
	NoticesSent(ctx context.Context, ids []string) error
	// NoticesFailed counts a failure for each, with what went wrong in words, and puts the next attempt off until nextAt, all
	// of them at once. It succeeds for those that are gone.
	NoticesFailed(ctx context.Context, ids []string, trouble string, nextAt time.Time) error
	// HastenNotices has the notices that were put off until after a time tried at another: no attempt is that far away, so what put them
	// off went by a clock that was ahead.
	HastenNotices(ctx context.Context, after, at time.Time) error
	// CountNotices counts what is in the outbox.
	CountNotices(ctx context.Context) (NoticeCounts, error)
}

// NoticeCounts are how many notices wait to be delivered.
type NoticeCounts struct {
	// Fresh have not been tried, or are being tried for the first time. Failed have failed at least once.
	Fresh, Failed int
	// Oldest is when the oldest of them came about; zero if there is none.
	Oldest time.Time
}
