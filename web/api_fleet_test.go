package web_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// tracked is a key of credential ci of the n-th user.
func tracked(n int) rotator.TrackedKey {
	return rotator.TrackedKey{Provider: "cc", Base: "ci", Version: 1, Policy: "monthly",
		Key: rotator.Key{ID: fmt.Sprint("k", n), UserID: fmt.Sprint("u", n), State: rotator.KeyActive}}
}

func answerOf[T any](t *testing.T, r reply) T {
	t.Helper()
	r.want(t, 200)
	var v T
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		t.Fatalf("%v: %s", err, r.body)
	}
	return v
}

func TestCredentialsPageByPage(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		for n := range 5 {
			s.journal.Fleet = append(s.journal.Fleet, rotator.FleetCredential{Key: tracked(n), UserName: "bot"})
		}
	})
	var seen []string
	next := ""
	for range 3 {
		page := answerOf[web.Credentials](t, s.get("/api/v1/credentials?limit=2&cursor="+next))
		for _, c := range page.Credentials {
			seen = append(seen, c.UserID+" "+c.ServiceUser)
		}
		if next = page.Next; page.Truncated != (next != "") {
			t.Errorf("truncated %v, next %q", page.Truncated, next)
		}
	}
	if want := []string{"u0 bot", "u1 bot", "u2 bot", "u3 bot", "u4 bot"}; !slices.Equal(seen, want) || next != "" {
		t.Errorf("saw %v and then %q, want %v", seen, next, want)
	}
}

func TestCredentialFiltersReachTheJournal(t *testing.T) {
	s := serve(t, func(o *web.Options, _ *site) {
		o.Policies = func() []string { return []string{"monthly", "other"} }
		o.KeySettings = func(_, policy string) rotator.KeySettings {
			return rotator.KeySettings{Labels: map[string]string{"team": map[string]string{"monthly": "pki"}[policy]}}
		}
	})
	s.get("/api/v1/credentials?provider=cc&policy=monthly&state=waiting&label=team%3Dpki&blocked=true&held=true&search=bot&limit=7").want(t, 200)
	want := []rotator.FleetQuery{{Provider: "cc", Policy: "monthly", State: "waiting", Owners: []rotator.Owned{{Provider: "cc", Policy: "monthly"}},
		Blocked: true, Held: true, Search: "bot", Limit: 7}}
	if diff := cmp.Diff(want, s.journal.Queries); diff != "" {
		t.Error(diff)
	}
}

func TestCredentialQueriesThatAreRefused(t *testing.T) {
	s := serve(t)
	for query, why := range map[string]string{
		"user=ci-*&search=x":                "use search instead",
		"cursor=%21":                        "begin again",
		"cursor=" + "WyJhIl0":               "begin again",
		"cursor=WyJhXHUwMDAwIiwiYiIsImMiXQ": "begin again",
		"label=team":                        "name=value",
		"state=lost":                        "state",
		"limit=0":                           "limit",
		"provider=%5B":                      "not a pattern",
	} {
		s.get("/api/v1/credentials?"+query).problem(t, 422, why)
	}
	s.get("/api/v1/holds?cursor=%21").problem(t, 422, "begin again")
}

func TestOneCredential(t *testing.T) {
	id := rotator.CredentialID{Provider: "cc", UserID: "u/1", Base: "ci"}
	until := time.Now().Add(time.Hour).UTC()
	s := serve(t, func(_ *web.Options, s *site) {
		newer, older := tracked(2), tracked(1)
		newer.UserID, older.UserID, newer.State = id.UserID, id.UserID, rotator.KeyRevoked
		s.journal.Found = []rotator.TrackedKey{newer, older}
		s.journal.Ended = []rotator.Rotation{{ID: "r1", CredentialID: id, Stage: rotator.StageDone, Sinks: []rotator.SinkProgress{{Sink: "vault", Receipt: "v3"}}}}
		s.journal.Entries = []rotator.Entry{{Rotation: "r1", Seq: 1, To: rotator.StagePlanned, Note: "due"}}
		s.journal.Held = []rotator.Hold{{CredentialID: id, By: "ada", Until: until, Reason: "audit"}}
	})
	d := answerOf[web.CredentialDetail](t, s.get("/api/v1/credentials/cc/"+url.PathEscape(id.UserID)+"/ci"))
	if len(d.Keys) != 2 || d.Current == nil || d.Current.Key.ID != "k1" {
		t.Errorf("keys %+v, current %+v; want two, of which the one that works is current", d.Keys, d.Current)
	}
	if d.Hold == nil || d.Hold.By != "ada" || !d.Hold.Until.Equal(until) {
		t.Errorf("hold %+v", d.Hold)
	}
	if len(d.Rotations) != 1 || d.Rotations[0].Sinks[0].Receipt != "v3" || d.Rotations[0].History[0].Note != "due" {
		t.Errorf("rotations %+v", d.Rotations)
	}
	s.get("/api/v1/credentials/cc/nobody/ci").problem(t, 404, "knows no credential cc/nobody/ci")
}

func TestHoldsPageByPage(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		for n := range 3 {
			s.journal.Held = append(s.journal.Held, rotator.Hold{CredentialID: tracked(n).Credential(), By: "ada", Until: time.Now().Add(time.Hour)})
		}
	})
	first := answerOf[web.HoldList](t, s.get("/api/v1/holds?limit=2"))
	rest := answerOf[web.HoldList](t, s.get("/api/v1/holds?limit=2&cursor="+first.Next))
	if len(first.Holds) != 2 || len(rest.Holds) != 1 || rest.Holds[0].UserID != "u2" || rest.Next != "" {
		t.Errorf("got %+v and then %+v", first, rest)
	}
}

func TestHistograms(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		s.journal.Ages = []rotator.AgeCount{
			{Provider: "cc", Managed: true, Aged: 2}, {Provider: "cc", Managed: true, Days: 1, Left: 2}, {Provider: "cc", Days: 730, Aged: 3},
			{Provider: "cc", Days: -1, Left: 3}, {Provider: "cc", Unknown: true, Aged: 4, Left: 4}, {Provider: "q", Aged: 100, Left: 100},
		}
	})
	h := answerOf[web.Histograms](t, s.get("/api/v1/histograms?provider=cc"))
	got := []web.Band{h.Age[0], h.Age[len(h.Age)-1], h.Left[0], h.Left[1], h.Expired, h.NoAge, h.Forever}
	want := []web.Band{{Below: 1, Managed: 2}, {Unmanaged: 3}, {Below: 1}, {Below: 3, Managed: 2}, {Unmanaged: 3}, {Unmanaged: 4}, {Unmanaged: 4}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
