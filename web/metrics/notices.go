package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/notify"
)

var (
	noticesPending = gauge("notices_pending", "Notices to the contacts of credentials that wait to be delivered.", "0")
	noticesFailed  = gauge("notices_undelivered", "Notices among those that wait whose delivery has failed at least once.", "0")
	noticesOldest  = gauge("notices_oldest_timestamp_seconds",
		"When the notice came about that has waited the longest, in seconds since 1970.", "absent while none waits")
	noticesTried = counter("notices_sent_total", "Attempts to deliver a notice, by how they ended.", "0 for every result", "result")
)

// NoticesTried notes what became of an attempt to deliver some notices.
func (m *Metrics) NoticesTried(r notify.Result, notices int) {
	m.notices.WithLabelValues(string(r)).Add(float64(notices))
}

func (m *Metrics) initialiseNotices() {
	for _, r := range notify.Results() {
		m.notices.WithLabelValues(string(r))
	}
}

func (m *Metrics) collectNotices(ctx context.Context, ch chan<- prometheus.Metric) error {
	c, err := m.o.Notices(ctx)
	if err != nil {
		return err
	}
	send(ch, noticesPending, float64(c.Fresh+c.Failed))
	send(ch, noticesFailed, float64(c.Failed))
	if !c.Oldest.IsZero() {
		send(ch, noticesOldest, seconds(c.Oldest))
	}
	return nil
}
