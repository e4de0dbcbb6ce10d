package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/rotator"
)

// findings are what was last counted of each provider.
type findings struct {
	mu sync.Mutex
	of map[string]map[rotator.FindingKind]int
}

// CountFindings reads every key of the provider and counts what is to be said against them, for the scrapes from then on.
// It is called after each scan and not at a scrape: of a hundred thousand keys it takes a second or two.
func (m *Metrics) CountFindings(ctx context.Context, provider string) error {
	counts := map[rotator.FindingKind]int{}
	report := rotator.Report{View: m.o.View, Settings: m.o.KeySettings}
	err := report.Keys(ctx, rotator.KeyQuery{Provider: provider, Brief: true}, time.Now(),
		func(_ rotator.KeyFacts, _ rotator.Class, found []rotator.Finding) error {
			for _, f := range found {
				counts[f.Kind]++
			}
			return nil
		})
	if err != nil {
		return err
	}
	m.findings.mu.Lock()
	defer m.findings.mu.Unlock()
	m.findings.of[provider] = counts
	return nil
}

// collect leaves out providers that nothing was counted of yet, and those that are not configured any more.
func (f *findings) collect(ch chan<- prometheus.Metric, providers []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range providers {
		counts, counted := f.of[p]
		if !counted {
			continue
		}
		for _, kind := range rotator.Findings() {
			send(ch, keyFindings, float64(counts[kind]), p, string(kind))
		}
	}
}
