package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// deliver brings the new key to every sink that does not hold it yet, each at its own pace, and reads each back: stage
// delivering. A sink that fails is tried again with the same key; the others are not repeated.
func (e *Engine) deliver(ctx context.Context, r *rotator.Rotation) (rotator.Change, error) {
	now := e.clock.Now()
	secret, err := e.sealer.Open(record(r), r.Sealed)
	if err != nil {
		return r.Block(rotator.BlockSealUnreadable, err.Error(), now, now.Add(planRecheck)), nil
	}
	defer secret.Wipe()
	progress := slices.Clone(r.Sinks)
	var wg sync.WaitGroup
	for _, i := range r.Unconfirmed() {
		if !progress[i].NextAt.After(now) {
			wg.Go(func() { e.deliverTo(ctx, r, &progress[i], secret) })
		}
	}
	wg.Wait()
	now = e.clock.Now()
	after := *r
	after.Sinks = progress
	if len(after.Unconfirmed()) == 0 {
		return r.Confirm(progress, now), nil
	}
	return r.Delivered(progress, now, deliveryNote(progress)), nil
}

// sinkPatience is how long a sink may take for one delivery or one look. Sinks have limits of their own for each request;
// this one keeps a sink that never answers from keeping the workers that others wait for.
const sinkPatience = 2 * time.Minute

// deliverTo delivers to one sink and reads it back; only what was read back counts.
func (e *Engine) deliverTo(ctx context.Context, r *rotator.Rotation, p *rotator.SinkProgress, secret rotator.Secret) {
	receipt, err := e.deliverAndRead(ctx, r, p, secret)
	e.obs.Delivered(p.Sink, r, err)
	now := e.clock.Now()
	if err == nil {
		*p = rotator.SinkProgress{Sink: p.Sink, Location: p.Location, ConfirmedAt: now, Receipt: receipt.Detail}
		return
	}
	p.Attempt++
	p.NextAt, p.Trouble, p.Blocked = e.retryAt(r, p.Sink, p.Attempt, now), err.Error(), sinkBlock(err)
	if asked := now.Add(rotator.RetryAfterOf(err)); asked.After(p.NextAt) {
		p.NextAt = asked
	}
}

// deliverAndRead runs in a goroutine of its own, so a panic in the sink's adapter is caught here.
func (e *Engine) deliverAndRead(ctx context.Context, r *rotator.Rotation, p *rotator.SinkProgress, secret rotator.Secret) (_ rotator.Receipt, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = e.defect("deliver to sink "+p.Sink, cause, rotationFields(r)...)
		}
	}()
	sink, ok := e.setup.Load().Sinks[p.Sink]
	if !ok {
		return rotator.Receipt{}, errNoSink
	}
	limited, cancel := context.WithTimeout(ctx, sinkPatience)
	defer cancel()
	receipt, err := sink.Deliver(limited, rotator.Delivery{
		Coordinates: r.Coordinates(), Location: p.Location, Version: r.Version, KeyID: r.NewKey.ID, KeyName: r.NewKey.Name,
		Rotation: r.ID, Fingerprint: r.Fingerprint, Expires: r.NewKeyExpires, Secret: secret,
	})
	if err != nil {
		return receipt, err
	}
	ev, copied, err := e.observe(ctx, r, *p)
	defer copied.Wipe()
	if err != nil {
		return receipt, err
	}
	if !ev.Matches {
		return receipt, mismatch{ev}
	}
	return receipt, nil
}

// mismatch is the error for a sink that took a delivery and does not hold it.
type mismatch struct{ ev rotator.SinkEvidence }

func (m mismatch) Error() string { return m.ev.Trouble }

// Unwrap gives the kind that metrics count it under.
func (m mismatch) Unwrap() error {
	return &rotator.Fault{Op: "read back " + m.ev.Sink, Kind: rotator.Conflict}
}

func sinkBlock(err error) rotator.BlockReason {
	if m, ok := err.(mismatch); ok { //nolint:errorlint // made just above, never wrapped
		return m.ev.Block
	}
	if err == errNoSink { //nolint:errorlint // as above
		return rotator.BlockSinkUnknown
	}
	switch rotator.KindOf(err) {
	case rotator.Conflict:
		return rotator.BlockSinkConflict
	case rotator.Denied:
		return rotator.BlockDenied
	case rotator.Invalid:
		return rotator.BlockInvalid
	default:
		return ""
	}
}

func deliveryNote(progress []rotator.SinkProgress) string {
	var b strings.Builder
	for _, p := range progress {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		if p.Confirmed() {
			fmt.Fprintf(&b, "%s holds the new key", p.Sink)
		} else {
			fmt.Fprintf(&b, "%s does not (attempt %d): %s", p.Sink, p.Attempt, p.Trouble)
		}
	}
	return b.String()
}

// observe reads one sink and compares what a consumer would read with the rotation's fingerprint. It returns the copy
// that was read.
func (e *Engine) observe(ctx context.Context, r *rotator.Rotation, p rotator.SinkProgress) (rotator.SinkEvidence, rotator.Secret, error) {
	ev := rotator.SinkEvidence{Sink: p.Sink}
	sink, ok := e.setup.Load().Sinks[p.Sink]
	if !ok {
		ev.Block, ev.Trouble = rotator.BlockSinkUnknown, "it is no longer in the configuration; put it back, or make another key without it: rotatord rotate --start-over"
		return ev, rotator.Secret{}, nil
	}
	limited, cancel := context.WithTimeout(ctx, sinkPatience)
	defer cancel()
	seen, err := sink.Observe(limited, r.Coordinates(), p.Location)
	e.obs.Probed(p.Sink, err)
	if err != nil {
		return ev, rotator.Secret{}, fmt.Errorf("reading back sink %s: %w", p.Sink, err)
	}
	switch found := e.fingerprint(seen); {
	case !seen.Present:
		ev.Block, ev.Trouble = rotator.BlockSinkMismatch, fmt.Sprintf("nothing is at %s", p.Location)
	case found != r.Fingerprint:
		ev.Block, ev.Trouble = rotator.BlockSinkMismatch,
			fmt.Sprintf("%s holds a secret with fingerprint %s, not the new key's %s", p.Location, found, r.Fingerprint)
	default:
		ev.Matches = true
	}
	return ev, seen.Secret, nil
}

func (e *Engine) fingerprint(o rotator.Observation) string {
	if o.Secret.Empty() {
		return "(empty)"
	}
	return e.sealer.Fingerprint(o.Secret)
}
