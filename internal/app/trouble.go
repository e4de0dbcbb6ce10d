package app

import (
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// journalTrouble remembers why the journal could not be written, until it can: while it cannot, nothing moves, and the
// page has to say so from memory, because there is nothing in the journal to say it.
type journalTrouble struct {
	engine.Unobserved

	mu    sync.Mutex
	why   string
	since time.Time
	last  time.Time
}

// troubleLasts is for how long a failure is shown that did not come again: longer than the pauses between two attempts.
const troubleLasts = 2 * time.Minute

// JournalFailed implements [engine.Observer].
func (j *journalTrouble) JournalFailed(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = time.Now()
	if j.why == "" {
		j.since = j.last
	}
	j.why = err.Error()
}

// Moved implements [engine.Observer]: something was written.
func (j *journalTrouble) Moved(rotator.Stage, *rotator.Rotation, string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.why = ""
}

// now returns the trouble there is.
func (j *journalTrouble) now() (why string, since time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Since(j.last) > troubleLasts {
		j.why = ""
	}
	return j.why, j.since
}
