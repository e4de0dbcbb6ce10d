package app

import (
	"context"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// keySettings is what the configuration in force says of keys of that provider and that policy.
func (a *App) keySettings(provider, policy string) rotator.KeySettings {
	s := rotator.KeySettings{Labels: map[string]string{}}
	for _, p := range a.config.Load().Providers {
		if p.Name == provider {
			maps.Copy(s.Labels, p.Labels)
		}
	}
	setup := a.setup.Load()
	for _, acc := range setup.Accounts {
		if acc.Name == provider {
			s.ReportsLastUse = acc.Provider.Limits().ReportsLastUse
		}
	}
	for _, p := range setup.Policies {
		if p.Name == policy {
			maps.Copy(s.Labels, p.Labels)
			s.Observed = p.Observe
		}
	}
	return s
}

// scanned passes on which providers were scanned, and forgets what nobody takes: the next scan comes.
type scanned struct {
	engine.Unobserved
	providers chan string
}

// scansUncounted is how many scans may wait for being counted.
const scansUncounted = 64

func newScanned() scanned { return scanned{providers: make(chan string, scansUncounted)} }

// Scanned implements [engine.Observer].
func (s scanned) Scanned(provider string, _ engine.ScanResult, _ time.Duration, _ error) {
	select {
	case s.providers <- provider:
	default:
	}
}

// countFindings counts, after each scan, what is to be said against the provider's keys, and looks after the daemon's own.
func (a *App) countFindings(ctx context.Context) {
	own := ownKeys{}
	for {
		select {
		case <-ctx.Done():
			return
		case provider := <-a.scanned.providers:
			own.look(ctx, a, provider)
			if err := a.metrics.CountFindings(ctx, provider); err != nil && ctx.Err() == nil {
				a.log.Error("the findings about a provider's keys could not be counted; the metric keeps its value until after the next scan",
					zap.String("provider", provider), zap.Error(err))
			}
		}
	}
}
