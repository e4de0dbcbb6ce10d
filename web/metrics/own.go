package metrics

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var ownExpiration = gauge("own_credential_expiration_timestamp_seconds",
	"When the credential ends with which the daemon itself signs in at the provider or the sink, in seconds since 1970.",
	"absent for one that never ends, that the daemon renews by itself, that it has not used yet, or whose end nobody tells", "kind", "name")

// What a credential of the daemon's own is for.
const (
	ownProvider = "provider"
	ownSink     = "sink"
)

func ownKinds() []string { return []string{ownProvider, ownSink} }

// own is what is known of the ends of the daemon's own credentials at providers.
type own struct {
	mu   sync.Mutex
	ends map[string]time.Time
}

// OwnCredential notes when the credential ends that the daemon signs in with at the provider; zero for never.
func (m *Metrics) OwnCredential(provider string, ends time.Time) {
	m.own.mu.Lock()
	defer m.own.mu.Unlock()
	m.own.ends[provider] = ends
}

func (m *Metrics) collectOwn(ch chan<- prometheus.Metric, providers []string) {
	m.own.mu.Lock()
	defer m.own.mu.Unlock()
	for _, p := range providers {
		if ends := m.own.ends[p]; !ends.IsZero() {
			send(ch, ownExpiration, seconds(ends), ownProvider, p)
		}
	}
	if m.o.SinkTokens == nil {
		return
	}
	ends := m.o.SinkTokens()
	for _, sink := range slices.Sorted(maps.Keys(ends)) {
		if !ends[sink].IsZero() {
			send(ch, ownExpiration, seconds(ends[sink]), ownSink, sink)
		}
	}
}
