package engine

import (
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Observer is told what happened, for metrics and for the demo's narration. Its methods return at once and are safe for
// concurrent use.
type Observer interface {
	// Scanned tells how a scan of a provider ended.
	Scanned(provider string, s ScanResult, took time.Duration, err error)
	// Moved tells that a change was committed. before is the stage that it came from.
	Moved(before rotator.Stage, r *rotator.Rotation, note string)
	// Delivered tells how one delivery ended: confirmed, or with the fault's kind.
	Delivered(sink string, r *rotator.Rotation, err error)
	// Probed tells whether a sink answered when it was read.
	Probed(sink string, err error)
	// JournalFailed tells that a commit failed for another reason than a conflict.
	JournalFailed(err error)
	// OrphanRetired tells that a key whose secret nobody has was revoked.
	OrphanRetired(provider string, k rotator.Key)
	// Leased tells that this replica begins to act on the provider's account, or has ceased to.
	Leased(provider string, held bool)
}

// ScanResult is what a complete scan saw.
type ScanResult struct {
	Users, Keys, Managed int
	// Changed is how many users and keys were written, Missing how many keys are gone since the last scan.
	Changed, Missing int
}

// Unobserved is an Observer that does nothing; embed it to hear only some events.
type Unobserved struct{}

// Scanned does nothing.
func (Unobserved) Scanned(string, ScanResult, time.Duration, error) {}

// Moved does nothing.
func (Unobserved) Moved(rotator.Stage, *rotator.Rotation, string) {}

// Delivered does nothing.
func (Unobserved) Delivered(string, *rotator.Rotation, error) {}

// Probed does nothing.
func (Unobserved) Probed(string, error) {}

// JournalFailed does nothing.
func (Unobserved) JournalFailed(error) {}

// Leased does nothing.
func (Unobserved) Leased(string, bool) {}

// OrphanRetired does nothing.
func (Unobserved) OrphanRetired(string, rotator.Key) {}
