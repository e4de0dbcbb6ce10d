package metrics

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

// scrapeTime bounds what one scrape may ask of the journal: as long as Prometheus waits by default.
const scrapeTime = 10 * time.Second

// countsFor is how long counts are served again, so that several scrapers do not count the same rows at once.
const countsFor = time.Second

// recalled is how many ended rotations are read, once, to learn when each provider last had one proven.
const recalled = 1000

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, s := range Sections() {
		for _, d := range s.Metrics {
			ch <- d.desc
		}
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	providers, sinks := unique(m.o.Providers()), unique(m.o.Sinks())
	m.initialise(providers, sinks)
	m.findings.collect(ch, providers)
	m.leases.collect(ch, providers)
	m.collectOwn(ch, providers)
	send(ch, ready, truth(m.o.Ready == nil || m.o.Ready()))
	m.collectState(ch, providers)
	for _, c := range []prometheus.Collector{m.rotations, m.deliveries, m.scans, m.orphans, m.requests, m.notices, m.alerts, m.hookRuns, m.leaseChanges, m.lateWrites, m.sinkUp,
		m.scanDuration, m.requestTime, m.journalErrors, m.configGood, m.configAt, m.build} {
		c.Collect(ch)
	}
}

func unique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return slices.Compact(names)
}

// initialise makes every series that can ever count something exist, because the first increase of a series that did
// not is invisible to increase().
func (m *Metrics) initialise(providers, sinks []string) {
	m.initialiseNotices()
	for _, p := range providers {
		p = clean(p)
		m.orphans.WithLabelValues(p)
		m.lateWrites.WithLabelValues(p)
		for _, change := range []string{leaseGained, leaseLost} {
			m.leaseChanges.WithLabelValues(p, change)
		}
		for _, result := range scanResults() {
			m.scans.WithLabelValues(p, result)
		}
		for _, reason := range rotator.Reasons() {
			for _, result := range results() {
				m.rotations.WithLabelValues(p, string(reason), string(result))
			}
		}
	}
	for _, s := range sinks {
		for _, result := range deliveryResults() {
			m.deliveries.WithLabelValues(clean(s), result)
		}
	}
}

// collectState reads the journal. What cannot be read is left out, and rotatord_journal_up says so.
func (m *Metrics) collectState(ch chan<- prometheus.Metric, providers []string) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	now := time.Now()
	m.collectFreezes(ch, now)
	up := true
	for _, collect := range []func() error{
		func() error { return m.collectCounts(ctx, ch, providers, now) },
		func() error { return m.collectStanding(ctx, ch, providers, now) },
		func() error { return m.collectProviders(ctx, ch, providers, now) },
		func() error { return m.collectServiceUsers(ctx, ch, providers) },
		func() error { return m.collectNotices(ctx, ch) },
		func() error { return m.collectVerified(ctx, ch, providers) },
		func() error { return m.collectHooks(ctx, ch) },
		func() error { return m.collectAudit(ctx, ch) },
		func() error { return m.collectProven(ctx, ch, providers) },
		func() error { return m.collectDrills(ctx, ch, providers, now) },
		func() error { return m.collectKeys(ctx, ch) },
	} {
		if collect() != nil {
			up = false
		}
	}
	if !up {
		m.journalErrors.Inc()
	}
	send(ch, journalUp, truth(up))
}

func send(ch chan<- prometheus.Metric, d Definition, value float64, labels ...string) {
	for i, l := range labels {
		labels[i] = clean(l)
	}
	metric, err := prometheus.NewConstMetric(d.desc, prometheus.GaugeValue, value, labels...)
	if err != nil {
		metric = prometheus.NewInvalidMetric(d.desc, err)
	}
	ch <- metric
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// seconds is a point in time as Prometheus has it; zero for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// countsCache holds the latest counts for a moment.
type countsCache struct {
	mu  sync.Mutex
	at  time.Time
	got rotator.Counts
	err error
}

func (c *countsCache) get(ctx context.Context, v rotator.View, now time.Time) (rotator.Counts, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := now.Sub(c.at); age < 0 || age >= countsFor {
		c.got, c.err = v.Counts(ctx, now)
		c.at = now
	}
	return c.got, c.err
}

func (m *Metrics) collectCounts(ctx context.Context, ch chan<- prometheus.Metric, providers []string, now time.Time) error {
	c, err := m.counts.get(ctx, m.o.View, now)
	if err != nil {
		return err
	}
	send(ch, holdActive, float64(c.Holds))
	for _, p := range providers {
		for _, state := range keyStates() {
			send(ch, keys, float64(c.Keys[p][state]), p, state)
		}
		send(ch, unmanagedKeys, float64(c.Keys[p]["unmanaged"]), p)
		send(ch, orphanKeys, float64(c.Orphans[p]), p)
		for _, reason := range rotator.BlockReasons() {
			send(ch, rotationsBlocked, float64(c.Blocked[p][reason]), p, string(reason))
		}
		collectStages(ch, p, c.Stages)
	}
	return nil
}

func collectStages(ch chan<- prometheus.Metric, provider string, stages []rotator.StageCount) {
	for _, stage := range openStages() {
		i := slices.IndexFunc(stages, func(s rotator.StageCount) bool { return s.Provider == provider && s.Stage == stage })
		if i < 0 || stages[i].Count == 0 {
			send(ch, openRotations, 0, provider, string(stage))
			continue
		}
		send(ch, openRotations, float64(stages[i].Count), provider, string(stage))
		if !stages[i].Oldest.IsZero() {
			send(ch, stageSince, seconds(stages[i].Oldest), provider, string(stage))
		}
	}
}

func (m *Metrics) collectProviders(ctx context.Context, ch chan<- prometheus.Metric, providers []string, now time.Time) error {
	for _, p := range providers {
		s, err := m.o.Operations.ProviderState(ctx, p)
		if err != nil {
			return err
		}
		send(ch, providerUp, truth(!s.LastScan.IsZero() && s.ScanTrouble == "" && !s.BreakerOpen), p)
		send(ch, lastScan, seconds(s.LastScan), p)
		if m.o.NextScan != nil {
			send(ch, scanDue, m.scanDueAfter(s.LastScan), p)
		}
		if m.o.NextVerification != nil {
			if due := m.o.NextVerification(s.VerifiedAt); !due.IsZero() {
				send(ch, verificationDue, seconds(due), p)
			}
		}
		send(ch, scanKeys, float64(s.Keys), p)
		send(ch, clockSkew, s.Skew.Seconds(), p)
		send(ch, breakerOpen, truth(s.BreakerOpen), p)
		send(ch, paused, truth(now.Before(s.PausedUntil)), p)
		send(ch, awaitingApproval, float64(s.Awaiting), p)
	}
	return nil
}

func (m *Metrics) scanDueAfter(last time.Time) float64 {
	if last.IsZero() {
		return 0
	}
	return seconds(m.o.NextScan(last))
}

func (m *Metrics) collectServiceUsers(ctx context.Context, ch chan<- prometheus.Metric, providers []string) error {
	for _, p := range providers {
		users, err := m.o.Provisions(ctx, p)
		if err != nil {
			return err
		}
		count := map[string]int{}
		for _, u := range users {
			count[string(u.State)]++
			if len(u.Drift) > 0 {
				count[drifted]++
			}
		}
		for _, state := range userStates() {
			send(ch, serviceUsers, float64(count[state]), p, state)
		}
	}
	return nil
}

func (m *Metrics) collectProven(ctx context.Context, ch chan<- prometheus.Metric, providers []string) error {
	if err := m.recall(ctx); err != nil {
		return err
	}
	for _, p := range providers {
		send(ch, lastProven, seconds(m.proven.of(p)), p)
		if m.o.ProofDue == nil {
			continue
		}
		if due := m.o.ProofDue(p, m.proven.of(p)); !due.IsZero() {
			send(ch, proofDue, seconds(due), p)
		}
	}
	return nil
}

// recall learns once, from the journal, what happened before this process started.
func (m *Metrics) recall(ctx context.Context) error {
	m.proven.mu.Lock()
	known := m.proven.recalled
	m.proven.mu.Unlock()
	if known {
		return nil
	}
	ended, err := m.o.View.Rotations(ctx, true, recalled)
	if err != nil {
		return err
	}
	for _, r := range ended {
		if r.Stage == rotator.StageDone {
			m.proven.note(r.Provider, r.StageAt)
		}
	}
	m.proven.mu.Lock()
	m.proven.recalled = true
	m.proven.mu.Unlock()
	return nil
}

func (m *Metrics) collectKeys(ctx context.Context, ch chan<- prometheus.Metric) error {
	if m.o.PerKey != nil && !m.o.PerKey() {
		return nil
	}
	return m.o.View.ManagedKeys(ctx, func(k rotator.TrackedKey) error {
		for _, s := range []struct {
			d  Definition
			at time.Time
		}{{keyExpiration, k.Expires}, {keyRotationDue, k.Due}, {keyRevokeDue, k.Deadline}, {keyLastUsed, k.LastUsed}} {
			if !s.at.IsZero() {
				send(ch, s.d, seconds(s.at), k.Provider, k.UserID, k.Base, k.ID, k.Policy)
			}
		}
		return nil
	})
}
