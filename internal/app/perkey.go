package app

import (
	"context"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator/engine"
)

// perKeyLimit is up to how many managed keys series are exported for each of them. Beyond it a scrape would cost more than
// the daemon does otherwise; the aggregates, and the alerts that are made of them, stay.
const perKeyLimit = 10_000

// perKey says whether series are exported for each key: if the configuration asks for it and the fleet is not too large.
func (a *App) perKey() bool {
	if !a.config.Load().Metrics.PerKey {
		return false
	}
	managed := 0
	for _, name := range a.providerNames() {
		s, err := a.store.ProviderState(context.Background(), name)
		if err != nil {
			return false // the scrape says elsewhere that the journal does not answer
		}
		managed += s.Managed
	}
	tooMany := managed > perKeyLimit
	if a.perKeyOff.Swap(tooMany) != tooMany && tooMany {
		a.log.Warn("too many keys for series of each: metrics.per_key is treated as false",
			zap.Int("managed", managed), zap.Int("limit", perKeyLimit))
	}
	return !tooMany
}

// largeScan is how many changed rows make a scan whose memory is worth giving back at once.
const largeScan = 10_000

// giveBack returns a large scan's memory to the system: the next of its size is most likely the next start.
type giveBack struct{ engine.Unobserved }

// Scanned implements [engine.Observer].
func (giveBack) Scanned(_ string, s engine.ScanResult, _ time.Duration, _ error) {
	if s.Changed >= largeScan {
		go debug.FreeOSMemory()
	}
}
