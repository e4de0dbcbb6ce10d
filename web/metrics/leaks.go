package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

var leakedCredentials = gauge("leaked_credentials",
	"Credentials of a leak that was reported in the last 90 days that are not confirmed, by how they stand; of the latest 20 incidents. `not_rotated` and `keys_left` need a person. "+
		"Up to 400 are looked at anew every 15 seconds, in turn, so those of a large incident come to be counted one after the other.",
	"absent where nothing is to be counted", "incident", "provider", "policy", "standing")

const (
	// leaksFor is how long what is known of leaks is served again.
	leaksFor = 15 * time.Second
	// leakLooks is at how many credentials one look goes.
	leakLooks = 400
)

// leaks remembers how the credentials of the watched incidents stand.
type leaks struct {
	mu     sync.Mutex
	at     time.Time
	of     map[string]*leakWalk // by incident
	counts map[leaked]int
	err    error
}

// leaked are the labels of a count.
type leaked struct{ incident, provider, policy, standing string }

// leakWalk goes over the credentials of one incident, some at a time, without end.
type leakWalk struct {
	standings []rotator.LeakStanding // empty where nobody has looked yet
	next      int
}

func (l *leaks) get(ctx context.Context, o *Options, now time.Time) (map[leaked]int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if age := now.Sub(l.at); age < 0 || age >= leaksFor || l.err != nil {
		l.err = l.look(ctx, o, now)
		l.at = now
	}
	return l.counts, l.err
}

// look goes on with every incident by its share, and counts. What was counted before stays if that fails.
func (l *leaks) look(ctx context.Context, o *Options, now time.Time) error {
	watched, err := rotator.WatchedIncidents(ctx, o.Incidents, now)
	if err != nil {
		return err
	}
	of, counts := make(map[string]*leakWalk, len(watched)), map[leaked]int{}
	for n := range watched {
		i := &watched[n]
		w := l.of[i.ID]
		if w == nil || len(w.standings) != len(i.Credentials) {
			w = &leakWalk{standings: make([]rotator.LeakStanding, len(i.Credentials))}
		}
		if err := w.goOn(ctx, o.Leaked, i, leakLooks/len(watched)); err != nil {
			return err
		}
		of[i.ID] = w
		w.count(i, counts)
	}
	l.of, l.counts = of, counts
	return nil
}

func (w *leakWalk) goOn(ctx context.Context, in rotator.LeakFacts, i *rotator.Incident, share int) error {
	for range min(share, len(i.Credentials)) {
		s, err := rotator.LookUpStanding(ctx, in, i.Credentials[w.next], i.At)
		if err != nil {
			return err
		}
		w.standings[w.next] = s.Standing
		w.next = (w.next + 1) % len(w.standings)
	}
	return nil
}

func (w *leakWalk) count(i *rotator.Incident, counts map[leaked]int) {
	for n, standing := range w.standings {
		if standing != "" && standing != rotator.LeakConfirmed {
			c := &i.Credentials[n]
			counts[leaked{i.ID, c.Provider, c.Policy(), string(standing)}]++
		}
	}
}

// collectLeaks exports what is known, even if it could not be found out anew, and makes sure of the owners.
func (m *Metrics) collectLeaks(ctx context.Context, ch chan<- prometheus.Metric, owners *ownership, now time.Time) error {
	if m.o.Incidents == nil {
		return nil
	}
	counts, err := m.leaks.get(ctx, &m.o, now)
	for l, n := range counts {
		send(ch, leakedCredentials, float64(n), l.incident, l.provider, l.policy, l.standing)
		owners.need(l.provider, l.policy)
	}
	return err
}
