package metrics_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web/internal/viewtest"
)

func TestWhatVerificationsFound(t *testing.T) {
	f := setUp(&viewtest.Journal{Checked: []rotator.VerifyCount{
		{Provider: "cc", Outcome: rotator.VerifiedOK, Count: 7, Oldest: noon.Add(-time.Hour), Latest: noon},
		{Provider: "cc", Outcome: rotator.VerifiedRefused, Count: 1, Oldest: noon, Latest: noon.Add(time.Minute)},
		{Provider: "gone", Outcome: rotator.VerifiedOK, Count: 1, Latest: noon},
	}}, nil)
	f.want(t, "verified_credentials", labels{"provider": "cc", "outcome": "ok"}, 7)
	f.want(t, "verified_credentials", labels{"provider": "cc", "outcome": "refused"}, 1)
	f.want(t, "verified_credentials", labels{"provider": "cc", "outcome": "differs"}, 0)
	f.absent(t, "verified_credentials", labels{"provider": "gone", "outcome": "ok"})
	f.want(t, "last_verification_timestamp_seconds", labels{"provider": "cc"}, float64(noon.Add(time.Minute).Unix()))
}

func TestNothingWasVerified(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	f.want(t, "verified_credentials", labels{"provider": "cc", "outcome": "ok"}, 0)
	f.want(t, "last_verification_timestamp_seconds", labels{"provider": "cc"}, 0)
}
