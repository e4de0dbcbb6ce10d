package engine

import (
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Notify says which transitions are told, and to whom. The zero Notify tells nobody anything.
type Notify struct {
	// Kinds are the notices that are written for contacts.
	Kinds []rotator.NoticeKind
	// Recipient returns the address that a notice for the contact goes to; the contact may be empty. An empty answer means
	// that nobody is told. Nil tells no contact anything.
	Recipient func(contact string) string
	// Remind is when people are asked again to do what they were asked for; after that ever more rarely. Zero is never.
	Remind time.Duration
	// Channels are told beside the contacts.
	Channels []Channel
}

// Channel is somebody who is told of many credentials, such as a team's chat.
type Channel struct {
	// Address is what a notice for the channel is addressed to; it is part of the notice's ID.
	Address string
	// Kinds are the notices that are written for it.
	Kinds []rotator.NoticeKind
	// Concerns reports whether the channel is told of the rotation.
	Concerns func(r *rotator.Rotation) bool
}

// notices returns what is told of the change. They are committed with it, so that no crash comes between the two.
func (n Notify) notices(c rotator.Change) []rotator.Notice {
	var all []rotator.Notice
	if n.Recipient != nil {
		if notice, told := rotator.NoticeOf(c, n.Recipient(c.After.Contact)); told && slices.Contains(n.Kinds, notice.Kind) {
			all = append(all, notice)
		}
	}
	for _, ch := range n.Channels {
		notice, told := rotator.NoticeOf(c, ch.Address)
		if !told || !slices.Contains(ch.Kinds, notice.Kind) || !ch.Concerns(&c.After) {
			continue
		}
		notice.ID += "@" + ch.Address
		all = append(all, notice)
	}
	return all
}
