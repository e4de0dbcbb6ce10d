package web

import (
	"context"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// Auditor keeps and shows the audit record. A [rotator.Store] is one.
type Auditor interface {
	// Record appends an event that nothing else records.
	Record(ctx context.Context, e rotator.AuditEvent) error
	// AuditRecords calls fn for each record whose number is above after, in order, until fn returns an error, which it
	// returns.
	AuditRecords(ctx context.Context, after int64, fn func(rotator.AuditRecord) error) error
	// AuditHead returns the last record that was appended.
	AuditHead(ctx context.Context) (rotator.AuditHead, error)
}

// refused records that somebody asked for something that was not done, and returns err. What was done is recorded where it
// is done, together with it.
func (s *Server) refused(ctx context.Context, kind rotator.AuditKind, c rotator.CredentialID, actor string, err error) error {
	if err != nil {
		s.record(ctx, rotator.AuditEvent{Kind: kind, Outcome: rotator.AuditRefused, Actor: actor, Note: err.Error()}.About(c))
	}
	return err
}

// record appends to the audit record. Where that fails, the log has to do: what the record tells of has happened.
func (s *Server) record(ctx context.Context, e rotator.AuditEvent) {
	if s.o.Audit == nil {
		return
	}
	if err := s.o.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		s.log.Error("the audit record cannot be written", zap.String("kind", string(e.Kind)), zap.String("outcome", string(e.Outcome)),
			zap.String("by", e.Actor), zap.String("note", e.Note), zap.Error(err))
	}
}
