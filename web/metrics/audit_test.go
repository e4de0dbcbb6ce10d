package metrics_test

import (
	"context"
	"errors"
	"testing"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web/internal/viewtest"
	"github.com/rotatord/rotatord/web/metrics"
)

func TestAudit(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	f.absent(t, "audit_chain_ok", labels{}) // before it was verified
	f.want(t, "audit_records_total", labels{}, 42)
	f.AuditVerified(true)
	f.want(t, "audit_chain_ok", labels{}, 1)
	f.AuditVerified(false)
	f.want(t, "audit_chain_ok", labels{}, 0)
}

func TestAuditThatCannotBeRead(t *testing.T) {
	f := setUp(&viewtest.Journal{}, func(o *metrics.Options) {
		o.AuditHead = func(context.Context) (rotator.AuditHead, error) {
			return rotator.AuditHead{}, errors.New("the disk is gone")
		}
	})
	f.want(t, "journal_up", labels{}, 0)
	f.absent(t, "audit_records_total", labels{})
}
