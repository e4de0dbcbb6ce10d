package web_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/internal/viewtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const planted = "s3cr3t-that-nobody-may-see"

func cred(base string) rotator.CredentialID {
	return rotator.CredentialID{Provider: "cc", UserID: "u1", Base: base}
}

func key(base string, change func(*rotator.TrackedKey)) rotator.TrackedKey {
	k := rotator.TrackedKey{Provider: "cc", Base: base, Version: 2, Policy: "ci", Due: noon, Deadline: noon.Add(time.Hour), LookAt: noon,
		Key: rotator.Key{ID: "id-" + base, UserID: "u1", Name: base + "-r0002", State: rotator.KeyActive, Created: noon.Add(-time.Hour)}}
	if change != nil {
		change(&k)
	}
	return k
}

func rotation(base string, change func(*rotator.Rotation)) rotator.Rotation {
	r := rotator.Rotation{ID: "r-" + base, CredentialID: cred(base), ServiceUser: "Build", Policy: "ci", Reason: rotator.ReasonExpiring,
		Stage: rotator.StageDelivering, StageAt: noon, PlannedAt: noon, NextAt: noon.Add(time.Minute), Version: 3, Deadline: noon.Add(time.Hour),
		OldKey: rotator.KeyRef{ID: "1", Name: base + "-r0002"}, NewKey: rotator.KeyRef{ID: "2", Name: base + "-r0003"},
		Sealed: []byte(planted), Fingerprint: "f00d",
		Sinks: []rotator.SinkProgress{
			{Sink: "vault", Location: "secret/ci", ConfirmedAt: noon, Receipt: "version 7"},
			{Sink: "disk", Location: "/keys/ci", Attempt: 2, NextAt: noon.Add(time.Minute), Trouble: "no space left"},
		}}
	if change != nil {
		change(&r)
	}
	return r
}

// fleet has one of everything.
func fleet(_ *web.Options, s *site) {
	s.journal = &viewtest.Journal{
		Count: rotator.Counts{
			Keys:    map[string]map[string]int{"cc": {"managed": 7, "unmanaged": 3}},
			Stages:  []rotator.StageCount{{Provider: "cc", Stage: rotator.StageDelivering, Count: 2, Oldest: noon}},
			Blocked: map[string]map[rotator.BlockReason]int{"cc": {rotator.BlockOldKeyInUse: 1, rotator.BlockFrozen: 1}},
			Orphans: map[string]int{"cc": 1}, Holds: 2,
		},
		Providers: map[string]rotator.ProviderState{"cc": {LastScan: noon, Users: 4, Keys: 10, ScanTrouble: "HTTP 502"}},
		Open: []rotator.Rotation{
			rotation("moving", func(r *rotator.Rotation) { r.Attempt, r.Trouble = 2, "sink disk: no space left" }),
			rotation("sooner", func(r *rotator.Rotation) { r.Deadline = noon.Add(time.Minute) }),
			rotation("stuck", func(r *rotator.Rotation) {
				r.Stage, r.Blocked, r.BlockedSince, r.Trouble = rotator.StageGrace, rotator.BlockOldKeyInUse, noon, "used yesterday"
			}),
		},
		Ended: []rotator.Rotation{rotation("old", func(r *rotator.Rotation) { r.Stage, r.Why = rotator.StageDone, "the old key is revoked" })},
		Waiting: []rotator.TrackedKey{
			key("frozen", func(k *rotator.TrackedKey) { k.Waiting, k.WaitingWhy = rotator.BlockFrozen, "year end" }),
			key("capped", func(k *rotator.TrackedKey) { k.Waiting = rotator.BlockAwaitingApproval }),
		},
		Managed: []rotator.TrackedKey{
			key("capped", func(k *rotator.TrackedKey) { k.Waiting = rotator.BlockAwaitingApproval }),
			key("moving", func(k *rotator.TrackedKey) { k.LookAt = time.Time{} }),
			key("next", nil),
		},
		Found: []rotator.TrackedKey{key("ci", nil), key("cd", nil), key("own", func(k *rotator.TrackedKey) { k.Policy = "" })},
		Entries: []rotator.Entry{
			{Rotation: "r-moving", Seq: 1, At: noon, To: rotator.StagePlanned, Note: "expiring"},
			{Rotation: "r-moving", Seq: 2, At: noon, From: rotator.StagePlanned, To: rotator.StageMinting, Note: "asking"},
			{Rotation: "r-else", Seq: 1},
		},
	}
}

func TestStatus(t *testing.T) {
	s := serve(t, fleet)
	s.SetReady()
	st := decode[web.Status](t, s.get("/api/v1/status"))
	if !st.Ready || !st.NeedsPerson || st.Version != "1.2.3" || st.Holds != 2 || st.Truncated || st.Now.IsZero() {
		t.Errorf("got %+v", st)
	}
	about := func(items []web.Item) (out []string) {
		for _, i := range items {
			out = append(out, i.What+": "+i.Reason)
			if i.Do == "" {
				t.Errorf("nobody says what to do about %s", i.Reason)
			}
		}
		return out
	}
	if diff := cmp.Diff([]string{"cc: scan_failed", "cc/u1/stuck: old_key_in_use"}, about(st.Attention)); diff != "" {
		t.Errorf("attention: %s", diff)
	}
	if diff := cmp.Diff([]string{"cc/u1/frozen: frozen"}, about(st.Waiting)); diff != "" {
		t.Errorf("waiting: %s", diff)
	}
	if d := st.Waiting[0].Deadline; !d.Equal(noon.Add(time.Hour)) {
		t.Errorf("the deadline of the key that waits is %v", d)
	}
	if d := st.Attention[1].Deadline; d.IsZero() || !strings.Contains(s.get("/").body, `must be gone by <time datetime="`+d.Format(time.RFC3339)) {
		t.Errorf("the deadline of what needs a person is %v, or is not on the page", d)
	}
	if len(st.InMotion) != 2 || st.InMotion[0].Credential != "sooner" || st.InMotion[1].Credential != "moving" {
		t.Errorf("in motion: %+v", st.InMotion)
	}
	if len(st.DueNext) != 1 || st.DueNext[0].Credential != "next" {
		t.Errorf("due next: %+v", st.DueNext)
	}
	want := []web.ProviderStatus{{
		Name: "cc", LastScan: noon, ScanTrouble: "HTTP 502", Users: 4, Keys: 10, Orphans: 1,
		KeysByState: map[string]int{"managed": 7, "unmanaged": 3}, Open: map[string]int{"delivering": 2},
		Blocked: map[string]int{"old_key_in_use": 1, "frozen": 1},
	}}
	if diff := cmp.Diff(want, st.Providers); diff != "" {
		t.Errorf("providers: %s", diff)
	}
}

func TestStatusOfAProviderInTrouble(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for _, c := range []struct {
		name  string
		state rotator.ProviderState
		want  []string
	}{
		{"well", rotator.ProviderState{LastScan: noon}, nil},
		{"never scanned", rotator.ProviderState{}, nil},
		{"breaker", rotator.ProviderState{BreakerOpen: true, PausedUntil: soon, PausedWhy: "HTTP 401", ScanTrouble: "HTTP 401"}, []string{"breaker_open HTTP 401"}},
		{"scan", rotator.ProviderState{ScanTrouble: "cut off"}, []string{"scan_failed cut off"}},
		{"clock", rotator.ProviderState{Skew: -2 * time.Hour, ScanTrouble: "cut off"}, []string{"clock_skew this machine's clock is 2h0m0s ahead of the provider's; set it right (is NTP running?)", "scan_failed cut off"}},
		{"cap", rotator.ProviderState{Awaiting: 12, AwaitingSince: noon}, []string{"awaiting_approval at least 12 rotations are due and not approved"}},
		{"throttled", rotator.ProviderState{PausedUntil: soon, PausedWhy: "slow down"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, func(_ *web.Options, s *site) { s.journal.Providers = map[string]rotator.ProviderState{"cc": c.state} })
			st := decode[web.Status](t, s.get("/api/v1/status"))
			var got []string
			for _, i := range st.Attention {
				got = append(got, i.Reason+" "+i.Why)
			}
			if diff := cmp.Diff(c.want, got); diff != "" || st.NeedsPerson != (len(c.want) > 0) {
				t.Errorf("needs a person: %v, %s", st.NeedsPerson, diff)
			}
			if paused := !st.Providers[0].PausedUntil.IsZero(); paused != c.state.PausedUntil.After(time.Now()) {
				t.Errorf("paused: %v", paused)
			}
		})
	}
}

// The lists are bounded; whether somebody is needed must not depend on what fits into them.
func TestNeedsPersonIsCounted(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		s.journal.Count.Blocked = map[string]map[rotator.BlockReason]int{"cc": {rotator.BlockSinkConflict: 1}}
	})
	if st := decode[web.Status](t, s.get("/api/v1/status")); !st.NeedsPerson || len(st.Attention) != 0 {
		t.Errorf("got %+v", st)
	}
	s.get("/").want(t, 200, "Something needs a person", "More than fits here")
}

func TestLongListsAreCut(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		for i := range 2500 {
			s.journal.Open = append(s.journal.Open, rotation(fmt.Sprint("c", i), nil))
			s.journal.Managed = append(s.journal.Managed, key(fmt.Sprint("c", i), nil))
		}
	})
	st := decode[web.Status](t, s.get("/api/v1/status"))
	if len(st.InMotion) != 100 || len(st.DueNext) != 20 || !st.Truncated {
		t.Errorf("%d in motion, %d due, truncated %v", len(st.InMotion), len(st.DueNext), st.Truncated)
	}
	list := decode[web.Rotations](t, s.get("/api/v1/rotations?limit=2500"))
	if len(list.Rotations) != 2500 || list.Truncated {
		t.Errorf("%d listed, truncated %v", len(list.Rotations), list.Truncated)
	}
	if list = decode[web.Rotations](t, s.get("/api/v1/rotations?limit=7")); len(list.Rotations) != 7 || !list.Truncated {
		t.Errorf("%d listed, truncated %v", len(list.Rotations), list.Truncated)
	}
}

func TestRotations(t *testing.T) {
	s := serve(t, fleet)
	if got := decode[web.Rotations](t, s.get("/api/v1/rotations")); len(got.Rotations) != 3 {
		t.Errorf("open: %+v", got)
	}
	got := decode[web.Rotations](t, s.get("/api/v1/rotations?state=ended"))
	if len(got.Rotations) != 1 || got.Rotations[0].Why != "the old key is revoked" {
		t.Errorf("ended: %+v", got)
	}
	one := decode[web.RotationHistory](t, s.get("/api/v1/rotations/r-moving"))
	if len(one.History) != 2 || one.History[1].To != "minting" || one.NewKey.Name != "moving-r0003" || one.Sinks[1].Trouble != "no space left" || one.String() != "cc/u1/moving" {
		t.Errorf("one: %+v", one)
	}
	if p := s.get("/api/v1/rotations/nope").problem(t, 404, "nope"); p.Kind != "gone" {
		t.Errorf("kind %q", p.Kind)
	}
	s.get("/api/v1/rotations?state=half").problem(t, 422)
	s.get("/api/v1/rotations?limit=0").problem(t, 422)
	s.get("/api/v1/rotations?stat=open").problem(t, 422)
}

func TestCredentials(t *testing.T) {
	s := serve(t, fleet)
	got := decode[web.Credentials](t, s.get("/api/v1/credentials?credential=c*&limit=1"))
	if len(got.Credentials) != 1 || !got.Truncated || got.Credentials[0].Key.ID != "id-ci" || got.Credentials[0].State != "active" {
		t.Errorf("got %+v", got)
	}
	if got = decode[web.Credentials](t, s.get("/api/v1/credentials?credential=zz")); len(got.Credentials) != 0 || got.Truncated {
		t.Errorf("got %+v", got)
	}
	s.get("/api/v1/credentials?user=[").problem(t, 422, "not a pattern")
}

func TestStatusTellsOfAJournalThatCannotBeWritten(t *testing.T) {
	s := serve(t, fleet, func(o *web.Options, _ *site) {
		o.JournalTrouble = func() (string, time.Time) { return "no space left on device", time.Now() }
	})
	s.get("/api/v1/status").want(t, 200, `"needs_person":true`, "journal_failing", "no space left on device")
}

func TestRotate(t *testing.T) {
	busy := rotator.NewFault("rotate", rotator.Conflict, "a rotation is under way already")
	for _, c := range []struct {
		name, body string
		fails      map[string]error
		status     int
		did        []string
		texts      []string
	}{
		{name: "one", body: `{"provider":"cc","user":"u1","credential":"ci","actor":"ann"}`, status: 202,
			did: []string{"rotate cc/u1/ci manual unverified:ann"}, texts: []string{`"planned":1`, `"id":"r-ci"`}},
		{name: "compromised", body: `{"provider":"cc","user":"u1","credential":"ci","reason":"compromised"}`, status: 202,
			did: []string{"rotate cc/u1/ci compromised 127.0.0.1"}},
		{name: "a pattern leaves out what no policy selects", body: `{"provider":"*","user":"*","credential":"*"}`, status: 202,
			did: []string{"rotate cc/u1/ci manual 127.0.0.1", "rotate cc/u1/cd manual 127.0.0.1"}, texts: []string{`"planned":2`, `"failed":0`}},
		{name: "what no policy selects, by name", body: `{"provider":"cc","user":"u1","credential":"own"}`, status: 202,
			did: []string{"rotate cc/u1/own manual 127.0.0.1"}},
		{name: "start over", body: `{"provider":"cc","user":"u1","credential":"ci","start_over":true}`, status: 202,
			did: []string{"rotate cc/u1/ci start over 127.0.0.1"}},
		{name: "dry run", body: `{"provider":"*","user":"*","credential":"c*","dry_run":true}`, status: 202,
			texts: []string{`"planned":0`, `"credential":"ci"`, `"credential":"cd"`}},
		{name: "one fails", body: `{"provider":"cc","user":"u1","credential":"ci"}`, fails: map[string]error{"ci": busy}, status: 409,
			did: []string{"rotate cc/u1/ci manual 127.0.0.1"}, texts: []string{"under way", `"kind":"conflict"`}},
		{name: "one of several fails", body: `{"provider":"cc","user":"u1","credential":"c?"}`, fails: map[string]error{"ci": busy}, status: 202,
			did:   []string{"rotate cc/u1/ci manual 127.0.0.1", "rotate cc/u1/cd manual 127.0.0.1"},
			texts: []string{`"planned":1`, `"failed":1`, "under way", `"kind":"conflict"`}},
		{name: "nothing matches", body: `{"provider":"cc","user":"u1","credential":"zz"}`, status: 404, texts: []string{"cc/u1/zz"}},
		{name: "no pattern", body: `{"provider":"cc","user":"u1","credential":"["}`, status: 422, texts: []string{"not a pattern"}},
		{name: "an empty body does not mean everything", body: `{}`, status: 422},
		{name: "an empty pattern does not mean everything", body: `{"provider":"","user":"","credential":""}`, status: 422},
		{name: "an unknown field", body: `{"provider":"cc","user":"u1","credential":"ci","dryrun":true}`, status: 422},
		{name: "a reason that is not an operator's", body: `{"provider":"cc","user":"u1","credential":"ci","reason":"expiring"}`, status: 422},
		{name: "not JSON", body: `rotate`, status: 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, fleet)
			s.operator.fails = c.fails
			r := s.ask(http.MethodPost, "/api/v1/rotations", c.body)
			if c.status >= 400 {
				r.problem(t, c.status, c.texts...)
			} else {
				r.want(t, c.status, c.texts...)
			}
			if diff := cmp.Diff(c.did, s.operator.did()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTooManyMatchesDoNothing(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		for i := range 1001 {
			s.journal.Found = append(s.journal.Found, key(fmt.Sprint("c", i), nil))
		}
	})
	s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"*","user":"*","credential":"*"}`).problem(t, 422, "more than 1000", "nothing was done")
	if did := s.operator.did(); len(did) > 0 {
		t.Errorf("did %v", did)
	}
}

func TestHoldAndRelease(t *testing.T) {
	s := serve(t, fleet)
	s.ask(http.MethodPost, "/api/v1/holds", `{"provider":"cc","user":"u1","credential":"c?","until":"2199-01-02T00:00:00Z","reason":"audit","actor":"ann"}`).
		want(t, 200, `"credential":"ci"`, `"credential":"cd"`)
	s.ask(http.MethodDelete, "/api/v1/holds?provider=cc&user=u1&credential=ci&actor=ann", "").want(t, 200, `"credential":"ci"`)
	s.ask(http.MethodDelete, "/api/v1/holds?provider=cc&user=u1&credential=vanished", "").want(t, 200, `"credential":"vanished"`)
	s.ask(http.MethodDelete, "/api/v1/holds?provider=cc&user=u1&credential=vanished*", "").problem(t, 404)
	s.ask(http.MethodDelete, "/api/v1/holds", "").problem(t, 422)
	s.ask(http.MethodPost, "/api/v1/holds", `{"provider":"cc","user":"u1","credential":"ci","until":"2001-01-01T00:00:00Z","reason":"x"}`).problem(t, 422, "in the future")
	s.ask(http.MethodPost, "/api/v1/holds", `{"provider":"cc","user":"u1","credential":"ci","until":"2199-01-02T00:00:00Z","reason":""}`).problem(t, 422)
	want := []string{
		"hold cc/u1/ci unverified:ann 2199-01-02 audit", "hold cc/u1/cd unverified:ann 2199-01-02 audit",
		"release cc/u1/ci unverified:ann", "release cc/u1/vanished 127.0.0.1",
	}
	if diff := cmp.Diff(want, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

func TestHoldThatFailsHalfWaySaysSo(t *testing.T) {
	s := serve(t, fleet)
	s.operator.fails = map[string]error{"cd": errors.New("disk I/O error")}
	s.ask(http.MethodPost, "/api/v1/holds", `{"provider":"cc","user":"u1","credential":"c?","until":"2199-01-02T00:00:00Z","reason":"audit"}`).
		problem(t, 500, "cc/u1/cd", "disk I/O error", "1 of 2 were done")
}

func TestApprove(t *testing.T) {
	s := serve(t)
	s.operator.fails = map[string]error{"nope": rotator.NewFault("approve", rotator.Gone, `no provider "nope" is configured`)}
	got := decode[web.Approval](t, s.ask(http.MethodPost, "/api/v1/providers/cc/approve", `{"within":"30m","actor":"ann"}`))
	if got.Approved != 42 || got.By != "unverified:ann" || time.Until(got.Until) < 29*time.Minute {
		t.Errorf("got %+v", got)
	}
	s.ask(http.MethodPost, "/api/v1/providers/cc/approve", "").want(t, 200)
	s.ask(http.MethodPost, "/api/v1/providers/cc/approve", "{}").want(t, 200)
	for _, within := range []string{"soon", "0s", "-1h", "25h"} {
		s.ask(http.MethodPost, "/api/v1/providers/cc/approve", `{"within":"`+within+`"}`).problem(t, 422, within)
	}
	s.ask(http.MethodPost, "/api/v1/providers/nope/approve", "").problem(t, 404, "no provider")
	want := []string{"approve cc unverified:ann 30m0s", "approve cc 127.0.0.1 1h0m0s", "approve cc 127.0.0.1 1h0m0s", "approve nope 127.0.0.1 1h0m0s"}
	if diff := cmp.Diff(want, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

func TestScan(t *testing.T) {
	s := serve(t)
	s.ask(http.MethodPost, "/api/v1/scan", "").want(t, 202)
	if diff := cmp.Diff([]string{"scan"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

// everything lists each address that answers a GET.
func everything() []string {
	return []string{"/", "/style.css", "/page.js", "/fleet", "/fleet.csv", "/calendar", "/runbooks", "/runbooks/RotatordAbsent", "/credentials/cc/u1/ci", "/providers/cc", "/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/rotations", "/api/v1/rotations?state=ended",
		"/api/v1/rotations/r-moving", "/api/v1/credentials", "/api/v1/credentials?search=u1&blocked=true", "/api/v1/credentials/cc/u1/ci",
		"/api/v1/holds", "/api/v1/histograms", "/api/v1/openapi.yaml", "/api/v1/openapi.json"}
}

func TestNoAnswerHoldsASecret(t *testing.T) {
	s := serve(t, fleet)
	replies := []reply{
		s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"cc","user":"u1","credential":"ci"}`),
		// Secrets in the wrong place are not echoed.
		s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"cc","user":"u1","credential":"ci","reason":"`+planted+`"}`),
		s.ask(http.MethodPost, "/api/v1/holds", `{"provider":"cc","user":"u1","credential":"ci","until":"`+planted+`","reason":"x"}`),
		s.ask(http.MethodPost, "/api/v1/scan?token="+planted, ""),
	}
	for _, path := range everything() {
		r := s.get(path)
		if r.status >= 400 && path != "/-/ready" {
			t.Errorf("GET %s: %d %s", path, r.status, r.body)
		}
		replies = append(replies, r)
	}
	for _, r := range replies {
		for _, form := range []string{planted, base64.StdEncoding.EncodeToString([]byte(planted)), fmt.Sprintf("%x", planted)} {
			if strings.Contains(r.body, form) {
				t.Errorf("the planted secret is in an answer:\n%s", r.body)
			}
		}
	}
}

func TestFailedJournal(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) { s.journal.Err = errors.New("database disk image is malformed") })
	s.SetReady()
	for _, path := range []string{"/api/v1/status", "/api/v1/rotations", "/api/v1/rotations/x", "/api/v1/credentials"} {
		s.get(path).problem(t, 500, "journal cannot be read", "malformed", "store.path")
	}
	s.ask(http.MethodPost, "/api/v1/rotations", `{"provider":"cc","user":"u1","credential":"ci"}`).problem(t, 500, "journal cannot be read")
	s.get("/").want(t, 500, "The journal cannot be read", "malformed", "store.path")
	s.get("/-/healthy").want(t, 200)
	if did := s.operator.did(); len(did) > 0 {
		t.Errorf("did %v", did)
	}
}

func TestUnknownPaths(t *testing.T) {
	s := serve(t)
	s.get("/api/v1/rotation").problem(t, 404, "openapi.yaml")
	s.get("/api/v2/status").problem(t, 404)
	s.ask(http.MethodPut, "/api/v1/status", "{}").problem(t, 404, "PUT /api/v1/status")
	s.get("/nothing").want(t, 404)
}

func TestTheServedDescriptionIsTheGeneratedOne(t *testing.T) {
	s := serve(t)
	want, err := os.ReadFile("../docs/reference/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), s.get("/api/v1/openapi.yaml").body); diff != "" {
		t.Error(diff)
	}
	s.get("/api/v1/openapi.json").want(t, 200, `"openapi":"3.1.0"`, `"/api/v1/holds"`)
}
