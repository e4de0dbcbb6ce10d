// Package metrics exports what the daemon does and what its journal holds, for Prometheus.
//
// Counters grow as the engine tells what happened ([Metrics] is an engine.Observer). Everything that is a state is read
// from the journal when it is scraped, so that after a restart no gauge is wrong until something happens. Labels come
// from the configuration and from closed lists, except in the series that exist once for each key, which can be turned
// off.
//
// The package renders nothing over HTTP itself and keeps no registry of its own: [New] is given one.
package metrics

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/rotatord/rotatord/rotator"
)

// Options are what the metrics are made of.
type Options struct {
	// Registry receives them all, the collectors for Go and the process included.
	Registry *prometheus.Registry
	// View and Operations are read at each scrape; one for counts, the other for the state of providers.
	View       rotator.View
	Operations rotator.Operations
	// Provisions returns the service users that must exist at the provider.
	Provisions func(ctx context.Context, provider string) ([]rotator.Provision, error)
	// Verified counts credentials by what the last verification of each found.
	Verified func(ctx context.Context) ([]rotator.VerifyCount, error)
	// Notices counts the notices that wait.
	Notices func(ctx context.Context) (rotator.NoticeCounts, error)
	// PendingHooks counts the runs of hooks that have not ended; nil is none. Hooks returns the names that are configured now.
	PendingHooks func(ctx context.Context) ([]rotator.HookCount, error)
	Hooks        func() []string
	// Incidents and Leaked are what is known of leaks; nil is that none is kept.
	Incidents rotator.Incidents
	Leaked    rotator.LeakFacts
	// AuditHead returns the last audit record; nil is none.
	AuditHead func(ctx context.Context) (rotator.AuditHead, error)
	// Providers and Sinks return the names that are configured now, and Freezes the calendar.
	Providers func() []string
	Sinks     func() []string
	Freezes   func() []rotator.Freeze
	// Owners returns whose keys are whose, by the labels of the configuration; nil is nobody's.
	Owners func() []Owner
	// NextDue returns when the provider's next step of a rotation is due, zero for none; nil is not asked.
	NextDue func(ctx context.Context, provider string) (time.Time, error)
	// NextScan returns when the schedule has the scan that follows one at last; nil is not asked.
	NextScan func(last time.Time) time.Time
	// NextVerification returns when the schedule has the verification that follows one at last; zero for none, nil is none.
	NextVerification func(last time.Time) time.Time
	// ProofDue returns by when drills have to have proven that rotating works at the provider, if it was proven last at last; zero
	// where none is drilled, nil is nowhere.
	ProofDue func(provider string, last time.Time) time.Time
	// SinkTokens returns when the tokens end that the daemon has for sinks; nil is none.
	SinkTokens func() map[string]time.Time
	// Certificates returns those that the daemon shows to others, as they are now; nil is none.
	Certificates func() []Certificate
	// Ready says whether this process does its work; nil is yes.
	Ready func() bool
	// KeySettings returns what the configuration in force says of keys of that provider and that policy; nil is nothing.
	KeySettings func(provider, policy string) rotator.KeySettings
	// PerKey says whether a few series are exported for each key; nil is yes.
	PerKey func() bool
	// Version and Revision say what is running.
	Version, Revision string
}

// Metrics are the daemon's metrics. All methods are safe for concurrent use.
type Metrics struct {
	o Options

	rotations, deliveries, scans, orphans, requests *prometheus.CounterVec
	notices, alerts, leaseChanges, lateWrites       *prometheus.CounterVec
	hookRuns                                        *prometheus.CounterVec
	sinkUp, scanDuration                            *prometheus.GaugeVec
	requestTime                                     *prometheus.HistogramVec
	journalErrors                                   prometheus.Counter
	configGood, configAt, build                     prometheus.Gauge

	counts   countsCache
	standing standingCache
	drills   drillsCache
	leaks    leaks
	own      own
	proven   proven
	findings findings
	leases   leases
	audit    atomic.Int32 // what the last verification said
}

// New makes the metrics and registers them. It panics if the registry holds them already. The configuration counts as
// read successfully, because a daemon with a bad one does not start.
func New(o Options) *Metrics {
	m := &Metrics{
		o:             o,
		rotations:     counterVec(rotationsTotal),
		deliveries:    counterVec(sinkDeliveries),
		scans:         counterVec(scansTotal),
		orphans:       counterVec(orphansGone),
		requests:      counterVec(requests),
		notices:       counterVec(noticesTried),
		alerts:        counterVec(alertsPushed),
		hookRuns:      counterVec(hookRuns),
		leaseChanges:  counterVec(leaseChanges),
		lateWrites:    counterVec(lateWrites),
		sinkUp:        gaugeVec(sinkUp),
		scanDuration:  gaugeVec(scanDuration),
		requestTime:   newRequestTime(),
		journalErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: journalErrors.Name, Help: journalErrors.Help}),
		configGood:    prometheus.NewGauge(prometheus.GaugeOpts{Name: configGood.Name, Help: configGood.Help}),
		configAt:      prometheus.NewGauge(prometheus.GaugeOpts{Name: configAt.Name, Help: configAt.Help}),
		build:         gaugeVec(buildInfo).WithLabelValues(clean(o.Version), clean(o.Revision), runtime.Version()),
		proven:        proven{at: map[string]time.Time{}},
		own:           own{ends: map[string]time.Time{}},
		leases:        leases{held: map[string]bool{}},
		findings:      findings{of: map[string]map[rotator.FindingKind]int{}},
	}
	m.build.Set(1)
	m.ConfigReloaded(nil)
	o.Registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counterVec(d Definition) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

func gaugeVec(d Definition) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.Labels)
}

// The native histogram resolves about a tenth and is bounded in memory: when it would need more buckets it coarsens,
// and refines again after an hour.
const (
	nativeFactor  = 1.1
	nativeBuckets = 100
	nativeReset   = time.Hour
)

func newRequestTime() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: requestTime.Name, Help: requestTime.Help,
		Buckets:                         []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60},
		NativeHistogramBucketFactor:     nativeFactor,
		NativeHistogramMaxBucketNumber:  nativeBuckets,
		NativeHistogramMinResetDuration: nativeReset,
	}, requestTime.Labels)
}

// ProviderRequest notes one request to a provider: operation is a word from the provider's own closed list, code the
// answer's HTTP status code, and anything else stands for no answer.
func (m *Metrics) ProviderRequest(provider, operation, code string, took time.Duration) {
	m.requests.WithLabelValues(clean(provider), clean(operation), statusCode(code)).Inc()
	m.requestTime.WithLabelValues(clean(provider), clean(operation)).Observe(took.Seconds())
}

// statusCode keeps a label's values few, whatever a server or a proxy answers.
func statusCode(code string) string {
	if len(code) != 3 || code[0] < '1' || code[0] > '5' || strings.Trim(code, "0123456789") != "" {
		return noCode
	}
	return code
}

// ConfigReloaded notes how reading the configuration anew ended.
func (m *Metrics) ConfigReloaded(err error) {
	if err != nil {
		m.configGood.Set(0)
		return
	}
	m.configGood.Set(1)
	m.configAt.SetToCurrentTime()
}

// clean makes of any text one that a label can hold.
func clean(value string) string { return strings.ToValidUTF8(value, "\uFFFD") }

// proven remembers when each provider last had a rotation proven from end to end.
type proven struct {
	mu       sync.Mutex
	recalled bool
	at       map[string]time.Time
}

func (p *proven) note(provider string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at.After(p.at[provider]) {
		p.at[provider] = at
	}
}

func (p *proven) of(provider string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at[provider]
}
