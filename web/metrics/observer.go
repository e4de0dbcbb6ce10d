package metrics

import (
	"errors"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

var _ engine.Observer = (*Metrics)(nil)

// Scanned implements [engine.Observer].
func (m *Metrics) Scanned(provider string, _ engine.ScanResult, took time.Duration, err error) {
	result := scanComplete
	switch {
	case errors.Is(err, rotator.ErrInventoryDropped):
		result = scanDisbelieved
	case err != nil:
		result = scanFailed
	}
	m.scans.WithLabelValues(clean(provider), result).Inc()
	m.scanDuration.WithLabelValues(clean(provider)).Set(took.Seconds())
}

// Moved implements [engine.Observer]: a rotation that ended is counted.
func (m *Metrics) Moved(_ rotator.Stage, r *rotator.Rotation, _ string) {
	if !r.Stage.Final() {
		return
	}
	m.rotations.WithLabelValues(clean(r.Provider), string(r.Reason), string(r.Stage)).Inc()
	if r.Stage == rotator.StageDone {
		m.proven.note(r.Provider, r.StageAt)
	}
}

// Delivered implements [engine.Observer]. A sink that cannot be written is not read back either, so nothing else tells
// that it is down.
func (m *Metrics) Delivered(sink string, _ *rotator.Rotation, err error) {
	result := deliveryResult(err)
	m.deliveries.WithLabelValues(clean(sink), result).Inc()
	if result != deliveryOther {
		m.Probed(sink, err)
	}
}

// deliveryResult is the fault's kind. What nobody classified, unlike elsewhere, is not called transient: it is a sink
// that took a delivery and does not hold it, or one that is no longer configured.
func deliveryResult(err error) string {
	if err == nil {
		return deliveryConfirmed
	}
	if f, ok := errors.AsType[*rotator.Fault](err); ok {
		return string(f.Kind)
	}
	return deliveryOther
}

// Probed implements [engine.Observer]. A sink that says no to one request in particular is up all the same.
func (m *Metrics) Probed(sink string, err error) {
	up := 1.0
	if err != nil {
		switch rotator.KindOf(err) {
		case rotator.Conflict, rotator.Gone, rotator.Invalid:
		case rotator.Transient, rotator.Throttled, rotator.Denied, rotator.UnknownOutcome:
			up = 0
		}
	}
	m.sinkUp.WithLabelValues(clean(sink)).Set(up)
}

// JournalFailed implements [engine.Observer].
func (m *Metrics) JournalFailed(error) { m.journalErrors.Inc() }

// OrphanRetired implements [engine.Observer].
func (m *Metrics) OrphanRetired(provider string, _ rotator.Key) {
	m.orphans.WithLabelValues(clean(provider)).Inc()
}

// Leased implements [engine.Observer].
func (m *Metrics) Leased(provider string, held bool) {
	m.leases.note(provider, held)
	change := leaseLost
	if held {
		change = leaseGained
	}
	m.leaseChanges.WithLabelValues(clean(provider), change).Inc()
}

// LateWrite notes that the journal refused a write because the account has another owner by now.
func (m *Metrics) LateWrite(account string) { m.lateWrites.WithLabelValues(clean(account)).Inc() }
