package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	auditRecords = counter("audit_records_total", "Records that were ever appended to the audit record.", "0")
	auditChain   = gauge("audit_chain_ok", "Whether the audit record was whole when it was last verified, at start or once a day: 1 or 0.",
		"absent until it was verified for the first time")
)

// AuditVerified notes whether the audit record was whole.
func (m *Metrics) AuditVerified(whole bool) {
	state := auditBroken
	if whole {
		state = auditWhole
	}
	m.audit.Store(state)
}

// What is known of the audit record. The zero value is nothing.
const (
	auditBroken int32 = iota + 1
	auditWhole
)

func (m *Metrics) collectAudit(ctx context.Context, ch chan<- prometheus.Metric) error {
	if state := m.audit.Load(); state != 0 {
		send(ch, auditChain, float64(state-auditBroken))
	}
	if m.o.AuditHead == nil {
		return nil
	}
	head, err := m.o.AuditHead(ctx)
	if err != nil {
		return err
	}
	ch <- prometheus.MustNewConstMetric(auditRecords.desc, prometheus.CounterValue, float64(head.Seq))
	return nil
}
