package metrics_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/web/internal/viewtest"
	"github.com/rotatord/rotatord/web/metrics"
)

func TestWhatIsLate(t *testing.T) {
	f := full(t)
	ci, idle, cc := labels{"provider": "cc", "policy": "ci"}, labels{"provider": "cc", "policy": "idle"}, labels{"provider": "cc"}
	at := float64(noon.Unix())
	f.want(t, "due_keys", ci, 8)
	f.want(t, "expired_keys", ci, 1)
	f.want(t, "renewal_window_used_ratio", ci, 0.75)
	for _, name := range []string{"due_keys", "expired_keys", "renewal_window_used_ratio"} {
		f.want(t, name, idle, 0)
	}
	f.want(t, "blocked_timestamp_seconds", labels{"provider": "cc", "policy": "gone", "reason": "old_key_in_use"}, at)
	f.want(t, "rotation_step_timestamp_seconds", labels{"provider": "cc", "policy": "ci", "stage": "delivering"}, at)
	f.want(t, "next_step_timestamp_seconds", cc, at)
	f.want(t, "hold_timestamp_seconds", cc, at)
	f.want(t, "scan_due_timestamp_seconds", cc, at+900)
}

// An alert joins its owner to what it is about. Whatever is exported must have one, the policy that left the configuration too,
// and all must have the same labels.
func TestEverythingHasAnOwner(t *testing.T) {
	f := full(t)
	f.want(t, "owner_info", labels{"provider": "cc", "policy": "", "team": "pki", "site": "zrh"}, 1)
	f.want(t, "owner_info", labels{"provider": "cc", "policy": "ci", "team": "platform", "site": "zrh"}, 1)
	f.want(t, "owner_info", labels{"provider": "cc", "policy": "idle", "team": "pki", "site": ""}, 1)
	f.want(t, "owner_info", labels{"provider": "cc", "policy": "gone", "team": "pki", "site": "zrh"}, 1)
}

func TestNothingIsLateAndNobodyOwnsIt(t *testing.T) {
	f := setUp(&viewtest.Journal{}, func(o *metrics.Options) { o.Owners, o.NextDue, o.NextScan, o.SinkTokens = nil, nil, nil, nil })
	f.absent(t, "due_keys", labels{"provider": "cc", "policy": "ci"})
	f.absent(t, "next_step_timestamp_seconds", labels{"provider": "cc"})
	f.absent(t, "hold_timestamp_seconds", labels{"provider": "cc"})
	f.absent(t, "freeze_timestamp_seconds", labels{})
	f.want(t, "journal_up", labels{}, 1)
}

func TestAScanThatNeverWasIsLongDue(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	f.want(t, "scan_due_timestamp_seconds", labels{"provider": "cc"}, 0)
}

func TestFreezesThatFollowEachOtherCountAsOne(t *testing.T) {
	full(t).want(t, "freeze_timestamp_seconds", labels{}, float64(noon.Unix()))
}

func TestOwnCredentials(t *testing.T) {
	f := full(t)
	f.want(t, "own_credential_expiration_timestamp_seconds", labels{"kind": "provider", "name": "cc"}, float64(noon.Unix()))
	f.want(t, "own_credential_expiration_timestamp_seconds", labels{"kind": "sink", "name": "vault"}, float64(noon.Unix()))
	f.absent(t, "own_credential_expiration_timestamp_seconds", labels{"kind": "sink", "name": "disk"})
	f.OwnCredential("cc", time.Time{})
	f.absent(t, "own_credential_expiration_timestamp_seconds", labels{"kind": "provider", "name": "cc"})
}

func TestReady(t *testing.T) {
	setUp(&viewtest.Journal{}, nil).want(t, "ready", labels{}, 1)
	f := setUp(&viewtest.Journal{}, func(o *metrics.Options) { o.Ready = func() bool { return false } })
	f.want(t, "ready", labels{}, 0)
}

func TestADroppedInventoryIsCountedApart(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	f.Scanned("cc", engine.ScanResult{}, time.Second, errors.Join(rotator.NewFault("scan", rotator.Invalid, "%w: 1 of 9", rotator.ErrInventoryDropped)))
	f.want(t, "scans_total", labels{"provider": "cc", "result": "disbelieved"}, 1)
	f.want(t, "scans_total", labels{"provider": "cc", "result": "failed"}, 0)
}

func TestStandingIsNotAskedAtEachScrape(t *testing.T) {
	f := setUp(busy(), nil)
	ci := labels{"provider": "cc", "policy": "ci"}
	f.want(t, "due_keys", ci, 8)
	f.journal.Stands = rotator.Standing{}
	f.want(t, "due_keys", ci, 8)
}
