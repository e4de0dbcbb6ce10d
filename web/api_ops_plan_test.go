package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
	"github.com/rotatord/rotatord/web"
)

// foreseen answers every question for a forecast alike.
type foreseen struct {
	plan  forecast.Plan
	err   error
	until time.Time
	limit int
}

func (f *foreseen) Forecast(_ context.Context, until time.Time, limit int) (*forecast.Plan, error) {
	f.until, f.limit = until, limit
	return &f.plan, f.err
}

func foresees(f *foreseen) change { return func(o *web.Options, _ *site) { o.Forecaster = f } }

func TestAPlanSaysWhatWillHappen(t *testing.T) {
	hour := forecast.Hour{At: noon, Provider: "cc", Counts: map[forecast.Kind]int{forecast.Mint: 2, forecast.Revoke: 1}}
	f := &foreseen{plan: forecast.Plan{From: noon, Until: noon.Add(time.Hour), Hours: []forecast.Hour{hour}, Peaks: []forecast.Hour{hour},
		Totals:     map[forecast.Kind]int{forecast.Mint: 2, forecast.Revoke: 1},
		Collisions: []forecast.Collision{{Provider: "cc", Obstacle: "frozen", From: noon, Count: 2, Example: cred("ci"), Why: "year end"}, {Provider: "cc", Obstacle: "paused", From: noon}},
		Actions:    []forecast.Action{{At: noon, Kind: forecast.Mint, Credential: cred("ci"), Key: "ci-r0002"}},
		Freezes:    []rotator.Freeze{{From: noon, To: noon.Add(time.Hour), Reason: "year end"}},
		Windows:    []forecast.Opening{{Policy: "ci", From: noon, To: noon.Add(time.Hour)}},
		Drills:     []forecast.Occasion{{Drill: "quarterly", Provider: "cc", From: noon, To: noon.Add(time.Hour), Limit: 2, Frozen: "year end"}},
	}}
	s := serve(t, foresees(f))
	res := s.get("/api/v1/plan?for=24h&limit=7")
	var got web.Plan
	if err := json.Unmarshal([]byte(res.body), &got); err != nil || res.status != http.StatusOK {
		t.Fatalf("%d %s (%v)", res.status, res.body, err)
	}
	if left := time.Until(f.until); f.limit != 7 || left > 24*time.Hour || left < 24*time.Hour-time.Minute {
		t.Errorf("asked for %d actions within %s; want 7 within a day", f.limit, left)
	}
	if len(got.Hours) != 1 || got.Hours[0].Begin != 2 || got.Totals["mint"] != 2 || got.Peaks[0].Counts["revoke"] != 1 {
		t.Errorf("hours %+v, peaks %+v, totals %v", got.Hours, got.Peaks, got.Totals)
	}
	if len(got.Collisions) != 2 || got.Collisions[0].Example == nil || got.Collisions[1].Example != nil {
		t.Errorf("collisions %+v; want an example of the first alone", got.Collisions)
	}
	if len(got.Actions) != 1 || got.Actions[0].Credential != "ci" || len(got.Freezes) != 1 || len(got.Windows) != 1 {
		t.Errorf("actions %+v, freezes %+v, windows %+v", got.Actions, got.Freezes, got.Windows)
	}
	if want := (web.PlannedDrill{Drill: "quarterly", Provider: "cc", From: noon, To: noon.Add(time.Hour), Limit: 2, Frozen: "year end"}); len(got.Drills) != 1 || got.Drills[0] != want {
		t.Errorf("drills %+v, want %+v", got.Drills, want)
	}
}

func TestAPlanRefused(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		f           *foreseen
		status      int
		says        string
	}{
		{"a span that is none", "?for=soon", &foreseen{}, http.StatusUnprocessableEntity, "write a span such as 72h"},
		{"a span into the past", "?for=-1h", &foreseen{}, http.StatusUnprocessableEntity, "write a span"},
		{"a span of years", "?for=10000h", &foreseen{}, http.StatusUnprocessableEntity, "at most 2160h"},
		{"a journal that cannot be read", "", &foreseen{err: rotator.NewFault("read", rotator.Transient, "%w", errors.New("disk gone"))}, http.StatusInternalServerError, "disk gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := serve(t, foresees(tt.f)).get("/api/v1/plan" + tt.query)
			if res.status != tt.status || !strings.Contains(res.body, tt.says) {
				t.Errorf("%d %s; want %d and %q", res.status, res.body, tt.status, tt.says)
			}
		})
	}
}
