package journal

import (
	"fmt"

	"github.com/rotatord/rotatord/rotator"
)

// tellState records what a provider's new state decides: its breaker, an approval, rotations that wait for one.
func (w *writer) tellState(was, is *rotator.ProviderState) error {
	for _, e := range stateEvents(was, is) {
		e.Provider = is.Provider
		if err := w.tell(e); err != nil {
			return err
		}
	}
	return nil
}

func stateEvents(was, is *rotator.ProviderState) []rotator.AuditEvent {
	var events []rotator.AuditEvent
	switch {
	case is.BreakerOpen && !was.BreakerOpen:
		events = append(events, rotator.AuditEvent{Kind: rotator.AuditBreaker, Outcome: rotator.AuditBlocked, Until: is.PausedUntil,
			Count: is.Failures, Note: "the breaker opened: " + is.PausedWhy})
	case was.BreakerOpen && !is.BreakerOpen:
		events = append(events, rotator.AuditEvent{Kind: rotator.AuditBreaker, Outcome: rotator.AuditDone, Note: "the breaker closed"})
	}
	if is.ApprovedBy != "" && !is.ApprovedUntil.IsZero() && !is.ApprovedUntil.Equal(was.ApprovedUntil) {
		events = append(events, rotator.AuditEvent{Kind: rotator.AuditApprove, Outcome: rotator.AuditDone, Actor: is.ApprovedBy,
			Count: is.Approved, Until: is.ApprovedUntil, Note: "let through beyond the blast-radius cap"})
	}
	if was.AwaitingSince.IsZero() && !is.AwaitingSince.IsZero() {
		events = append(events, rotator.AuditEvent{Kind: rotator.AuditWait, Outcome: rotator.AuditBlocked, Blocked: rotator.BlockAwaitingApproval,
			Count: is.Awaiting, Note: "more rotations are due than the blast-radius cap lets start"})
	}
	return events
}

// provisionNews returns what is to be recorded of a declared service user, and whether anything is: its trouble in other
// words is no news.
func provisionNews(was, is *rotator.Provision) (rotator.AuditEvent, bool) {
	e := rotator.AuditEvent{Kind: rotator.AuditUser, Outcome: provisionOutcome(is), Actor: is.Actor, Provider: is.Provider, UserID: is.UserID,
		ServiceUser: is.Label, Credential: is.Credential, Note: string(is.State)}
	if len(is.Drift) > 0 {
		e.Note += fmt.Sprintf("; it differs from its declaration: %v", is.Drift)
	}
	if is.Trouble != "" {
		e.Note += "; " + is.Trouble
	}
	same := was.State == is.State && was.UserID == is.UserID && (was.Trouble == "") == (is.Trouble == "") && len(was.Drift) == len(is.Drift)
	return e, !same
}

func provisionOutcome(p *rotator.Provision) rotator.AuditOutcome {
	switch {
	case p.State == rotator.ProvisionWanted || p.State == rotator.ProvisionIntended:
		return rotator.AuditBegun
	case p.State == rotator.ProvisionPresent && p.Trouble == "":
		return rotator.AuditDone
	default:
		return rotator.AuditFailed
	}
}

func holdEvent(h *rotator.Hold) rotator.AuditEvent {
	return rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Actor: h.By, Until: h.Until, Note: h.Reason}.About(h.CredentialID)
}

func waitEvent(k *rotator.TrackedKey) rotator.AuditEvent {
	return rotator.AuditEvent{Kind: rotator.AuditWait, Outcome: rotator.AuditWaiting, Policy: k.Policy, Blocked: k.Waiting,
		OldKey: rotator.KeyRef{ID: k.ID, Name: k.Name}, Until: k.LookAt, Note: k.WaitingWhy}.About(k.Credential())
}
