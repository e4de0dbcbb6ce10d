package metrics_test

import (
	"testing"

	"github.com/rotatord/rotatord/notify"
	"github.com/rotatord/rotatord/web/internal/viewtest"
)

func TestNoticesAreCounted(t *testing.T) {
	f := setUp(busy(), nil)
	f.want(t, "notices_pending", labels{}, 6)
	f.want(t, "notices_undelivered", labels{}, 2)
	f.want(t, "notices_oldest_timestamp_seconds", labels{}, float64(noon.Unix()))
	f.want(t, "notices_sent_total", labels{"result": "failed"}, 0)
	f.NoticesTried(notify.Failed, 3)
	f.NoticesTried(notify.Sent, 1)
	f.NoticesTried(notify.Sent, 2)
	f.want(t, "notices_sent_total", labels{"result": "failed"}, 3)
	f.want(t, "notices_sent_total", labels{"result": "sent"}, 3)
	f.want(t, "notices_sent_total", labels{"result": "dropped"}, 0)
}

func TestNoNoticeWaits(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	f.want(t, "notices_pending", labels{}, 0)
	f.want(t, "notices_undelivered", labels{}, 0)
	f.absent(t, "notices_oldest_timestamp_seconds", labels{})
}
