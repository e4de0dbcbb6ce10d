package engine

import (
	"context"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// recordRevocation records what became of a call that revokes a key. The rotation that it belongs to, if any, tells the rest
// by its own steps. That a record cannot be written undoes nothing: the log has it then.
func (e *Engine) recordRevocation(ctx context.Context, a *account, k rotator.Key, failed error) {
	base, version := rotator.SplitName(k.Name)
	event := rotator.AuditEvent{Kind: rotator.AuditRevoke, Outcome: rotator.AuditDone, OldKey: rotator.KeyRef{ID: k.ID, Name: k.Name}, Version: version}
	if failed != nil {
		event.Outcome, event.Note = rotator.AuditFailed, failed.Error()
	}
	e.recordEvent(ctx, event.About(rotator.CredentialID{Provider: a.name, UserID: k.UserID, Base: base}))
}

// recordRepair records that a service user was set back to its declaration.
func (e *Engine) recordRepair(ctx context.Context, p *rotator.Provision, was string) {
	e.recordEvent(ctx, rotator.AuditEvent{Kind: rotator.AuditUser, Outcome: rotator.AuditDone, Provider: p.Provider, UserID: p.UserID,
		ServiceUser: p.Label, Credential: p.Credential, Note: "set back to its declaration; it was: " + was})
}

func (e *Engine) recordEvent(ctx context.Context, event rotator.AuditEvent) {
	if err := e.store.Record(context.WithoutCancel(ctx), event); err != nil {
		e.obs.JournalFailed(err)
		e.log.Error("the audit record cannot be written", zap.String("kind", string(event.Kind)), zap.String("provider", event.Provider),
			zap.String("key_id", event.OldKey.ID), zap.String("note", event.Note), zap.Error(err))
	}
}
