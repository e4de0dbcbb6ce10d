package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// What becomes of a lease.
const (
	leaseGained = "gained"
	leaseLost   = "lost"
)

// leases are the accounts that this replica acts on now.
type leases struct {
	mu   sync.Mutex
	held map[string]bool
}

func (l *leases) note(account string, held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[account] = held
}

func (l *leases) collect(ch chan<- prometheus.Metric, providers []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range providers {
		send(ch, leaseHeld, truth(l.held[p]), p)
	}
}
