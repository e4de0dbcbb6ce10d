package rotator

import (
	"context"
	"fmt"
	"time"
)

// HookResult says how the run of a hook ended.
type HookResult string

// The results.
const (
	HookDone    HookResult = "done"    // the consumer was told
	HookDropped HookResult = "dropped" // the hook was taken out of the configuration before the consumer could be told
)

// HookRun is one hook that is run for one new key: a consumer that is told once every sink holds it. It holds no secret.
//
// The JSON form is what the journal stores, but for what changes while it waits, which has columns of its own; fields are
// added, never renamed.
type HookRun struct {
	// ID is the rotation's, the key's version and the hook's name, with slashes between. It names the run to its consumer,
	// however often it is repeated.
	ID string `json:"id"`
	// Hook is its name in the configuration.
	Hook string `json:"hook"`
	// At is when the last sink was confirmed.
	At       time.Time `json:"at"`
	Rotation string    `json:"rotation"`
	CredentialID
	// ServiceUser is the user's name for people; it may be empty.
	ServiceUser string `json:"service_user,omitempty"`
	Policy      string `json:"policy"`
	Reason      Reason `json:"reason,omitempty"`
	Version     int    `json:"version"`
	NewKey      KeyRef `json:"new_key"`
	Fingerprint string `json:"fingerprint"`
	// NewKeyExpires is zero for a key that never does.
	NewKeyExpires time.Time `json:"new_key_expires,omitzero"`
	// Places are where the new key is.
	Places []HookPlace `json:"places"`
	// Required is true where the old key stays until the run is done.
	Required bool `json:"required,omitempty"`
	// Attempt counts how often it was begun.
	Attempt int `json:"-"`
	// Call names the call that it was begun in and whose outcome is not known; empty where it was not begun, or failed for
	// certain. The same runs are then repeated under the same name.
	Call string `json:"-"`
	// NextAt is when it is tried next; zero once it has ended.
	NextAt time.Time `json:"-"`
	// Trouble is the last failure in words; empty if there was none since.
	Trouble string `json:"-"`
	// EndedAt, Result and Detail say how it ended.
	EndedAt time.Time  `json:"-"`
	Result  HookResult `json:"-"`
	Detail  string     `json:"-"`
}

// HookPlace is one place of a key.
type HookPlace struct {
	Sink     string `json:"sink"`
	Location string `json:"location"`
}

// Ended reports whether nothing more becomes of the run.
func (h *HookRun) Ended() bool { return !h.EndedAt.IsZero() }

// Urgent reports whether the run waits for no others to be told together with it.
func (h *HookRun) Urgent() bool { return h.Reason == ReasonCompromised }

// HookRunsOf returns the runs that begin with a change: those of the policy's hooks, where the change confirms the last sink.
func HookRunsOf(c *Change, p *Policy) []HookRun {
	if p == nil || c.After.Stage != StageConfirmed || c.From == StageConfirmed {
		return nil
	}
	var runs []HookRun
	for _, name := range p.Hooks {
		runs = append(runs, hookRun(&c.After, name, false))
	}
	for _, name := range p.RequiredHooks {
		runs = append(runs, hookRun(&c.After, name, true))
	}
	return runs
}

func hookRun(r *Rotation, hook string, required bool) HookRun {
	run := HookRun{
		ID: fmt.Sprintf("%s/%d/%s", r.ID, r.Version, hook), Hook: hook, At: r.StageAt, Rotation: r.ID, CredentialID: r.CredentialID,
		ServiceUser: r.ServiceUser, Policy: r.Policy, Reason: r.Reason, Version: r.Version, NewKey: r.NewKey,
		Fingerprint: r.Fingerprint, NewKeyExpires: r.NewKeyExpires, Required: required, NextAt: r.StageAt,
	}
	for _, s := range r.Sinks {
		run.Places = append(run.Places, HookPlace{Sink: s.Sink, Location: s.Location})
	}
	return run
}

// audit is what the audit record tells of the run.
func (h *HookRun) audit(outcome AuditOutcome, note string) AuditEvent {
	e := AuditEvent{Kind: AuditHook, Outcome: outcome, ServiceUser: h.ServiceUser, Rotation: h.Rotation, Version: h.Version, Policy: h.Policy,
		Reason: h.Reason, NewKey: h.NewKey, Fingerprint: h.Fingerprint, Count: h.Attempt, Note: "hook " + h.Hook + ": " + note}
	return e.About(h.CredentialID).Bounded()
}

// AuditEnded is what the audit record tells of a run that ended.
func (h *HookRun) AuditEnded(result HookResult, detail string) AuditEvent {
	if result == HookDropped {
		return h.audit(AuditRefused, "not run: "+detail)
	}
	return h.audit(AuditDone, detail)
}

// AuditFailed is what the audit record tells of a run that failed and is tried again.
func (h *HookRun) AuditFailed(trouble string) AuditEvent { return h.audit(AuditFailed, trouble) }

// AuditRepeated is what the audit record tells of a call that is made once more because nobody knows what became of it.
func (h *HookRun) AuditRepeated() AuditEvent {
	return h.audit(AuditBegun, "the outcome of call "+h.Call+" is not known; it is made again under the same name")
}

// Hooks holds the runs of hooks. [Journal.Commit] puts them there, in the transaction of the change that confirms the last
// sink, so that no crash loses one. A run stays in it after it has ended, as evidence, for as long as its rotation.
//
// A run is begun before its effect and ended after it. A crash between the two leaves it with its call: it is repeated under
// that name, so that its consumer can tell, and the audit record says so.
type Hooks interface {
	// PendingHooks counts the runs that have not ended, by the name of their hook.
	PendingHooks(ctx context.Context) ([]HookCount, error)
	// HookRunsToTry returns up to limit runs of the hook that have not ended, due or not, by when they are due, from an index.
	// With a run that has a call come all others of the call, beyond the limit if need be. A run that cannot be read is
	// skipped and put off from now.
	HookRunsToTry(ctx context.Context, hook string, now time.Time, limit int) ([]HookRun, error)
	// BeginHookRuns records, before its effect, that the runs are told in one call, all of them at once. Those that have a call
	// already keep it, and the audit record tells that it is repeated.
	BeginHookRuns(ctx context.Context, call string, ids []string) error
	// EndHookRuns records how the runs ended, all of them at once. It does nothing to those that have ended.
	EndHookRuns(ctx context.Context, ids []string, result HookResult, detail string, at time.Time) error
	// FailHookRuns records that the runs failed and are tried again at nextAt, all of them at once. Where the outcome is
	// unknown they keep their call. The audit record tells of a failure that is not the one before.
	FailHookRuns(ctx context.Context, ids []string, trouble string, unknown bool, nextAt time.Time) error
	// HookRuns returns all runs of a rotation, the oldest first.
	HookRuns(ctx context.Context, rotation string) ([]HookRun, error)
	// FailingHookRuns returns up to limit runs that have not ended and whose last attempt failed, the oldest first.
	FailingHookRuns(ctx context.Context, limit int) ([]HookRun, error)
}

// HookCount is how many runs of a hook have not ended.
type HookCount struct {
	Hook string
	// Pending is all of them; Failing those whose last attempt failed.
	Pending, Failing int
	// Oldest is when the last sink of the oldest of them was confirmed.
	Oldest time.Time
}
