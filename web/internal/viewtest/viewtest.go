// Package viewtest is a journal for the tests of pages and metrics: it answers what a test put in, and fails when told.
package viewtest

import (
	"context"
	"path"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Journal answers the questions of the web packages. The zero Journal is empty. Its fields are set before it is used.
type Journal struct {
	Count     rotator.Counts
	Stands    rotator.Standing
	Managed   []rotator.TrackedKey
	Waiting   []rotator.TrackedKey
	Found     []rotator.TrackedKey
	Facts     []rotator.KeyFacts
	Open      []rotator.Rotation
	Ended     []rotator.Rotation
	Entries   []rotator.Entry
	Declared  []rotator.Provision
	Notices   rotator.NoticeCounts
	Hooks     []rotator.HookRun
	Fleet     []rotator.FleetCredential
	Ages      []rotator.AgeCount
	DueCounts []rotator.DueCount
	Held      []rotator.Hold
	// Verified are the findings of the last verification.
	Verified map[rotator.CredentialID]rotator.Verification
	// Checked are the counts of CountVerifications.
	Checked []rotator.VerifyCount
	// Queries are what FleetCredentials was asked.
	Queries   []rotator.FleetQuery
	Providers map[string]rotator.ProviderState
	// Err, if set, is what every question is answered with.
	Err error
	// Asked counts the calls of Counts.
	Asked atomic.Int64

	rotator.Operations // the acting half: nothing here calls it
}

// Counts implements [rotator.View].
func (j *Journal) Counts(context.Context, time.Time) (rotator.Counts, error) {
	j.Asked.Add(1)
	return j.Count, j.Err
}

// Standing implements [rotator.View].
func (j *Journal) Standing(context.Context, []string, time.Time) (rotator.Standing, error) {
	return j.Stands, j.Err
}

// ManagedKeys implements [rotator.View].
func (j *Journal) ManagedKeys(_ context.Context, fn func(rotator.TrackedKey) error) error {
	for _, k := range j.Managed {
		if err := fn(k); err != nil {
			return err
		}
	}
	return j.Err
}

// Rotations implements [rotator.View].
func (j *Journal) Rotations(_ context.Context, final bool, limit int) ([]rotator.Rotation, error) {
	all := j.Open
	if final {
		all = j.Ended
	}
	return all[:min(limit, len(all))], j.Err
}

// FindRotations implements [rotator.View]: of Open and Ended, which are in order. It heeds all but the times.
func (j *Journal) FindRotations(_ context.Context, q rotator.RotationQuery) (rotator.RotationPage, error) {
	var page rotator.RotationPage
	behind := q.After.ID == ""
	for n, r := range append(slices.Clone(j.Open), j.Ended...) {
		state := "open"
		if n >= len(j.Open) {
			state = "ended"
		}
		fits := matches(q.Provider, r.Provider) && matches(q.User, r.UserID) && matches(q.Base, r.Base) &&
			(q.State == "" || q.State == state) && (q.Reason == "" || q.Reason == r.Reason) && (q.Policy == "" || q.Policy == r.Policy)
		if behind && fits {
			if len(page.Rotations) == q.Limit {
				next := rotator.CursorAt(&page.Rotations[q.Limit-1])
				page.Next = &next
				break
			}
			page.Rotations = append(page.Rotations, r)
		}
		behind = behind || r.ID == q.After.ID
	}
	return page, j.Err
}

// VerificationOf is that of [rotator.Verifications].
func (j *Journal) VerificationOf(_ context.Context, c rotator.CredentialID) (*rotator.Verification, error) {
	if v, ok := j.Verified[c]; ok {
		return &v, j.Err
	}
	return nil, j.Err
}

// VerifyFindings is that of [rotator.Verifications].
func (j *Journal) VerifyFindings(_ context.Context, provider string) ([]rotator.VerifyFinding, error) {
	var all []rotator.VerifyFinding
	for _, outcome := range rotator.VerifyOutcomes() {
		f := rotator.VerifyFinding{Outcome: outcome}
		for _, v := range j.Verified {
			if v.Provider != provider || v.Outcome != outcome || !outcome.NeedsPerson() {
				continue
			}
			if f.Count++; f.Count == 1 || v.At.Before(f.First.At) {
				f.First = v
			}
		}
		if f.Count > 0 {
			all = append(all, f)
		}
	}
	return all, j.Err
}

// CountVerifications is that of [rotator.Verifications].
func (j *Journal) CountVerifications(context.Context) ([]rotator.VerifyCount, error) {
	return j.Checked, j.Err
}

// WaitingKeys implements [rotator.View].
func (j *Journal) WaitingKeys(_ context.Context, limit int) ([]rotator.TrackedKey, error) {
	return j.Waiting[:min(limit, len(j.Waiting))], j.Err
}

// History implements [rotator.View].
func (j *Journal) History(_ context.Context, id string) ([]rotator.Entry, error) {
	var out []rotator.Entry
	for _, e := range j.Entries {
		if e.Rotation == id {
			out = append(out, e)
		}
	}
	return out, j.Err
}

// FindCredentials implements [rotator.View].
func (j *Journal) FindCredentials(_ context.Context, provider, user, base string, limit int) ([]rotator.TrackedKey, error) {
	var out []rotator.TrackedKey
	for _, k := range j.Found {
		if matches(provider, k.Provider) && matches(user, k.UserID) && matches(base, k.Base) && len(out) < limit {
			out = append(out, k)
		}
	}
	return out, j.Err
}

func matches(pattern, value string) bool {
	ok, err := path.Match(pattern, value)
	return pattern == "" || ok && err == nil
}

// Rotation implements [rotator.Journal] as far as pages need it.
func (j *Journal) Rotation(_ context.Context, id string) (rotator.Rotation, error) {
	if j.Err != nil {
		return rotator.Rotation{}, j.Err
	}
	for _, all := range [][]rotator.Rotation{j.Open, j.Ended} {
		for _, r := range all {
			if r.ID == id {
				return r, nil
			}
		}
	}
	return rotator.Rotation{}, rotator.NewFault("rotation", rotator.Gone, "no rotation has the id %q", id)
}

// CountNotices is that of [rotator.Outbox].
func (j *Journal) CountNotices(context.Context) (rotator.NoticeCounts, error) {
	return j.Notices, j.Err
}

// Provisions implements [rotator.Provisions].
func (j *Journal) Provisions(_ context.Context, provider string) ([]rotator.Provision, error) {
	var out []rotator.Provision
	for _, p := range j.Declared {
		if provider == "" || p.Provider == provider {
			out = append(out, p)
		}
	}
	return out, j.Err
}

// NextDue is that of [rotator.Journal]: of Open.
func (j *Journal) NextDue(_ context.Context, provider string, _ bool) (time.Time, error) {
	var next time.Time
	for _, r := range j.Open {
		if r.Provider == provider && (next.IsZero() || r.NextAt.Before(next)) {
			next = r.NextAt
		}
	}
	return next, j.Err
}

// ProviderState implements [rotator.Operations].
func (j *Journal) ProviderState(_ context.Context, provider string) (rotator.ProviderState, error) {
	return j.Providers[provider], j.Err
}

// ReportKeys implements [rotator.View]: of Facts, which are in order.
func (j *Journal) ReportKeys(_ context.Context, q rotator.KeyQuery, now time.Time, fn func(rotator.KeyFacts) error) error {
	given := 0
	for _, f := range j.Facts {
		k := f.Key
		before := k.Provider < q.After.Provider || k.Provider == q.After.Provider && k.ID <= q.After.ID
		if before || !matches(q.Provider, k.Provider) || !matches(q.Policy, k.Policy) || !q.Wants(&f, now) {
			continue
		}
		if err := fn(f); err != nil {
			return err
		}
		if given++; given == q.Limit {
			return nil
		}
	}
	return j.Err
}

// FleetCredentials implements [rotator.Fleet]: of Fleet, which is in order. It heeds the provider, the policy and the place.
func (j *Journal) FleetCredentials(_ context.Context, q rotator.FleetQuery, _ time.Time) (rotator.FleetPage, error) {
	j.Queries = append(j.Queries, q)
	var page rotator.FleetPage
	for _, c := range j.Fleet {
		id := c.Key.Credential()
		if q.Provider != "" && id.Provider != q.Provider || q.Policy != "" && c.Key.Policy != q.Policy || id.String() <= q.After.String() && q.After.Provider != "" {
			continue
		}
		if len(page.Credentials) == q.Limit {
			page.More = true
			break
		}
		page.Credentials = append(page.Credentials, c)
	}
	return page, j.Err
}

// FleetAges implements [rotator.Fleet].
func (j *Journal) FleetAges(context.Context, time.Time) ([]rotator.AgeCount, error) {
	return j.Ages, j.Err
}

// DueByHour implements [rotator.Fleet].
func (j *Journal) DueByHour(context.Context, time.Time, time.Time) ([]rotator.DueCount, error) {
	return j.DueCounts, j.Err
}

// DueNext implements [rotator.Fleet]: of Managed, which is in order.
func (j *Journal) DueNext(_ context.Context, provider string, limit int) ([]rotator.TrackedKey, error) {
	var out []rotator.TrackedKey
	for _, k := range j.Managed {
		if k.Provider == provider && !k.LookAt.IsZero() && k.Waiting == "" && len(out) < limit {
			out = append(out, k)
		}
	}
	return out, j.Err
}

// Holds implements [rotator.Fleet]: of Held, which is in order.
func (j *Journal) Holds(_ context.Context, after rotator.CredentialID, limit int, now time.Time) ([]rotator.Hold, error) {
	var out []rotator.Hold
	for _, h := range j.Held {
		if (after.Provider == "" || h.CredentialID.String() > after.String()) && h.Until.After(now) && len(out) < limit {
			out = append(out, h)
		}
	}
	return out, j.Err
}

// RotationsOf implements [rotator.Fleet].
func (j *Journal) RotationsOf(_ context.Context, c rotator.CredentialID, limit int) ([]rotator.Rotation, error) {
	var out []rotator.Rotation
	for _, all := range [][]rotator.Rotation{j.Open, j.Ended} {
		for _, r := range all {
			if r.CredentialID == c && len(out) < limit {
				out = append(out, r)
			}
		}
	}
	return out, j.Err
}

// Series implements [rotator.Inventory] as far as pages need it: of Found.
func (j *Journal) Series(_ context.Context, c rotator.CredentialID) ([]rotator.TrackedKey, error) {
	var out []rotator.TrackedKey
	for _, k := range j.Found {
		if k.Credential() == c {
			out = append(out, k)
		}
	}
	return out, j.Err
}

// HoldOn is that of [rotator.Operations]: of Held.
func (j *Journal) HoldOn(_ context.Context, c rotator.CredentialID, now time.Time) (*rotator.Hold, error) {
	for _, h := range j.Held {
		if h.CredentialID == c && h.Until.After(now) {
			return &h, j.Err
		}
	}
	return nil, j.Err
}

// HookRuns is that of [rotator.Hooks]: of Hooks.
func (j *Journal) HookRuns(_ context.Context, rotation string) ([]rotator.HookRun, error) {
	var out []rotator.HookRun
	for _, h := range j.Hooks {
		if h.Rotation == rotation {
			out = append(out, h)
		}
	}
	return out, j.Err
}

// FailingHookRuns is that of [rotator.Hooks]: of Hooks.
func (j *Journal) FailingHookRuns(_ context.Context, limit int) ([]rotator.HookRun, error) {
	var out []rotator.HookRun
	for _, h := range j.Hooks {
		if !h.Ended() && h.Trouble != "" && len(out) < limit {
			out = append(out, h)
		}
	}
	return out, j.Err
}

// PendingHooks is that of [rotator.Hooks]: of Hooks, which are in the order of time and of one hook each.
func (j *Journal) PendingHooks(context.Context) ([]rotator.HookCount, error) {
	var out []rotator.HookCount
	for _, h := range j.Hooks {
		if h.Ended() {
			continue
		}
		c := rotator.HookCount{Hook: h.Hook, Pending: 1, Oldest: h.At}
		if h.Trouble != "" {
			c.Failing = 1
		}
		out = append(out, c)
	}
	return out, j.Err
}
