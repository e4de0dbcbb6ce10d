package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var ownExpiration = gauge("own_credential_expiration_timestamp_seconds",
	"When the credential ends with which the daemon itself signs in at the provider, the sink or where its seal key is kept, or that its own listener shows, in seconds since 1970; of several the first.",
	"absent for one that never ends, that the daemon renews by itself, that it has not used yet, or whose end nobody tells", "kind", "name")

// What a credential of the daemon's own is for.
const (
	ownProvider = "provider"
	ownSink     = "sink"
	ownSeal     = "seal"
	ownListener = "listener"
)

func ownKinds() []string { return []string{ownProvider, ownSink, ownSeal, ownListener} }

// Certificate is one that the daemon shows to others.
type Certificate struct {
	// Kind is what it is shown to or by: provider, sink, seal or listener. Name is that one's name.
	Kind, Name string
	// Ends is when the first certificate of its chain ends.
	Ends time.Time
}

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
	first := map[[2]string]time.Time{}
	note := func(kind, name string, ends time.Time) {
		known, ok := first[[2]string{kind, name}]
		if !ends.IsZero() && (!ok || ends.Before(known)) {
			first[[2]string{kind, name}] = ends
		}
	}
	m.own.mu.Lock()
	for _, p := range providers {
		note(ownProvider, p, m.own.ends[p])
	}
	m.own.mu.Unlock()
	if m.o.SinkTokens != nil {
		for sink, ends := range m.o.SinkTokens() {
			note(ownSink, sink, ends)
		}
	}
	if m.o.Certificates != nil {
		for _, c := range m.o.Certificates() {
			note(c.Kind, c.Name, c.Ends)
		}
	}
	for of, ends := range first {
		send(ch, ownExpiration, seconds(ends), of[0], of[1])
	}
}
