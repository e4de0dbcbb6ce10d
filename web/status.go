package web

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Status is what the on-call wants to know first.
type Status struct {
	Version string    `json:"version"`
	Now     time.Time `json:"now" doc:"The daemon's clock."`
	Ready   bool      `json:"ready"`
	// NotReady is why.
	NotReady string `json:"not_ready,omitempty" doc:"Why it is not ready."`
	// NeedsPerson is counted, so it is true whatever fits into the lists.
	NeedsPerson bool               `json:"needs_person" doc:"Whether anything stays as it is until somebody does something."`
	Providers   []ProviderStatus   `json:"providers" nullable:"false"`
	Holds       int                `json:"holds" doc:"Holds that are in force."`
	Attention   []Item             `json:"attention" nullable:"false" doc:"What needs a person, the longest first."`
	Incidents   []IncidentStanding `json:"incidents" nullable:"false" doc:"Leaks that were reported in the last 90 days and of which not everything is confirmed, the latest first."`
	Waiting     []Item             `json:"waiting" nullable:"false" doc:"What waits for a time that somebody chose: a hold, a freeze, a window."`
	Freezes     []Freeze           `json:"freezes" nullable:"false" doc:"Freezes that are in force or still to come."`
	InMotion    []Rotation         `json:"in_motion" nullable:"false" doc:"Open rotations that go on by themselves, the nearest deadline first."`
	DueNext     []Credential       `json:"due_next" nullable:"false" doc:"Managed credentials by when the daemon decides about them, the nearest first, without those that are in motion or blocked."`
	Truncated   bool               `json:"truncated" doc:"Whether a list does not hold everything. The counts of the providers always do."`
}

// ProviderStatus is one provider.
type ProviderStatus struct {
	Name          string         `json:"name"`
	Owner         string         `json:"owner,omitempty" doc:"The replica that acts on it: approve and supply there. Absent where there is one process only, and while no replica does."`
	OwnerSince    time.Time      `json:"owner_since,omitzero"`
	LastScan      time.Time      `json:"last_scan,omitzero" doc:"When the last complete scan began; absent if there was none."`
	ScanTrouble   string         `json:"scan_trouble,omitempty" doc:"Why the latest scan failed; absent if it did not."`
	ClockSkew     int            `json:"clock_skew_seconds,omitempty" doc:"How far its clock is ahead of the daemon's (behind, if negative), to the minute, where they differ by more than five minutes: nothing is decided by dates then."`
	Users         int            `json:"users" doc:"Service users that the last complete scan saw."`
	Keys          int            `json:"keys" doc:"Keys that the last complete scan saw."`
	KeysByState   map[string]int `json:"keys_by_state" doc:"managed, unmanaged, waiting, missing, inactive"`
	Orphans       int            `json:"orphans" doc:"Keys whose secret nobody has; the next scan revokes them."`
	Open          map[string]int `json:"open" doc:"Open rotations by stage."`
	Blocked       map[string]int `json:"blocked" doc:"Rotations and due keys that do not go on, by reason."`
	PausedUntil   time.Time      `json:"paused_until,omitzero" doc:"Until then no step calls it; absent if it is not paused."`
	PausedWhy     string         `json:"paused_why,omitempty"`
	BreakerOpen   bool           `json:"breaker_open"`
	Failures      int            `json:"failures" doc:"Failed calls in a row."`
	Awaiting      int            `json:"awaiting_approval" doc:"Rotations that wait for a person to approve them, counted up to a bound."`
	AwaitingSince time.Time      `json:"awaiting_since,omitzero"`
	Approved      int            `json:"approved" doc:"Rotations beyond the cap that somebody let through and that have not started."`
	ApprovedUntil time.Time      `json:"approved_until,omitzero"`
	ApprovedBy    string         `json:"approved_by,omitempty"`
}

// Item is one thing that does not go on by itself.
type Item struct {
	About    string    `json:"about" enum:"provider,rotation,key,journal,service_user,hook,incident,verification"`
	What     string    `json:"what" doc:"The provider (of a verification, too), the hook, the incident, or provider/user/credential."`
	Rotation string    `json:"rotation,omitempty" doc:"The rotation's id, if it is about one."`
	KeyID    string    `json:"key_id,omitempty" doc:"The provider's id of the key that is to be replaced."`
	Reason   string    `json:"reason" doc:"A reason for a block, or breaker_open, scan_failed, journal_failing, user_trouble, user_drift, hook_failing, leak_not_confirmed, verified_differs, verified_refused or verified_unreachable."`
	Why      string    `json:"why"`
	Do       string    `json:"do" doc:"What to do about it."`
	Since    time.Time `json:"since,omitzero" doc:"Since when; for a failed scan, when the last complete one began."`
	Deadline time.Time `json:"deadline,omitzero" doc:"When the key that is to be replaced must be gone; absent where there is none."`
	NextLook time.Time `json:"next_look,omitzero" doc:"When the daemon looks again by itself."`

	credential CredentialName // of a rotation, a key, a hook or a verification
}

// How much a status reads and shows. Beyond that the counts speak.
const (
	statusReads = 1000
	statusShows = 100
	statusDue   = 20
)

// status gathers the state of everything, or fails with the journal's error.
func (s *Server) status(ctx context.Context, now time.Time) (*Status, error) {
	st := &Status{Version: s.o.Version, Now: now, Ready: true,
		Providers: []ProviderStatus{}, Attention: []Item{}, Waiting: []Item{}, Freezes: []Freeze{}, InMotion: []Rotation{}, DueNext: []Credential{}}
	if why := s.unready.Load(); why != nil {
		st.Ready, st.NotReady = false, *why
	}
	s.gatherJournal(st)
	for _, gather := range []func(context.Context, *Status) error{s.gatherProviders, s.gatherFreezes, s.gatherRotations, s.gatherKeys, s.gatherServiceUsers, s.gatherHooks, s.gatherVerified, s.gatherIncidents, s.gatherDue} {
		if err := gather(ctx, st); err != nil {
			return nil, err
		}
	}
	st.tidy()
	return st, nil
}

// gatherJournal tells of a journal that can be read and not written: then nothing moves, and nothing else says so.
func (s *Server) gatherJournal(st *Status) {
	if s.o.JournalTrouble == nil {
		return
	}
	if why, since := s.o.JournalTrouble(); why != "" {
		st.Attention = append(st.Attention, Item{About: "journal", What: "journal", Reason: reasonJournal, Why: why, Do: advice[reasonJournal], Since: since})
	}
}

func (s *Server) gatherProviders(ctx context.Context, st *Status) error {
	counts, err := s.o.Journal.Counts(ctx, st.Now)
	if err != nil {
		return err
	}
	st.Holds = counts.Holds
	acting, err := s.leaseholders(ctx, st.Now)
	if err != nil {
		return err
	}
	names := slices.Sorted(slices.Values(s.o.Providers()))
	for _, name := range slices.Compact(names) {
		state, err := s.o.Journal.ProviderState(ctx, name)
		if err != nil {
			return err
		}
		p := providerOf(name, state, st.Now)
		p.Owner, p.OwnerSince = acting[name].Owner, acting[name].Since
		p.count(counts)
		for reason, n := range counts.Blocked[name] {
			st.NeedsPerson = st.NeedsPerson || n > 0 && needsPerson(reason)
		}
		st.Providers = append(st.Providers, p)
		st.Attention = append(st.Attention, p.attention()...)
	}
	return nil
}

// leaseholders are the leases in force, by account.
func (s *Server) leaseholders(ctx context.Context, now time.Time) (map[string]rotator.LeaseState, error) {
	if s.o.Leases == nil {
		return nil, nil
	}
	states, err := s.o.Leases(ctx)
	if err != nil {
		return nil, err
	}
	acting := make(map[string]rotator.LeaseState, len(states))
	for _, l := range states {
		if l.Until.After(now) {
			acting[l.Account] = l
		}
	}
	return acting, nil
}

func providerOf(name string, s rotator.ProviderState, now time.Time) ProviderStatus {
	p := ProviderStatus{
		Name: name, LastScan: s.LastScan, ScanTrouble: s.ScanTrouble, ClockSkew: int(s.Skew / time.Second), Users: s.Users, Keys: s.Keys, BreakerOpen: s.BreakerOpen,
		Failures: s.Failures, Awaiting: s.Awaiting, AwaitingSince: s.AwaitingSince,
		KeysByState: map[string]int{}, Open: map[string]int{}, Blocked: map[string]int{},
	}
	if now.Before(s.PausedUntil) {
		p.PausedUntil, p.PausedWhy = s.PausedUntil, s.PausedWhy
	}
	if s.Approved > 0 && now.Before(s.ApprovedUntil) {
		p.Approved, p.ApprovedUntil, p.ApprovedBy = s.Approved, s.ApprovedUntil, s.ApprovedBy
	}
	return p
}

func (p *ProviderStatus) count(c rotator.Counts) {
	for state, n := range c.Keys[p.Name] {
		p.KeysByState[state] = n
	}
	for reason, n := range c.Blocked[p.Name] {
		p.Blocked[string(reason)] = n
	}
	for _, s := range c.Stages {
		if s.Provider == p.Name {
			p.Open[string(s.Stage)] += s.Count
		}
	}
	p.Orphans = c.Orphans[p.Name]
}

// attention lists what is wrong with the provider as a whole.
func (p *ProviderStatus) attention() []Item {
	var items []Item
	item := func(reason, why string, since, next time.Time) {
		items = append(items, Item{About: "provider", What: p.Name, Reason: reason, Why: why, Do: adviceOn(reason, CredentialName{Provider: p.Name}), Since: since, NextLook: next})
	}
	switch {
	case p.BreakerOpen:
		item(reasonBreaker, p.PausedWhy, time.Time{}, p.PausedUntil)
	case p.ScanTrouble != "":
		item(reasonScanFailed, p.ScanTrouble, p.LastScan, time.Time{})
	}
	if p.ClockSkew != 0 {
		item(string(rotator.BlockClockSkew), rotator.SkewInWords(time.Duration(p.ClockSkew)*time.Second), time.Time{}, time.Time{})
	}
	if !p.AwaitingSince.IsZero() {
		item(string(rotator.BlockAwaitingApproval), "at least "+plural(p.Awaiting, "rotation is", "rotations are")+" due and not approved", p.AwaitingSince, time.Time{})
	}
	return items
}

func (s *Server) gatherRotations(ctx context.Context, st *Status) error {
	open, err := s.o.Journal.Rotations(ctx, false, statusReads)
	if err != nil {
		return err
	}
	st.Truncated = st.Truncated || len(open) == statusReads
	for i := range open {
		r := &open[i]
		if r.Blocked == "" {
			st.InMotion = append(st.InMotion, rotationOf(r))
			continue
		}
		st.block(r.Blocked, Item{About: "rotation", What: r.String(), credential: nameOf(r.CredentialID), Rotation: r.ID, KeyID: r.OldKey.ID,
			Why: r.Trouble, Since: r.BlockedSince, Deadline: r.Deadline, NextLook: r.NextAt})
	}
	return nil
}

func (s *Server) gatherKeys(ctx context.Context, st *Status) error {
	waiting, err := s.o.Journal.WaitingKeys(ctx, statusReads)
	if err != nil {
		return err
	}
	st.Truncated = st.Truncated || len(waiting) == statusReads
	for _, k := range waiting {
		if k.Waiting == rotator.BlockAwaitingApproval {
			continue // said once, of the provider
		}
		st.block(k.Waiting, Item{About: "key", What: k.Credential().String(), credential: nameOf(k.Credential()), KeyID: k.ID, Why: k.WaitingWhy,
			Since: k.WaitingSince, Deadline: k.Deadline, NextLook: k.LookAt})
	}
	return nil
}

// block files an item under what it needs.
func (st *Status) block(b rotator.BlockReason, i Item) {
	i.Reason, i.Do = string(b), adviceOn(string(b), i.credential)
	if needsPerson(b) {
		st.Attention = append(st.Attention, i)
	} else {
		st.Waiting = append(st.Waiting, i)
	}
}

// hookPatience is how often a hook is tried before a person is told: most failures pass by themselves.
const hookPatience = 3

// gatherHooks tells of each hook that fails, once, with the oldest key that it could not tell of.
func (s *Server) gatherHooks(ctx context.Context, st *Status) error {
	runs, err := s.o.Journal.FailingHookRuns(ctx, statusReads)
	if err != nil {
		return err
	}
	st.Truncated = st.Truncated || len(runs) == statusReads
	count, first := map[string]int{}, map[string]*rotator.HookRun{}
	for i := range runs {
		h := &runs[i]
		if h.Attempt < hookPatience {
			continue
		}
		if count[h.Hook]++; count[h.Hook] == 1 {
			first[h.Hook] = h
		}
	}
	for name, h := range first {
		st.Attention = append(st.Attention, Item{About: "hook", What: name, credential: nameOf(h.CredentialID), Rotation: h.Rotation, Reason: string(rotator.BlockHookFailing),
			Why: "it could not tell its consumers of " + plural(count[name], "new key", "new keys") + ", first that of " + h.CredentialID.String() + ": " + h.Trouble,
			Do:  advice[string(rotator.BlockHookFailing)], Since: h.At, NextLook: h.NextAt})
	}
	return nil
}

// errEnough ends a walk over the keys.
var errEnough = errors.New("enough")

func (s *Server) gatherDue(ctx context.Context, st *Status) error {
	var due []rotator.TrackedKey
	for i := range st.Providers {
		keys, err := s.o.Journal.DueNext(ctx, st.Providers[i].Name, statusDue)
		if err != nil {
			return err
		}
		due = append(due, keys...)
	}
	slices.SortStableFunc(due, func(a, b rotator.TrackedKey) int { return a.LookAt.Compare(b.LookAt) })
	for _, k := range due[:min(len(due), statusDue)] {
		c := credentialOf(k)
		c.ObserveOnly = s.observes(k.Provider, k.Policy)
		st.DueNext = append(st.DueNext, c)
	}
	return nil
}

// observes reports whether the policy only observes at the provider.
func (s *Server) observes(provider, policy string) bool {
	return s.o.KeySettings != nil && s.o.KeySettings(provider, policy).Observed
}

// tidy orders and shortens the lists.
func (st *Status) tidy() {
	st.NeedsPerson = st.NeedsPerson || len(st.Attention) > 0
	byAge := func(a, b Item) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.What, b.What), cmp.Compare(a.Reason, b.Reason))
	}
	slices.SortStableFunc(st.Attention, byAge)
	slices.SortStableFunc(st.Waiting, byAge)
	slices.SortStableFunc(st.InMotion, func(a, b Rotation) int {
		return cmp.Or(soonest(a.Deadline, b.Deadline), cmp.Compare(a.ID, b.ID))
	})
	st.Attention, st.Truncated = shorten(st.Attention, st.Truncated)
	st.Waiting, st.Truncated = shorten(st.Waiting, st.Truncated)
	st.InMotion, st.Truncated = shorten(st.InMotion, st.Truncated)
}

// soonest orders times with "never" last.
func soonest(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	default:
		return a.Compare(b)
	}
}

func shorten[T any](list []T, truncated bool) ([]T, bool) {
	if len(list) <= statusShows {
		return list, truncated
	}
	return list[:statusShows], true
}
