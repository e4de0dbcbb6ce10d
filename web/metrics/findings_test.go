package metrics_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web/internal/viewtest"
	"github.com/rotatord/rotatord/web/metrics"
)

func finding(kind string) labels { return labels{"provider": "cc", "finding": kind} }

func TestFindingsAreCountedWhenAsked(t *testing.T) {
	key := func(provider string, change func(*rotator.KeyFacts)) rotator.KeyFacts {
		f := rotator.KeyFacts{Key: rotator.TrackedKey{Provider: provider, Policy: "ci", Key: rotator.Key{ID: "1", State: rotator.KeyActive, LastUsed: noon}}, UserListed: true}
		f.Key.Deadline = time.Now().Add(time.Hour)
		change(&f)
		return f
	}
	j := &viewtest.Journal{Facts: []rotator.KeyFacts{
		key("cc", func(f *rotator.KeyFacts) { f.User.Active = true }),
		key("cc", func(f *rotator.KeyFacts) { f.Key.Deadline = time.Time{} }),
		key("ds", func(f *rotator.KeyFacts) { f.Key.Deadline = time.Time{} }),
	}}
	f := setUp(j, func(o *metrics.Options) {
		o.KeySettings = func(provider, policy string) rotator.KeySettings {
			return rotator.KeySettings{Observed: provider == "cc" && policy == "ci"}
		}
	})
	f.absent(t, "key_findings", finding("no_expiry"))
	for _, provider := range []string{"cc", "ds"} {
		if err := f.CountFindings(t.Context(), provider); err != nil {
			t.Fatal(err)
		}
	}
	f.want(t, "key_findings", finding("observe_only"), 2)
	f.want(t, "key_findings", finding("no_expiry"), 1)
	f.want(t, "key_findings", finding("inactive_user"), 1)
	f.want(t, "key_findings", finding("too_old"), 0)
	f.absent(t, "key_findings", labels{"provider": "ds", "finding": "no_expiry"}) // not configured
}

func TestFindingsStayWhenTheJournalFails(t *testing.T) {
	j := &viewtest.Journal{}
	f := setUp(j, nil)
	if err := f.CountFindings(t.Context(), "cc"); err != nil {
		t.Fatal(err)
	}
	j.Err = errors.New("disk I/O error")
	if err := f.CountFindings(t.Context(), "cc"); !errors.Is(err, j.Err) {
		t.Errorf("got %v, want the journal's error", err)
	}
	f.want(t, "key_findings", finding("unused"), 0)
}
