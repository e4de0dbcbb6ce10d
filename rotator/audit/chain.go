package audit

import (
	"context"
	"errors"

	"github.com/rotatord/rotatord/rotator"
)

// Chain is where records are read from. A [rotator.Store] is one.
type Chain interface {
	// AuditRecords calls fn for each record whose number is above after, in order, until fn returns an error, which it
	// returns.
	AuditRecords(ctx context.Context, after int64, fn func(rotator.AuditRecord) error) error
	// AuditHead returns what was noted of the last record.
	AuditHead(ctx context.Context) (rotator.AuditHead, error)
}

// errEnough ends a walk that has seen what it came for.
var errEnough = errors.New("enough")

// VerifyChain verifies a chain that may grow meanwhile. between, if not nil, is called before each record with its number,
// counted from 1, and can take its time or end the walk with an error. The error is about the reading; what is wrong with
// the chain is in the result.
func VerifyChain(ctx context.Context, c Chain, between func(n int64) error, anchors ...rotator.AuditHead) (Result, error) {
	v := NewVerifier(anchors...)
	add := func(r rotator.AuditRecord) error {
		if between != nil {
			if err := between(v.result.Records + 1); err != nil {
				return err
			}
		}
		v.Add(&r)
		return nil
	}
	if err := c.AuditRecords(ctx, 0, add); err != nil {
		return v.Finish(nil), err
	}
	// The head is read after the records, or it could be older than the last of them. What it tells of and is not there yet
	// was appended meanwhile.
	head, err := c.AuditHead(ctx)
	if err == nil && head.Seq > v.last.seq {
		err = c.AuditRecords(ctx, v.last.seq, func(r rotator.AuditRecord) error {
			if r.Seq > head.Seq {
				return errEnough
			}
			return add(r)
		})
	}
	if err != nil && !errors.Is(err, errEnough) {
		return v.Finish(nil), err
	}
	return v.Finish(&End{AuditHead: head}), nil
}

// Export calls emit for each record that the filter selects, up to the one that is the last when it begins, and returns the
// end.
func Export(ctx context.Context, c Chain, f Filter, emit func(*rotator.AuditRecord) error) (*End, error) {
	head, err := c.AuditHead(ctx)
	if err != nil {
		return nil, err
	}
	err = c.AuditRecords(ctx, 0, func(r rotator.AuditRecord) error {
		if r.Seq > head.Seq {
			return errEnough
		}
		if !f.Selects(&r) {
			return nil
		}
		return emit(&r)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return &End{AuditHead: head, Filtered: f.Narrows()}, nil
}
