package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/simulator"
)

const day = 24 * time.Hour

// newFleet is a small one at one account, whose keys are replaced twice a year.
func newFleet(t testing.TB, n int) *simulator.Fleet {
	t.Helper()
	c := &config.Config{Providers: []config.Provider{{Name: "cc", CertCentral: &config.CertCentral{}}}, Sinks: []config.Sink{{Name: "disk"}}}
	c.Limits.MaxSharePerScan, c.Limits.AlwaysAllowed = 0.5, 5
	f := &simulator.Fleet{Config: c, From: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Span: 200 * day, Seed: 1,
		Policies: []*rotator.Policy{{Name: "ci", Match: rotator.Match{Providers: []string{"cc"}, ServiceUsers: []string{"ci-*"}},
			MaxAge: 90 * day, RenewBefore: 20 * day, Grace: 3 * day, Idle: day, Sinks: []string{"disk"}}},
		Freezes: []rotator.Freeze{{From: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2027, 2, 12, 0, 0, 0, 0, time.UTC), Reason: "<audit>"}}}
	if err := f.Spread(n); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestForecastTellsOfRotationsAndCollisions(t *testing.T) {
	f, err := newFleet(t, 7).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Rotations < 14 || f.Rotations > 28 || f.Late != 0 {
		t.Errorf("%d rotations of 7 keys that are replaced every 70 days in 200, %d late", f.Rotations, f.Late)
	}
	if len(f.Collisions) != 1 || f.Collisions[0].Label != string(rotator.BlockFrozen) {
		t.Errorf("collisions %v, want some with the freeze and no others", f.Collisions)
	}
	if len(f.Load) != 1 || f.Load[0].Calls < 200 || f.Load[0].Peak < 1 {
		t.Errorf("load %+v, want at least one call for each daily scan", f.Load)
	}
}

// TestForecastOfUsersThatPoliciesNameByTheirAddress: DigiCert ONE takes no name like an address.
func TestForecastOfUsersThatPoliciesNameByTheirAddress(t *testing.T) {
	fleet := newFleet(t, 0)
	fleet.Config.Providers[0] = config.Provider{Name: "d1", DigiCertOne: &config.DigiCertOne{}}
	fleet.Policies[0].Match = rotator.Match{Providers: []string{"d1"}, ServiceUsers: []string{"ci-*@example.com"}}
	if err := fleet.Spread(2); err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Rotations < 4 || f.Late != 0 {
		t.Errorf("%d rotations of 2 keys that are replaced every 70 days in 200, %d late", f.Rotations, f.Late)
	}
}

func TestForecastSimulatesAnOutageOnTheWorstDay(t *testing.T) {
	fleet := newFleet(t, 4)
	fleet.Freezes, fleet.Outage = nil, 40*day
	f, err := fleet.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if f.Outage == nil || f.Outage.Late == 0 {
		t.Fatalf("an outage of twice renew_before made no key late: %+v", f.Outage)
	}
	var b strings.Builder
	f.Text(&b)
	if want := "for 40 days: "; !strings.Contains(b.String(), want) {
		t.Errorf("the text does not say %q:\n%s", want, b.String())
	}
}

func TestForecastIsReplayed(t *testing.T) {
	run := func() string {
		fleet := newFleet(t, 3)
		fleet.Faults = true
		f, err := fleet.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.Took = 0
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if first, second := run(), run(); first != second {
		t.Errorf("the same seed gave\n%s\nand then\n%s", first, second)
	}
}

func TestForecastEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newFleet(t, 3).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
}

func TestForecastPageNeedsNothingElse(t *testing.T) {
	f, err := newFleet(t, 3).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{"<svg", "freeze: &lt;audit&gt;", "prefers-color-scheme: dark", "One scan in 24 hours"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, foreign := range []string{"http://", "https://", "src=", "<audit>", "NaN", "Inf"} {
		if strings.Contains(page, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
}

func TestInventoryOfAReport(t *testing.T) {
	for name, c := range map[string]struct {
		text, wrong string
		keys        int
	}{
		"one managed key of each credential": {`{"keys":[
{"provider":"cc","user_id":"7","credential":"k","policy":"ci","state":"active","user":{"name":"ci-7"},"created":"2026-11-01T00:00:00Z"},
{"provider":"cc","user_id":"7","credential":"k","policy":"ci","state":"active","created":"2026-10-01T00:00:00Z"},
{"provider":"cc","user_id":"8","credential":"k","policy":"ci","state":"revoked"},
{"provider":"cc","user_id":"9","credential":"k","state":"active"}]}`, "", 1},
		"nothing managed": {`{"keys":[]}`, "no managed key", 0},
		"no report":       {`key,age`, "rotatord report --format json", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var f simulator.Fleet
			err := f.Read(strings.NewReader(c.text))
			if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("Read = %v, want %q", err, c.wrong)
			}
			if len(f.Keys) != c.keys {
				t.Errorf("%d keys, want %d", len(f.Keys), c.keys)
			}
		})
	}
}
