package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// frost keeps freezes in memory; it is asked by one request at a time.
type frost struct{ placed []rotator.PlacedFreeze }

func (f *frost) Freeze(_ context.Context, p rotator.PlacedFreeze) error {
	f.placed = append(f.placed, p)
	return nil
}

func (f *frost) Lift(_ context.Context, id, actor string) error {
	for i, p := range f.placed {
		if p.ID == id && strings.Contains(actor, "ann") {
			f.placed = append(f.placed[:i], f.placed[i+1:]...)
			return nil
		}
	}
	return rotator.NewFault("lift", rotator.Gone, "no such freeze")
}

func (f *frost) Freezes(context.Context) ([]rotator.PlacedFreeze, error) { return f.placed, nil }

func freezes(f *frost) change { return func(o *web.Options, _ *site) { o.Freezer = f } }

func TestAFreezeIsPlacedListedAndLifted(t *testing.T) {
	f := &frost{}
	s := serve(t, freezes(f))
	to := time.Now().Add(12 * time.Hour).UTC().Truncate(time.Second)
	res := s.ask(http.MethodPost, "/api/v1/freezes", fmt.Sprintf(`{"to":%q,"reason":"data centre\nmove","unless_expires_within":"72h","actor":"ada"}`, to.Format(time.RFC3339)))
	var placed web.Freeze
	if err := json.Unmarshal([]byte(res.body), &placed); err != nil || res.status != http.StatusOK {
		t.Fatalf("%d %s (%v)", res.status, res.body, err)
	}
	if !placed.InForce || !placed.To.Equal(to) || placed.Reason != "data centre move" || placed.UnlessExpiresWithin != "72h0m0s" || !strings.Contains(placed.By, "ada") {
		t.Errorf("placed %+v", placed)
	}
	if len(f.placed) != 1 || f.placed[0].ID != placed.ID || f.placed[0].UnlessExpiresWithin != 72*time.Hour {
		t.Errorf("asked for %+v", f.placed)
	}
	f.placed = append(f.placed, rotator.PlacedFreeze{Freeze: rotator.Freeze{From: to, To: to.Add(time.Hour), Reason: "year end"}})
	for _, path := range []string{"/api/v1/freezes", "/api/v1/status"} {
		var got web.Freezes
		if res := s.get(path); json.Unmarshal([]byte(res.body), &got) != nil || len(got.Freezes) != 2 || got.Freezes[1].ID != "" || got.Freezes[1].InForce {
			t.Errorf("%s: %s", path, res.body)
		}
	}
	if res := s.ask(http.MethodDelete, "/api/v1/freezes/"+placed.ID+"?actor=ann", ""); res.status != http.StatusNoContent || len(f.placed) != 1 {
		t.Errorf("lifting: %d %s", res.status, res.body)
	}
	if res := s.ask(http.MethodDelete, "/api/v1/freezes/"+placed.ID+"?actor=ann", ""); res.status != http.StatusNotFound {
		t.Errorf("lifting again: %d %s", res.status, res.body)
	}
}

func TestAFreezeRefused(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	for _, tt := range []struct{ name, body, says string }{
		{"that is over", `{"to":"` + at(-time.Hour) + `","reason":"x"}`, "end in the future"},
		{"that ends before it begins", `{"from":"` + at(2*time.Hour) + `","to":"` + at(time.Hour) + `","reason":"x"}`, "after it begins"},
		{"that lasts for years", `{"to":"` + at(9000*time.Hour) + `","reason":"x"}`, "belongs into the configuration"},
		{"without a reason", `{"to":"` + at(time.Hour) + `","reason":""}`, "reason"},
		{"with an exception that is no span", `{"to":"` + at(time.Hour) + `","reason":"x","unless_expires_within":"soon"}`, "write a span"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &frost{}
			res := serve(t, freezes(f)).ask(http.MethodPost, "/api/v1/freezes", tt.body)
			if res.status != http.StatusUnprocessableEntity || !strings.Contains(res.body, tt.says) || len(f.placed) != 0 {
				t.Errorf("%d %s, placed %v; want %q", res.status, res.body, f.placed, tt.says)
			}
		})
	}
}

func TestNobodyFreezesOverTheNetworkWithoutAuthentication(t *testing.T) {
	f := &frost{}
	s := serveNetwork(t, freezes(f))
	body := `{"to":"` + time.Now().Add(time.Hour).UTC().Format(time.RFC3339) + `","reason":"x"}`
	if res := s.ask(http.MethodPost, "/api/v1/freezes", body); res.status != http.StatusForbidden || len(f.placed) != 0 {
		t.Errorf("%d %s", res.status, res.body)
	}
	if res := s.ask(http.MethodDelete, "/api/v1/freezes/x", ""); res.status != http.StatusForbidden {
		t.Errorf("%d %s", res.status, res.body)
	}
}
