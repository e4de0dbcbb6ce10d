package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

var (
	proofDue = gauge("proof_due_timestamp_seconds",
		"By when the drills of the configuration have to have proven again that rotating works, in seconds since 1970. Long past, drills are not begun or do not end.",
		"absent for a provider at which none is drilled by the calendar", "provider")
	drillStuck = gauge("drill_stuck_timestamp_seconds",
		"Since when the drill has stood still that has the longest, in seconds since 1970: blocked, or at work in one stage; not in grace, while soaking, or outside a window.",
		"absent while none does", "provider", "policy")
)

// drillPage is how many open drills are read at once.
const drillPage = 500

// drillsCache holds since when drills have stood still, for as long as what other alerts are made of.
type drillsCache struct {
	mu    sync.Mutex
	at    time.Time
	since map[[2]string]time.Time // by provider and policy
}

func (c *drillsCache) get(ctx context.Context, v rotator.View, now time.Time) (map[[2]string]time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.at); c.since != nil && age >= 0 && age < standsFor {
		return c.since, nil
	}
	since, err := stuckDrills(ctx, v)
	c.at, c.since = now, since
	return since, err
}

func stuckDrills(ctx context.Context, v rotator.View) (map[[2]string]time.Time, error) {
	since := map[[2]string]time.Time{}
	q := rotator.RotationQuery{State: "open", Reason: rotator.ReasonDrill, Limit: drillPage}
	for {
		page, err := v.FindRotations(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Rotations {
			r := &page.Rotations[i]
			pair := [2]string{r.Provider, r.Policy}
			at, stuck := r.Stuck()
			if first, known := since[pair]; stuck && (!known || at.Before(first)) {
				since[pair] = at
			}
		}
		if page.Next == nil {
			return since, nil
		}
		q.After = *page.Next
	}
}

func (m *Metrics) collectDrills(ctx context.Context, ch chan<- prometheus.Metric, providers []string, now time.Time) error {
	stuck, err := m.drills.get(ctx, m.o.View, now)
	configured := set(providers)
	for pair, since := range stuck {
		if configured[pair[0]] {
			send(ch, drillStuck, seconds(since), pair[0], pair[1])
		}
	}
	return err
}
