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
	alertsPushed = counter("alertmanager_pushes_total",
		"Times that the Alertmanagers were told what needs a person: sent if all of them took it.", "0 for sent and failed", "result")
)

// AlertsPushed notes how an attempt to tell the Alertmanagers what needs a person ended.
func (m *Metrics) AlertsPushed(err error) {
	result := notify.Sent
	if err != nil {
		result = notify.Failed
	}
	m.alerts.WithLabelValues(string(result)).Inc()
}

// NoticesTried notes what became of an attempt to deliver some notices.
func (m *Metrics) NoticesTried(r notify.Result, notices int) {
	m.notices.WithLabelValues(string(r)).Add(float64(notices))
}

func (m *Metrics) initialiseNotices() {
	for _, r := range notify.Results() {
		m.notices.WithLabelValues(string(r))
	}
	m.alerts.WithLabelValues(string(notify.Sent))
	m.alerts.WithLabelValues(string(notify.Failed))
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
