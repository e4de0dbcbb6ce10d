package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// reported has keys of several classes, in the order of provider and id.
func reported(o *web.Options, s *site) {
	fleet(o, s)
	facts := func(provider, id string, change func(*rotator.KeyFacts)) {
		k := key("ci", func(k *rotator.TrackedKey) { k.Provider, k.ID = provider, id })
		k.Created, k.Due, k.Deadline = time.Now().Add(-50*time.Hour), time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		f := rotator.KeyFacts{Key: k, User: rotator.ServiceUser{ID: "u1", Name: "Build", Email: "b@example.com", Active: true}, UserListed: true}
		change(&f)
		s.journal.Facts = append(s.journal.Facts, f)
	}
	facts("cc", "1", func(f *rotator.KeyFacts) {
		f.Last = &rotator.RotationNote{ID: "r-old", Stage: rotator.StageDone, At: noon, Why: "gone"}
		f.Evidence = []rotator.Confirmation{{Sink: "vault", Location: "secret/ci", At: noon}}
	})
	facts("cc", "2", func(f *rotator.KeyFacts) {
		f.Hold = &rotator.Hold{By: "ada", Until: time.Now().Add(time.Hour), Reason: "release"}
		f.Open = &rotator.RotationNote{ID: "r-1", Stage: rotator.StageGrace, At: noon, Blocked: rotator.BlockHeld, Why: "held by ada", Retires: []string{"2"}}
	})
	facts("cc", "3", func(f *rotator.KeyFacts) { f.Key.Policy, f.Key.Deadline, f.Key.Due = "", time.Time{}, time.Time{} })
	facts("cc", "4", func(f *rotator.KeyFacts) { f.Key.State = rotator.KeyRevoked })
	facts("ds", "1", func(f *rotator.KeyFacts) { f.UserListed, f.Key.Created = false, time.Time{} })
	o.KeySettings = func(provider, policy string) rotator.KeySettings {
		return rotator.KeySettings{Labels: map[string]string{"team": provider + "-" + policy}, ReportsLastUse: provider == "cc", Observed: provider == "ds"}
	}
}

func named(keys []web.ReportedKey) string {
	var out []string
	for _, k := range keys {
		text := k.Provider + "/" + k.Key.ID + " " + k.Class
		for _, f := range k.Findings {
			text += " " + f.Kind
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestKeysAreListedWithWhatIsToBeSaid(t *testing.T) {
	s := serve(t, reported)
	const all = "cc/1 managed never_used, cc/2 held never_used not_moving, cc/3 unmanaged no_expiry never_used, cc/4 gone, ds/1 managed unknown_user observe_only"
	for query, want := range map[string]string{
		"":                                    all,
		"?provider=ds":                        "ds/1 managed unknown_user observe_only",
		"?policy=ci&provider=cc":              "cc/1 managed never_used, cc/2 held never_used not_moving, cc/4 gone",
		"?class=held,gone":                    "cc/2 held never_used not_moving, cc/4 gone",
		"?finding=not_moving,no_expiry":       "cc/2 held never_used not_moving, cc/3 unmanaged no_expiry never_used",
		"?class=gone&finding=no_expiry":       "",
		"?unused_for=1h&class=managed":        "cc/1 managed never_used, ds/1 managed unknown_user observe_only",
		"?label=team=ds-ci,team=cc-":          "cc/3 unmanaged no_expiry never_used, ds/1 managed unknown_user observe_only",
		"?label=team=nobody":                  "",
		"?label=team=":                        "",
		"?label=cost=&class=gone":             "cc/4 gone",
		"?limit=1000&provider=cc&class=held":  "cc/2 held never_used not_moving",
		"?limit=5":                            all,
		"?provider=nobody":                    "",
		"?limit=2&finding=never_used&cursor=": "cc/1 managed never_used, cc/2 held never_used not_moving",
	} {
		if got := named(decode[web.Keys](t, s.get("/api/v1/keys"+query)).Keys); got != want {
			t.Errorf("%q: got %s\nwant %s", query, got, want)
		}
	}
}

func TestKeysComeInPages(t *testing.T) {
	s := serve(t, reported)
	var got []string
	for next := "first"; next != ""; {
		path := "/api/v1/keys?limit=2"
		if next != "first" {
			path += "&cursor=" + url.QueryEscape(next)
		}
		page := decode[web.Keys](t, s.get(path))
		got = append(got, named(page.Keys))
		next = page.Next
	}
	want := []string{"cc/1 managed never_used, cc/2 held never_used not_moving", "cc/3 unmanaged no_expiry never_used, cc/4 gone", "ds/1 managed unknown_user observe_only"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAKeyIsToldWhole(t *testing.T) {
	s := serve(t, reported)
	keys := decode[web.Keys](t, s.get("/api/v1/keys?class=managed,held,gone")).Keys
	two := 2
	managed, held, gone, unknown := keys[0], keys[1], keys[2], keys[3]
	if managed.NextRotation.IsZero() || managed.Deadline.IsZero() || managed.Created.IsZero() || !gone.NextRotation.IsZero() || unknown.AgeDays != nil {
		t.Errorf("got %+v", keys)
	}
	managed.NextRotation, managed.Deadline, managed.Created, managed.Findings = time.Time{}, time.Time{}, time.Time{}, nil
	want := web.ReportedKey{
		CredentialName: web.CredentialName{Provider: "cc", UserID: "u1", Credential: "ci"}, Key: web.KeyName{ID: "1", Name: "ci-r0002"}, Class: "managed",
		User: web.ReportedUser{Name: "Build", Email: "b@example.com", Active: true, Listed: true}, State: "active", AgeDays: &two, ReportsUse: true,
		Policy: "ci", Labels: map[string]string{"team": "cc-ci"}, LastRotation: &web.ReportedRotation{ID: "r-old", Stage: "done", At: noon, Why: "gone"},
		Evidence: []web.Evidence{{Sink: "vault", Location: "secret/ci", At: noon}},
	}
	if diff := cmp.Diff(want, managed); diff != "" {
		t.Error(diff)
	}
	if held.Hold == nil || held.Hold.By != "ada" || held.Rotating == nil || held.Rotating.Blocked != "held" || !strings.Contains(held.Findings[1].Why, "held by ada") {
		t.Errorf("got %+v", held)
	}
}

func TestWhatCannotBeAskedOfAReport(t *testing.T) {
	s := serve(t, reported)
	for query, want := range map[string]string{
		"?class=good":     "class",
		"?finding=bad":    "finding",
		"?unused_for=90d": "write a time above zero such as 720h",
		"?unused_for=-1h": "write a time above zero",
		"?unused=1h":      "unused",
		"?label=team":     "write name=value, as in team=pki",
		"?label==pki":     "write name=value",
	} {
		for _, path := range []string{"/api/v1/keys", "/api/v1/report"} {
			r := s.get(path + query)
			if r.status != http.StatusUnprocessableEntity && r.status != http.StatusBadRequest || !strings.Contains(r.body, want) {
				t.Errorf("%s%s: %d %s, want %q", path, query, r.status, r.body, want)
			}
		}
	}
	for _, cursor := range []string{"!", "bm9uZQ"} {
		s.get("/api/v1/keys?cursor="+cursor).problem(t, http.StatusUnprocessableEntity, "begin again without one")
	}
	s.get("/api/v1/keys?by=team").problem(t, http.StatusUnprocessableEntity, "validation failed")
	s.get("/api/v1/keys?limit=1001").problem(t, http.StatusUnprocessableEntity, "limit")
}

// lines are those of a report.
func lines(t *testing.T, r reply) []web.ReportLine {
	t.Helper()
	r.want(t, http.StatusOK)
	if got := r.header.Get("Content-Type"); got != "application/jsonl" {
		t.Errorf("content type %q", got)
	}
	var out []web.ReportLine
	for text := range strings.Lines(r.body) {
		var line web.ReportLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		out = append(out, line)
	}
	return out
}

func TestAReportCountsByALabel(t *testing.T) {
	s := serve(t, func(o *web.Options, s *site) {
		reported(o, s)
		o.KeySettings = func(provider, policy string) rotator.KeySettings {
			switch {
			case provider == "ds":
				return rotator.KeySettings{}
			case policy == "":
				return rotator.KeySettings{Labels: map[string]string{"team": "pki"}}
			default:
				return rotator.KeySettings{Labels: map[string]string{"team": "ci", "cost": "7"}}
			}
		}
	})
	summary := func(query string) string {
		got := lines(t, s.get("/api/v1/report"+query))
		sum := got[len(got)-1].Summary
		text := sum.By + ":"
		for _, g := range sum.Groups {
			text += fmt.Sprintf(" %q %d keys, %d against, %d managed, %d gone, %d not moving;", g.Value, g.Keys, g.Against, g.Classes["managed"], g.Classes["gone"], g.Findings["not_moving"])
			if len(g.Classes) != len(rotator.Classes()) || len(g.Findings) != len(rotator.Findings()) {
				t.Errorf("group %q lacks counts: %+v", g.Value, g)
			}
		}
		return text
	}
	for query, want := range map[string]string{
		"": ":",
		"?by=team": `team: "ci" 3 keys, 1 against, 1 managed, 1 gone, 1 not moving; "pki" 1 keys, 1 against, 0 managed, 0 gone, 0 not moving; ` +
			`"" 1 keys, 1 against, 1 managed, 0 gone, 0 not moving;`,
		"?by=team&label=team=pki": `team: "pki" 1 keys, 1 against, 0 managed, 0 gone, 0 not moving;`,
		"?by=owner":               `owner: "" 5 keys, 3 against, 2 managed, 1 gone, 1 not moving;`,
		"?by=team&provider=none":  "team:",
	} {
		if got := summary(query); got != want {
			t.Errorf("%q: got %s\nwant %s", query, got, want)
		}
	}
}

func TestReportIsAStreamThatEndsWithItsSummary(t *testing.T) {
	s := serve(t, reported)
	got := lines(t, s.get("/api/v1/report?unused_for=24h"))
	if len(got) != 6 {
		t.Fatalf("%d lines, want 5 keys and a summary", len(got))
	}
	sum := got[5].Summary
	if sum == nil || got[5].Key != nil || sum.GeneratedAt.IsZero() {
		t.Fatalf("the last line is %+v", got[5])
	}
	want := web.ReportSummary{GeneratedAt: sum.GeneratedAt, Version: "1.2.3", UnusedFor: "24h", Keys: 5,
		Classes: map[string]int{"managed": 2, "held": 1, "unmanaged": 1, "gone": 1, "orphaned": 0, "inactive": 0, "expired": 0},
		Findings: map[string]int{"no_expiry": 1, "too_old": 0, "unused": 0, "never_used": 3, "inactive_user": 0, "unknown_user": 1,
			"superseded": 0, "observe_only": 1, "not_moving": 1}}
	if diff := cmp.Diff(want, *sum); diff != "" {
		t.Error(diff)
	}
	for _, line := range got[:5] {
		if line.Key == nil || line.Summary != nil || line.Error != "" {
			t.Errorf("a key's line is %+v", line)
		}
	}
}

func TestReportOfALargeFleetIsComplete(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		for i := range 3000 {
			f := rotator.KeyFacts{Key: key("ci", func(k *rotator.TrackedKey) { k.ID = fmt.Sprintf("%05d", i) })}
			s.journal.Facts = append(s.journal.Facts, f)
		}
	})
	got := lines(t, s.get("/api/v1/report"))
	if last := got[len(got)-1].Summary; len(got) != 3001 || last == nil || last.Keys != 3000 {
		t.Errorf("%d lines, the last %+v", len(got), got[len(got)-1])
	}
}

func TestReportOfAJournalThatFails(t *testing.T) {
	broken := func(o *web.Options, s *site) {
		reported(o, s)
		s.journal.Err = errors.New("disk I/O error")
	}
	t.Run("from the start", func(t *testing.T) {
		s := serve(t, broken, func(_ *web.Options, s *site) { s.journal.Facts = nil })
		s.get("/api/v1/report").problem(t, http.StatusInternalServerError, "disk I/O error", "store.path")
		s.get("/api/v1/keys").problem(t, http.StatusInternalServerError, "disk I/O error")
	})
	t.Run("on the way", func(t *testing.T) {
		got := lines(t, serve(t, broken).get("/api/v1/report"))
		last := got[len(got)-1]
		if len(got) != 6 || last.Summary != nil || !strings.Contains(last.Error, "disk I/O error") {
			t.Errorf("%d lines, the last %+v: want one that says why it is not complete", len(got), last)
		}
	})
}

// TestReportNamesEveryClassAndFinding compares the API's closed lists with those of package rotator.
func TestReportNamesEveryClassAndFinding(t *testing.T) {
	var classes, findings []string
	for _, c := range rotator.Classes() {
		classes = append(classes, string(c))
	}
	for _, f := range rotator.Findings() {
		findings = append(findings, string(f))
	}
	class, _ := reflect.TypeFor[web.ReportedKey]().FieldByName("Class")
	finding, _ := reflect.TypeFor[web.ReportFinding]().FieldByName("Kind")
	for got, want := range map[string]string{class.Tag.Get("enum"): strings.Join(classes, ","), finding.Tag.Get("enum"): strings.Join(findings, ",")} {
		if got != want {
			t.Errorf("the API lists %s, package rotator %s", got, want)
		}
	}
	s := serve(t, reported)
	for _, c := range classes {
		s.get("/api/v1/keys?class="+c).want(t, http.StatusOK)
	}
	for _, f := range findings {
		s.get("/api/v1/keys?finding="+f).want(t, http.StatusOK)
	}
}
