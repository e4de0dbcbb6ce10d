package metrics

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

const zeroForPairs = "0 for every configured provider and every policy that may select its keys"

var (
	dueKeys = gauge("due_keys", "Keys that are due and whose successor is not in every sink yet.", zeroForPairs, "provider", "policy")
	// The alert on this is the same for a key that lives an hour and one that lives a year.
	windowUsed = gauge("renewal_window_used_ratio",
		"Of those keys, the part of its renewal window that the latest has used up: of the time from when it was due to its deadline. 1 and more is past the deadline.",
		zeroForPairs+", and while none is due", "provider", "policy")
	expiredKeys  = gauge("expired_keys", "Due keys without a successor in every sink that the provider accepts no more.", zeroForPairs, "provider", "policy")
	blockedSince = gauge("blocked_timestamp_seconds",
		"Since when the rotation, or due key, is blocked that has been for that reason the longest, in seconds since 1970.", "absent while nothing is", "provider", "policy", "reason")
	stepSince = gauge("rotation_step_timestamp_seconds",
		"Since when the rotation is in the stage that has been in it the longest, of those that nothing blocks, in seconds since 1970; not for grace and soaking, which have to last.",
		"absent while no rotation is in the stage", "provider", "policy", "stage")
	nextStep = gauge("next_step_timestamp_seconds", "When the next step of a rotation is due, in seconds since 1970. One that has long been due is not being taken.",
		"absent while no rotation is open", "provider")
	holdSince   = gauge("hold_timestamp_seconds", "When the oldest hold in force was placed, in seconds since 1970.", "absent while there is none", "provider")
	freezeSince = gauge("freeze_timestamp_seconds", "Since when a freeze of the calendar has been in force, in seconds since 1970.", "absent while none is")
)

// standsFor is how long what alerts are made of is served again. It is dearer than counts when much is in motion, and no alert
// needs it by the second.
const standsFor = 5 * time.Second

type standingCache struct {
	mu  sync.Mutex
	at  time.Time
	of  []string
	got rotator.Standing
	err error
}

func (c *standingCache) get(ctx context.Context, v rotator.View, providers []string, now time.Time) (rotator.Standing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.at); age < 0 || age >= standsFor || c.err != nil || !slices.Equal(c.of, providers) {
		c.got, c.err = v.Standing(ctx, providers, now)
		c.at, c.of = now, providers
	}
	return c.got, c.err
}

func (m *Metrics) collectStanding(ctx context.Context, ch chan<- prometheus.Metric, providers []string, now time.Time) error {
	st, err := m.standing.get(ctx, m.o.View, providers, now)
	if err != nil {
		return err
	}
	owners := newOwnership(m.o.Owners)
	configured := set(providers)
	renewals := map[[2]string]rotator.Renewal{}
	for _, r := range st.Renewals {
		renewals[[2]string{r.Provider, r.Policy}] = r
		owners.need(r.Provider, r.Policy)
	}
	for _, b := range st.Blocks {
		if configured[b.Provider] && !b.Since.IsZero() {
			send(ch, blockedSince, seconds(b.Since), b.Provider, b.Policy, string(b.Reason))
			owners.need(b.Provider, b.Policy)
		}
	}
	for _, p := range st.Steps {
		if configured[p.Provider] {
			send(ch, stepSince, seconds(p.Since), p.Provider, p.Policy, string(p.Stage))
			owners.need(p.Provider, p.Policy)
		}
	}
	for _, h := range st.Holds {
		if configured[h.Provider] && !h.Since.IsZero() {
			send(ch, holdSince, seconds(h.Since), h.Provider)
		}
	}
	for _, pair := range owners.pairs() {
		if pair[1] == "" || !configured[pair[0]] {
			continue
		}
		r := renewals[pair]
		send(ch, dueKeys, float64(r.Due), pair[0], pair[1])
		send(ch, windowUsed, r.Used, pair[0], pair[1])
		send(ch, expiredKeys, float64(r.Expired), pair[0], pair[1])
	}
	err = m.collectLeaks(ctx, ch, owners, now)
	owners.collect(ch, configured)
	return errors.Join(err, m.collectNext(ctx, ch, providers))
}

func (m *Metrics) collectNext(ctx context.Context, ch chan<- prometheus.Metric, providers []string) error {
	if m.o.NextDue == nil {
		return nil
	}
	for _, p := range providers {
		next, err := m.o.NextDue(ctx, p)
		if err != nil {
			return err
		}
		if !next.IsZero() {
			send(ch, nextStep, seconds(next), p)
		}
	}
	return nil
}

// collectFreezes exports whether a freeze is in force and since when: one that follows another without a gap goes on.
func (m *Metrics) collectFreezes(ch chan<- prometheus.Metric, now time.Time) {
	freezes := m.o.Freezes()
	_, frozen := rotator.FrozenAt(freezes, now)
	send(ch, freezeActive, truth(frozen))
	if frozen {
		send(ch, freezeSince, seconds(frozenSince(freezes, now)))
	}
}

func frozenSince(freezes []rotator.Freeze, now time.Time) time.Time {
	since := now
	for again := true; again; {
		again = false
		for _, f := range freezes {
			if f.From.Before(since) && !f.To.Before(since) {
				since, again = f.From, true
			}
		}
	}
	return since
}

func set(names []string) map[string]bool {
	in := map[string]bool{}
	for _, n := range names {
		in[n] = true
	}
	return in
}
