package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web/internal/viewtest"
	"github.com/rotatord/rotatord/web/metrics"
)

// unasked are the questions about incidents that no metric asks.
type unasked interface {
	PutIncident(ctx context.Context, i rotator.Incident) error
	Incident(ctx context.Context, id string) (rotator.Incident, error)
	PruneIncidents(ctx context.Context, before time.Time) (int, error)
}

// drawer holds incidents, the latest first.
type drawer struct {
	unasked
	kept []rotator.Incident
	err  error
}

func (d *drawer) Incidents(_ context.Context, _ time.Time, limit int) ([]rotator.Incident, error) {
	return append([]rotator.Incident(nil), d.kept[:min(limit, len(d.kept))]...), d.err
}

// leak is an incident about so many credentials, of which nothing was rotated.
func leak(id string, age time.Duration, policy string, credentials int) rotator.Incident {
	i := rotator.Incident{ID: id, At: time.Now().Add(-age)}
	for n := range credentials {
		c := rotator.CredentialID{Provider: "cc", UserID: "u", Base: fmt.Sprint(n)}
		i.Credentials = append(i.Credentials, rotator.IncidentCredential{CredentialID: c, Keys: []rotator.IncidentKey{{CredentialID: c, Policy: policy}}})
	}
	return i
}

func leaking(j *viewtest.Journal, d *drawer) fixture {
	return setUp(j, func(o *metrics.Options) { o.Incidents, o.Leaked = d, j })
}

func TestLeaksAreCountedByHowTheyStand(t *testing.T) {
	confirmed := leak("over", time.Hour, "ci", 1)
	confirmed.Credentials[0].Base, confirmed.Credentials[0].Keys[0].Key.ID = "done", "7"
	j := &viewtest.Journal{
		Open:  []rotator.Rotation{{CredentialID: rotator.CredentialID{Provider: "cc", UserID: "u", Base: "1"}, Reason: rotator.ReasonCompromised, Stage: rotator.StageDelivering}},
		Ended: []rotator.Rotation{{CredentialID: confirmed.Credentials[0].CredentialID, Reason: rotator.ReasonCompromised, OldKey: rotator.KeyRef{ID: "7"}, Stage: rotator.StageDone, StageAt: time.Now()}},
	}
	f := leaking(j, &drawer{kept: []rotator.Incident{leak("one", time.Hour, "gone", 3), confirmed, leak("old", 91*24*time.Hour, "ci", 1)}})
	f.want(t, "leaked_credentials", labels{"incident": "one", "provider": "cc", "policy": "gone", "standing": "not_rotated"}, 2)
	f.want(t, "leaked_credentials", labels{"incident": "one", "provider": "cc", "policy": "gone", "standing": "under_way"}, 1)
	f.want(t, "owner_info", labels{"provider": "cc", "policy": "gone", "team": "pki", "site": "zrh"}, 1)
	for _, standing := range rotator.LeakStandings() {
		f.absent(t, "leaked_credentials", labels{"incident": "over", "provider": "cc", "policy": "ci", "standing": string(standing)})
		f.absent(t, "leaked_credentials", labels{"incident": "old", "provider": "cc", "policy": "ci", "standing": string(standing)})
	}
}

// A large incident makes no scrape slow, and starves no other.
func TestALargeLeakIsCountedInTurn(t *testing.T) {
	f := leaking(&viewtest.Journal{}, &drawer{kept: []rotator.Incident{leak("large", 0, "ci", 5000), leak("small", time.Hour, "", 3)}})
	f.want(t, "leaked_credentials", labels{"incident": "large", "provider": "cc", "policy": "ci", "standing": "not_rotated"}, 200)
	f.want(t, "leaked_credentials", labels{"incident": "small", "provider": "cc", "policy": "", "standing": "not_rotated"}, 3)
}

func TestLeaksThatCannotBeReadAreAJournalThatIsDown(t *testing.T) {
	d := &drawer{kept: []rotator.Incident{leak("one", 0, "ci", 1)}, err: errors.New("disk I/O error")}
	f := leaking(&viewtest.Journal{}, d)
	f.want(t, "journal_up", labels{}, 0)
	d.err = nil
	f.want(t, "journal_up", labels{}, 1)
	f.want(t, "leaked_credentials", labels{"incident": "one", "provider": "cc", "policy": "ci", "standing": "not_rotated"}, 1)
}
