package metrics_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/web/internal/viewtest"
	"github.com/rotatord/rotatord/web/metrics"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// busy is a journal in which everything that is counted is there.
func busy() *viewtest.Journal {
	return &viewtest.Journal{
		Notices: rotator.NoticeCounts{Fresh: 4, Failed: 2, Oldest: noon},
		Hooks:   []rotator.HookRun{{Hook: "gone", At: noon, Trouble: "it is down"}},
		Count: rotator.Counts{
			Keys:    map[string]map[string]int{"cc": {"managed": 7, "unmanaged": 3, "waiting": 2, "missing": 1, "inactive": 4}},
			Stages:  []rotator.StageCount{{Provider: "cc", Stage: rotator.StageGrace, Count: 5, Oldest: noon}},
			Blocked: map[string]map[rotator.BlockReason]int{"cc": {rotator.BlockOldKeyInUse: 2}},
			Orphans: map[string]int{"cc": 1},
			Holds:   6,
		},
		Stands: rotator.Standing{
			Renewals: []rotator.Renewal{{Provider: "cc", Policy: "ci", Due: 8, Expired: 1, Used: 0.75}},
			Blocks:   []rotator.Blockage{{Provider: "cc", Policy: "gone", Reason: rotator.BlockOldKeyInUse, Count: 2, Since: noon}},
			Steps:    []rotator.Pace{{Provider: "cc", Policy: "ci", Stage: rotator.StageDelivering, Count: 1, Since: noon}},
			Holds:    []rotator.HoldAge{{Provider: "cc", Count: 6, Since: noon}},
		},
		Open: []rotator.Rotation{{CredentialID: rotator.CredentialID{Provider: "cc"}, NextAt: noon, Reason: rotator.ReasonDrill, Policy: "ci", Stage: rotator.StageDelivering, StageAt: noon}},
		Managed: []rotator.TrackedKey{{
			Provider: "cc", Base: "ci", Policy: "ci", Due: noon.Add(time.Hour), Deadline: noon.Add(2 * time.Hour),
			Key: rotator.Key{ID: "17", UserID: "u1", Name: "ci-r0002", Expires: noon.Add(3 * time.Hour), LastUsed: noon},
		}},
		Declared: []rotator.Provision{
			{DeclaredUser: rotator.DeclaredUser{Provider: "cc"}, State: rotator.ProvisionPresent, Drift: []rotator.Difference{{}}},
			{DeclaredUser: rotator.DeclaredUser{Provider: "cc"}, State: rotator.ProvisionVanished},
		},
		Providers: map[string]rotator.ProviderState{"cc": {LastScan: noon, Keys: 12, Awaiting: 9, BreakerOpen: true, PausedUntil: time.Now().Add(time.Hour)}},
	}
}

type fixture struct {
	*metrics.Metrics
	reg     *prometheus.Registry
	journal *viewtest.Journal
}

func setUp(j *viewtest.Journal, change func(*metrics.Options)) fixture {
	o := metrics.Options{
		Registry: prometheus.NewRegistry(), View: j, Operations: j, Provisions: j.Provisions, Verified: j.CountVerifications, Notices: j.CountNotices,
		PendingHooks: j.PendingHooks, Hooks: func() []string { return []string{"reload"} },
		AuditHead: func(context.Context) (rotator.AuditHead, error) { return rotator.AuditHead{Seq: 42}, nil },
		Providers: func() []string { return []string{"cc"} },
		Sinks:     func() []string { return []string{"vault"} },
		Freezes:   func() []rotator.Freeze { return nil },
		Owners: func() []metrics.Owner {
			return []metrics.Owner{
				{Provider: "cc", Labels: labels{"team": "pki", "site": "zrh"}},
				{Provider: "cc", Policy: "ci", Labels: labels{"team": "platform", "site": "zrh"}},
				{Provider: "cc", Policy: "idle", Labels: labels{"team": "pki"}},
			}
		},
		NextDue:          func(ctx context.Context, p string) (time.Time, error) { return j.NextDue(ctx, p, false) },
		NextScan:         func(last time.Time) time.Time { return last.Add(15 * time.Minute) },
		ProofDue:         func(_ string, last time.Time) time.Time { return last.Add(time.Hour) },
		NextVerification: func(last time.Time) time.Time { return last.Add(time.Hour) },
		SinkTokens:       func() map[string]time.Time { return map[string]time.Time{"vault": noon, "disk": {}} },
		Version:          "1.2.3", Revision: "abc",
	}
	if change != nil {
		change(&o)
	}
	return fixture{Metrics: metrics.New(o), reg: o.Registry, journal: j}
}

// value returns one series' value, and whether it exists.
func (f fixture) value(t *testing.T, name string, labels map[string]string) (float64, bool) {
	t.Helper()
	m, ok := f.series(t, name, labels)
	switch {
	case !ok:
		return 0, false
	case m.Counter != nil:
		return m.Counter.GetValue(), true
	default:
		return m.Gauge.GetValue(), true
	}
}

func (f fixture) series(t *testing.T, name string, labels map[string]string) (*dto.Metric, bool) {
	t.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "rotatord_"+name {
			continue
		}
		for _, m := range family.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			if maps.Equal(got, labels) {
				return m, true
			}
		}
	}
	return nil, false
}

func (f fixture) want(t *testing.T, name string, labels map[string]string, want float64) {
	t.Helper()
	if got, ok := f.value(t, name, labels); !ok || got != want {
		t.Errorf("%s%v = %v (exists: %v), want %v", name, labels, got, ok, want)
	}
}

func (f fixture) absent(t *testing.T, name string, labels map[string]string) {
	t.Helper()
	if got, ok := f.value(t, name, labels); ok {
		t.Errorf("%s%v = %v, want it absent", name, labels, got)
	}
}

type labels = map[string]string

func TestStateComesFromTheJournal(t *testing.T) {
	f := setUp(busy(), nil)
	cc := labels{"provider": "cc"}
	key := labels{"provider": "cc", "user_id": "u1", "credential": "ci", "key_id": "17", "policy": "ci"}
	for _, c := range []struct {
		name   string
		labels labels
		want   float64
	}{
		{"key_rotation_due_timestamp_seconds", key, float64(noon.Unix() + 3600)},
		{"key_revoke_due_timestamp_seconds", key, float64(noon.Unix() + 7200)},
		{"key_expiration_timestamp_seconds", key, float64(noon.Unix() + 10800)},
		{"key_last_used_timestamp_seconds", key, float64(noon.Unix())},
		{"keys", labels{"provider": "cc", "state": "waiting"}, 2},
		{"unmanaged_keys", cc, 3},
		{"orphan_keys", cc, 1},
		{"open_rotations", labels{"provider": "cc", "stage": "grace"}, 5},
		{"open_rotations", labels{"provider": "cc", "stage": "minting"}, 0},
		{"rotation_stage_timestamp_seconds", labels{"provider": "cc", "stage": "grace"}, float64(noon.Unix())},
		{"rotations_blocked", labels{"provider": "cc", "reason": "old_key_in_use"}, 2},
		{"rotations_blocked", labels{"provider": "cc", "reason": "sink_conflict"}, 0},
		{"awaiting_approval", cc, 9},
		{"service_users", labels{"provider": "cc", "state": "present"}, 1},
		{"service_users", labels{"provider": "cc", "state": "drifted"}, 1},
		{"service_users", labels{"provider": "cc", "state": "failed"}, 0},
		{"provider_up", cc, 0},
		{"breaker_open", cc, 1},
		{"provider_paused", cc, 1},
		{"last_scan_success_timestamp_seconds", cc, float64(noon.Unix())},
		{"scan_keys", cc, 12},
		{"hold_active", labels{}, 6},
		{"freeze_active", labels{}, 0},
		{"journal_up", labels{}, 1},
		{"config_last_reload_successful", labels{}, 1},
	} {
		f.want(t, c.name, c.labels, c.want)
	}
	f.absent(t, "rotation_stage_timestamp_seconds", labels{"provider": "cc", "stage": "minting"})
}

func TestProviderUp(t *testing.T) {
	for _, c := range []struct {
		name  string
		state rotator.ProviderState
		want  float64
	}{
		{"never scanned", rotator.ProviderState{}, 0},
		{"scanned", rotator.ProviderState{LastScan: noon}, 1},
		{"latest scan failed", rotator.ProviderState{LastScan: noon, ScanTrouble: "timeout"}, 0},
		{"breaker open", rotator.ProviderState{LastScan: noon, BreakerOpen: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := setUp(&viewtest.Journal{Providers: map[string]rotator.ProviderState{"cc": c.state}}, nil)
			f.want(t, "provider_up", labels{"provider": "cc"}, c.want)
		})
	}
}

// An alert on a stale scan subtracts this from now: for a provider that was never scanned it must fire.
func TestNeverScannedIsZeroNotAbsent(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	f.want(t, "last_scan_success_timestamp_seconds", labels{"provider": "cc"}, 0)
	f.want(t, "last_proven_rotation_timestamp_seconds", labels{"provider": "cc"}, 0)
	f.absent(t, "scan_duration_seconds", labels{"provider": "cc"})
}

func TestPerKeySeriesCanBeTurnedOff(t *testing.T) {
	f := setUp(busy(), func(o *metrics.Options) { o.PerKey = func() bool { return false } })
	key := labels{"provider": "cc", "user_id": "u1", "credential": "ci", "key_id": "17", "policy": "ci"}
	f.absent(t, "key_rotation_due_timestamp_seconds", key)
	f.want(t, "keys", labels{"provider": "cc", "state": "managed"}, 7)
}

func TestKeyWithoutTimesHasNoSeries(t *testing.T) {
	j := busy()
	j.Managed[0].Expires, j.Managed[0].LastUsed = time.Time{}, time.Time{}
	f := setUp(j, nil)
	key := labels{"provider": "cc", "user_id": "u1", "credential": "ci", "key_id": "17", "policy": "ci"}
	f.absent(t, "key_expiration_timestamp_seconds", key)
	f.absent(t, "key_last_used_timestamp_seconds", key)
	f.want(t, "key_revoke_due_timestamp_seconds", key, float64(noon.Unix()+7200))
}

func TestNamesThatAreNotTextDoNotStopTheScrape(t *testing.T) {
	j := busy()
	j.Managed[0].Base = "c\xffi"
	f := setUp(j, nil)
	f.want(t, "key_revoke_due_timestamp_seconds",
		labels{"provider": "cc", "user_id": "u1", "credential": "c\uFFFDi", "key_id": "17", "policy": "ci"}, float64(noon.Unix()+7200))
}

func TestFailingJournalIsAMetric(t *testing.T) {
	j := busy()
	j.Err = errors.New("disk I/O error")
	f := setUp(j, nil)
	f.want(t, "journal_up", labels{}, 0)
	f.want(t, "journal_errors_total", labels{}, 2) // one for each of the two scrapes up to here
	f.absent(t, "hold_active", labels{})
	f.absent(t, "provider_up", labels{"provider": "cc"})
	f.want(t, "rotations_total", labels{"provider": "cc", "reason": "manual", "result": "done"}, 0)
}

func TestScrapesShareCounts(t *testing.T) {
	f := setUp(busy(), nil)
	for range 3 {
		if _, err := f.reg.Gather(); err != nil {
			t.Fatal(err)
		}
	}
	if asked := f.journal.Asked.Load(); asked > 2 {
		t.Errorf("the journal counted %d times for three scrapes in a row", asked)
	}
}

func TestEveryClosedLabelValueStartsAtZero(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	for _, reason := range rotator.Reasons() {
		for _, result := range []string{"done", "abandoned"} {
			f.want(t, "rotations_total", labels{"provider": "cc", "reason": string(reason), "result": result}, 0)
		}
	}
	for _, reason := range rotator.BlockReasons() {
		f.want(t, "rotations_blocked", labels{"provider": "cc", "reason": string(reason)}, 0)
	}
	for _, result := range []string{"confirmed", "denied", "unknown_outcome", "other"} {
		f.want(t, "sink_deliveries_total", labels{"sink": "vault", "result": result}, 0)
	}
}

func TestEventsAreCounted(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	r := &rotator.Rotation{CredentialID: rotator.CredentialID{Provider: "cc"}, Reason: rotator.ReasonMaxAge, Stage: rotator.StageGrace}
	f.Moved(rotator.StageConfirmed, r, "")
	r.Stage, r.StageAt = rotator.StageDone, noon
	f.Moved(rotator.StageRevoking, r, "")
	r.Stage, r.StageAt = rotator.StageAbandoned, noon.Add(time.Hour)
	f.Moved(rotator.StageAbandoning, r, "")
	f.Delivered("vault", r, nil)
	f.Delivered("vault", r, rotator.NewFault("put", rotator.Denied, "no"))
	f.Delivered("vault", r, errors.New("nothing is there"))
	f.Scanned("cc", engine.ScanResult{}, 1500*time.Millisecond, nil)
	f.Scanned("cc", engine.ScanResult{}, 2*time.Second, errors.New("cut off"))
	f.JournalFailed(errors.New("full"))
	f.OrphanRetired("cc", rotator.Key{})
	f.ConfigReloaded(errors.New("bad"))

	f.want(t, "rotations_total", labels{"provider": "cc", "reason": "max_age", "result": "done"}, 1)
	f.want(t, "rotations_total", labels{"provider": "cc", "reason": "max_age", "result": "abandoned"}, 1)
	f.want(t, "last_proven_rotation_timestamp_seconds", labels{"provider": "cc"}, float64(noon.Unix()))
	f.want(t, "sink_deliveries_total", labels{"sink": "vault", "result": "confirmed"}, 1)
	f.want(t, "sink_deliveries_total", labels{"sink": "vault", "result": "denied"}, 1)
	f.want(t, "sink_deliveries_total", labels{"sink": "vault", "result": "other"}, 1)
	f.want(t, "scans_total", labels{"provider": "cc", "result": "complete"}, 1)
	f.want(t, "scans_total", labels{"provider": "cc", "result": "failed"}, 1)
	f.want(t, "scan_duration_seconds", labels{"provider": "cc"}, 2)
	f.want(t, "journal_errors_total", labels{}, 1)
	f.want(t, "orphan_keys_retired_total", labels{"provider": "cc"}, 1)
	f.want(t, "config_last_reload_successful", labels{}, 0)
}

func TestSinkUp(t *testing.T) {
	for kind, want := range map[rotator.Kind]float64{
		rotator.Transient: 0, rotator.Throttled: 0, rotator.Denied: 0, rotator.UnknownOutcome: 0,
		rotator.Conflict: 1, rotator.Gone: 1, rotator.Invalid: 1,
	} {
		f := setUp(&viewtest.Journal{}, nil)
		f.absent(t, "sink_up", labels{"sink": "vault"})
		f.Probed("vault", rotator.NewFault("read", kind, "no"))
		f.want(t, "sink_up", labels{"sink": "vault"}, want)
		f.Probed("vault", nil)
		f.want(t, "sink_up", labels{"sink": "vault"}, 1)
	}
}

// A sink that refuses deliveries is never read back: that it is down must show all the same.
func TestDeliveriesTellWhetherASinkIsUp(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	r := &rotator.Rotation{}
	f.Delivered("vault", r, errors.New("nothing is there"))
	f.absent(t, "sink_up", labels{"sink": "vault"})
	f.Delivered("vault", r, rotator.NewFault("put", rotator.Transient, "connection refused"))
	f.want(t, "sink_up", labels{"sink": "vault"}, 0)
	f.Delivered("vault", r, nil)
	f.want(t, "sink_up", labels{"sink": "vault"}, 1)
}

func TestLastProvenSurvivesARestart(t *testing.T) {
	of := func(provider string, stage rotator.Stage, at time.Time) rotator.Rotation {
		return rotator.Rotation{CredentialID: rotator.CredentialID{Provider: provider}, Stage: stage, StageAt: at}
	}
	f := setUp(&viewtest.Journal{Ended: []rotator.Rotation{
		of("cc", rotator.StageAbandoned, noon.Add(2*time.Hour)), of("cc", rotator.StageDone, noon), of("cc", rotator.StageDone, noon.Add(-time.Hour)),
	}}, nil)
	f.want(t, "last_proven_rotation_timestamp_seconds", labels{"provider": "cc"}, float64(noon.Unix()))
}

func TestFreezeActive(t *testing.T) {
	f := setUp(&viewtest.Journal{}, func(o *metrics.Options) {
		o.Freezes = func() []rotator.Freeze {
			return []rotator.Freeze{{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}}
		}
	})
	f.want(t, "freeze_active", labels{}, 1)
}

// frozen are two freezes in force that follow each other, and one that is over.
func frozen() []rotator.Freeze {
	now := time.Now()
	return []rotator.Freeze{
		{From: now.Add(-time.Hour), To: now.Add(time.Hour)},
		{From: noon, To: now.Add(-time.Hour)},
		{From: noon.Add(-48 * time.Hour), To: noon.Add(-24 * time.Hour)},
	}
}

func TestProviderRequests(t *testing.T) {
	f := setUp(&viewtest.Journal{}, nil)
	for _, code := range []string{"200", "429", "", "dial tcp: refused", "999", "2x0"} {
		f.ProviderRequest("cc", "list_keys", code, 300*time.Millisecond)
	}
	for code, want := range map[string]float64{"200": 1, "429": 1, "none": 4} {
		f.want(t, "provider_requests_total", labels{"provider": "cc", "operation": "list_keys", "code": code}, want)
	}
	m, ok := f.series(t, "provider_request_duration_seconds", labels{"provider": "cc", "operation": "list_keys"})
	if !ok || m.Histogram.GetSampleCount() != 6 || len(m.Histogram.GetBucket()) == 0 || m.Histogram.GetSchema() == 0 {
		t.Errorf("want a native histogram with classic buckets beside it, got %v", m)
	}
}

func TestStyle(t *testing.T) {
	f := full(t)
	problems, err := testutil.GatherAndLint(f.reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// full is a fixture in which every metric has at least one series.
func full(t *testing.T) fixture {
	t.Helper()
	j := busy()
	f := setUp(j, func(o *metrics.Options) {
		o.Freezes, o.Incidents, o.Leaked = frozen, &drawer{kept: []rotator.Incident{leak("one", time.Hour, "ci", 1)}}, j
	})
	f.Scanned("cc", engine.ScanResult{}, time.Second, nil)
	f.Probed("vault", nil)
	f.ProviderRequest("cc", "list_keys", "200", time.Second)
	if err := f.CountFindings(t.Context(), "cc"); err != nil {
		t.Fatal(err)
	}
	f.AuditVerified(true)
	f.OwnCredential("cc", noon)
	return f
}

// TestReferenceIsComplete compares what is documented with what is exported.
func TestReferenceIsComplete(t *testing.T) {
	families, err := full(t).reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var exported, documented []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "rotatord_") {
			exported = append(exported, f.GetName()+" "+strings.ToLower(f.GetType().String()))
		}
	}
	for _, s := range metrics.Sections() {
		for _, d := range s.Metrics {
			documented = append(documented, d.Name+" "+d.Type)
			if !strings.Contains(string(metrics.Reference()), "`"+d.Name+"`") || d.Help == "" || d.Unset == "" {
				t.Errorf("%s is not described", d.Name)
			}
		}
	}
	slices.Sort(exported)
	slices.Sort(documented)
	if diff := cmp.Diff(documented, exported); diff != "" {
		t.Errorf("documented (-) and exported (+) differ:\n%s", diff)
	}
}
