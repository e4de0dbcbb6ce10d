package engine

import (
	"slices"

	"github.com/rotatord/rotatord/rotator"
)

// Notify says which transitions the contacts of credentials are told, and where. The zero Notify tells nobody anything.
type Notify struct {
	// Kinds are the notices that are written.
	Kinds []rotator.NoticeKind
	// Recipient returns the address that a notice for the contact goes to; the contact may be empty. An empty answer means
	// that nobody is told.
	Recipient func(contact string) string
}

// notices returns what is told of the change. They are committed with it, so that no crash comes between the two.
func (n Notify) notices(c rotator.Change) []rotator.Notice {
	if n.Recipient == nil || len(n.Kinds) == 0 {
		return nil
	}
	notice, told := rotator.NoticeOf(c, n.Recipient(c.After.Contact))
	if !told || !slices.Contains(n.Kinds, notice.Kind) {
		return nil
	}
	return []rotator.Notice{notice}
}
