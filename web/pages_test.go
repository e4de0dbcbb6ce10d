package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
	"github.com/rotatord/rotatord/web"
)

// soaking is a credential whose rotation can be undone.
func soaking(_ *web.Options, s *site) {
	r := rotation("ci", func(r *rotator.Rotation) {
		r.Stage, r.GraceUntil, r.SoakUntil = rotator.StageSoaking, noon, noon.Add(time.Hour)
		r.Terms = rotator.Terms{Grace: time.Hour, Soak: time.Hour}
	})
	s.journal.Open = []rotator.Rotation{r}
	s.journal.Found = []rotator.TrackedKey{
		key("ci", func(k *rotator.TrackedKey) { k.ID, k.Name, k.Version, k.LastUsed = "2", "ci-r0003", 3, noon }),
		key("ci", func(k *rotator.TrackedKey) { k.ID, k.State = "1", rotator.KeyDisabled }),
	}
	s.journal.Entries = []rotator.Entry{{Rotation: "r-ci", Seq: 1, At: noon, To: rotator.StagePlanned, Note: "its expiry is near"}}
	s.journal.Held = []rotator.Hold{{CredentialID: cred("ci"), By: "ada", Until: time.Now().Add(time.Hour), Reason: "audit"}}
}

func TestCredentialPage(t *testing.T) {
	s := serve(t, soaking)
	r := s.get("/credentials/cc/u1/ci")
	r.want(t, 200, "Held by ada", "the old key is off and can still be brought back", "f00d", "version 7", "not yet</b>: no space left", // evidence
		`role="img"`, "Key ci-r0003, created 2026-03-01 11:00 UTC", "Grace: consumers move to the new key until", "vault confirmed", // timeline
		"its expiry is near", `action="/credentials/cc/u1/ci/rotate"`, "/hold", "/release", "/undo",
		"rotatord verify cc/u1/ci", "rotatord drill cc/u1/ci", "outside of a rotation", "None among its latest rotations", "Before the old key goes", "Overlap: the old and the new key both work") // commands, proofs
	if strings.Contains(r.body, planted) {
		t.Error("the page shows the secret")
	}
	s.get("/credentials/cc/u1/none").want(t, 404, "No scan has seen a credential cc/u1/none")
	s.get("/credentials/cc/"+url.PathEscape("a/b?c")+"/none").want(t, 404, "cc/a/b?c/none")
}

// post sends a form as a browser does and does not follow where it is sent then.
func (s *site) post(path string, fields ...string) reply {
	s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	client := *s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	was := s.client
	s.client = &client
	defer func() { s.client = was }()
	return s.ask(http.MethodPost, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

func TestActionsOfThePages(t *testing.T) {
	const at = "/credentials/cc/u1/ci"
	for name, c := range map[string]struct {
		path   string
		fields []string
		did    string // the beginning of what the operator was asked
		to     string
	}{
		"rotate":      {at + "/rotate", []string{"reason", "new laptop", "kind", "manual"}, "rotate cc/u1/ci manual unverified:ada", at + "?done=rotate"},
		"compromised": {at + "/rotate", []string{"reason", "it leaked", "kind", "compromised"}, "rotate cc/u1/ci compromised unverified:ada", at + "?done=rotate"}, // where no incidents are kept
		"hold":        {at + "/hold", []string{"reason", "audit", "for", "24h"}, "hold cc/u1/ci unverified:ada " + time.Now().UTC().Add(24*time.Hour).Format(time.DateOnly) + " audit", at + "?done=hold"},
		"release":     {at + "/release", []string{"reason", "over"}, "release cc/u1/ci unverified:ada", at + "?done=release"},
		"undo":        {at + "/undo", []string{"reason", "still used", "for", "4h"}, "undo cc/u1/ci unverified:ada", at + "?done=undo"},
		"approve":     {"/providers/cc/approve", []string{"reason", "as planned", "for", "1h"}, "approve cc unverified:ada 1h0m0s", "/providers/cc?done=approve"},
	} {
		t.Run(name, func(t *testing.T) {
			log := &auditor{}
			s := serve(t, soaking, func(o *web.Options, _ *site) { o.Audit = log })
			r := s.post(c.path, append(c.fields, "actor", "ada")...)
			if r.status != http.StatusSeeOther || r.header.Get("Location") != c.to {
				t.Errorf("answered %d to %q: %s", r.status, r.header.Get("Location"), r.body)
			}
			if did := s.operator.did(); len(did) != 1 || !strings.HasPrefix(did[0], c.did) {
				t.Errorf("the operator did %q, want %q", did, c.did)
			}
			if told := log.told(t); len(told) != 1 || !strings.Contains(told[0], "unverified:ada asked for on the page, because: "+c.fields[1]) {
				t.Errorf("the reason is not recorded: %q", told)
			}
			s.get(c.to).want(t, 200, "Done.")
		})
	}
}

func TestActionsThatAreNotDone(t *testing.T) {
	const at = "/credentials/cc/u1/ci"
	s := serve(t, soaking, func(_ *web.Options, s *site) {
		s.operator.fails = map[string]error{"ci": rotator.NewFault("rotate", rotator.Conflict, "it is being rotated already")}
	})
	s.post(at+"/rotate", "reason", "again").want(t, http.StatusConflict, "Not done.", "being rotated already")
	calls := len(s.operator.did())
	s.post(at+"/rotate", "reason", " \t ").want(t, 422, "Say why")
	s.post(at+"/hold", "reason", "x", "for", "9999h").want(t, 422, "at most 30 days")
	s.post(at+"/hold", "reason", "x", "for", "-1h").want(t, 422, "Say for how long")
	s.post(at+"/explode", "reason", "x").want(t, 404, "There is no action explode")
	s.post("/providers/cc/approve", "reason", "x", "for", "25h").want(t, 422, "at most 24 hours")
	s.ask(http.MethodPost, at+"/rotate", "reason=x", "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site").want(t, 403, "another site")
	if did := s.operator.did(); len(did) != calls {
		t.Errorf("something was done: %q", did)
	}
	s.get(at+"?done=everything").want(t, 200)
	if strings.Contains(s.get(at+"?done=everything").body, "Done.") {
		t.Error("a link made the page say that something was done")
	}
}

func TestAKeyThatIsOnlyWatchedIsNotSaidToRotate(t *testing.T) {
	for _, observed := range []bool{true, false} {
		s := serve(t, func(o *web.Options, s *site) {
			s.journal.Managed = []rotator.TrackedKey{key("ci", func(k *rotator.TrackedKey) {
				k.Due, k.Deadline = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
			})}
			s.journal.Found = s.journal.Managed
			o.KeySettings = func(string, string) rotator.KeySettings { return rotator.KeySettings{Observed: observed} }
		})
		for path, says := range map[string]string{"/": "<b>nobody rotates it</b>: the policy only observes", "/credentials/cc/u1/ci": "<b>Nobody rotates it</b>: its policy only observes",
			"/api/v1/status": `"observe_only":true`} {
			r := s.get(path)
			r.want(t, 200)
			if strings.Contains(r.body, says) != observed {
				t.Errorf("%s, observed %v: whether it holds %q is %v", path, observed, says, !observed)
			}
		}
	}
}

func TestWhoMayNotActSeesWhy(t *testing.T) {
	s := serveNetwork(t, soaking)
	r := s.get("/credentials/cc/u1/ci")
	r.want(t, 200, "You can look, but not act here", "has no authentication")
	if strings.Contains(r.body, "<form") {
		t.Error("there is a form all the same")
	}
}

func TestProviderPage(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		s.journal.Providers = map[string]rotator.ProviderState{"cc": {LastScan: noon, Awaiting: 12, AwaitingSince: noon}}
	})
	s.get("/providers/cc").want(t, 200, "12 rotations", `action="/providers/cc/approve"`)
	s.get("/providers/else").want(t, 404, "No provider else is configured")
}

// settled asks until the answer holds the text: what takes long is worked out beside the answers.
func (s *site) settled(path, text string) reply {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		if r := s.get(path); strings.Contains(r.body, text) || time.Now().After(end) {
			return r
		}
	}
}

func TestFleetPage(t *testing.T) {
	s := serve(t, func(o *web.Options, s *site) {
		for i := range 51 {
			s.journal.Fleet = append(s.journal.Fleet, rotator.FleetCredential{UserName: "Build", Key: key("ci-"+string(rune('A'+i)), nil)})
		}
		s.journal.Fleet[0].Blocked, s.journal.Fleet[0].Stage = rotator.BlockOldKeyInUse, rotator.StageGrace
		s.journal.Ages = []rotator.AgeCount{{Provider: "cc", Days: 3, Aged: 1234}, {Provider: "cc", Unknown: true, Left: 1234}}
		o.Policies = func() []string { return []string{"ci", "web"} }
		o.KeySettings = func(_, policy string) rotator.KeySettings {
			return rotator.KeySettings{Labels: map[string]string{"team": "team-" + policy}}
		}
	})
	s.settled("/fleet?provider=none", "active keys")
	s.journal.Queries = nil
	r := s.get("/fleet?q=ci&provider=cc&owner=TEAM-web&state=blocked")
	r.want(t, 200, "/credentials/cc/u1/ci-A", "old_key_in_use", "under 7 days 1234;", "never 1234;", `rel="next"`, "after=ci-r", `selected>blocked`)
	want := rotator.FleetQuery{Provider: "cc", Search: "ci", Blocked: true, Limit: 50, Owners: []rotator.Owned{{Provider: "cc", Policy: "web"}}}
	if diff := cmp.Diff([]rotator.FleetQuery{want}, s.journal.Queries); diff != "" {
		t.Error(diff)
	}
	s.get("/fleet?after_provider=cc&after_user=u1&after=ci-r").want(t, 200, "/credentials/cc/u1/ci-s", "First page")
	sheet := s.get("/fleet.csv")
	sheet.want(t, 200, "provider,user_id", "cc,u1,Build,ci-A,")
	if lines := strings.Count(sheet.body, "\n"); lines != 52 || sheet.header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%d lines, %v", lines, sheet.header)
	}
}

func TestCalendarPage(t *testing.T) {
	hour := time.Now().UTC().Truncate(time.Hour)
	s := serve(t, func(_ *web.Options, s *site) {
		s.journal.DueCounts = []rotator.DueCount{{Provider: "cc", Hour: hour.Add(-48 * time.Hour), Keys: 3},
			{Provider: "cc", Hour: hour.Add(time.Hour), Keys: 4}, {Provider: "d1", Hour: hour.Add(time.Hour), Keys: 5}}
	})
	s.get("/calendar").want(t, 200, "3 late", hour.Add(time.Hour).Format("15:04")+" 9;", hour.Add(time.Hour).Format("Mon 2 Jan")+", with 9 rotations")
}

func TestCalendarPageWithForecast(t *testing.T) {
	soon := time.Now().UTC().Truncate(time.Hour).Add(2 * time.Hour)
	s := serve(t, func(o *web.Options, _ *site) {
		o.Forecaster = &foreseen{plan: forecast.Plan{
			Hours:      []forecast.Hour{{At: soon, Provider: "cc", Counts: map[forecast.Kind]int{forecast.Mint: 7, forecast.Revoke: 9}}},
			Collisions: []forecast.Collision{{Provider: "cc", Obstacle: "frozen", From: soon, Count: 2, Example: cred("ci"), Why: "year end"}},
			Quotas:     []forecast.Quota{{Provider: "cc", At: soon, Calls: 25, PerHour: 19_000}},
			Freezes:    []rotator.Freeze{{From: soon, To: soon.Add(time.Hour), Reason: "the great freeze"}},
			Windows:    []forecast.Opening{{Policy: "office", From: soon, To: soon.Add(time.Hour)}},
			Drills: []forecast.Occasion{{Drill: "quarterly", Provider: "cc", From: soon, To: soon.Add(time.Hour), Limit: 1, Frozen: "the great freeze"},
				{Drill: "quarterly", Provider: "cc", From: soon.Add(24 * time.Hour), To: soon.Add(25 * time.Hour), Limit: 2}},
		}}
	})
	s.settled("/calendar", "What stands in the way").want(t, 200, "/credentials/cc/u1/ci", "year end", "not by itself", "the great freeze", ">office</a>: ", "7 frozen;", "Drill</span> quarterly at", "<b>none, frozen</b>: the great freeze, then", "up to 2 rotations</p>", "about 25 of the 19000 calls")
}

func TestAuditPage(t *testing.T) {
	log := &auditor{}
	for range 120 {
		if err := log.Record(t.Context(), rotator.AuditEvent{Kind: rotator.AuditHold, Outcome: rotator.AuditDone, Actor: "ada"}); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, func(o *web.Options, _ *site) { o.Audit = log })
	r := s.get("/audit")
	r.want(t, 200, ">120<", ">71<", "before=71", "rotatord audit verify")
	if strings.Contains(r.body, ">70<") {
		t.Error("the page holds too much")
	}
	s.get("/audit?before=21").want(t, 200, ">20<", ">1<")
	s.get("/audit?actor=nobody").want(t, 200, "No record matches")
	s.get("/audit?actor=%5B").want(t, 200, "is not a pattern")
}

// The policy for browsers would stop what is written into a page itself, so nothing of a page may need it.
func TestPagesHoldNoScriptAndNoStyle(t *testing.T) {
	log := &auditor{}
	s := serve(t, soaking, func(o *web.Options, _ *site) { o.Audit = log })
	inside := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:|src="(?:https?:)?//`)
	for _, path := range []string{"/", "/credentials/cc/u1/ci", "/credentials/cc/u1/none", "/providers/cc", "/calendar", "/fleet", "/incidents", "/audit", "/runbooks"} {
		if found := inside.FindString(s.get(path).body); found != "" {
			t.Errorf("GET %s holds %q", path, found)
		}
	}
}

// Every form is guarded: a browser says where it comes from, and one that another site's page sends is refused, as is one from
// another port of the same machine.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	for _, path := range []string{"/credentials/cc/u1/ci/rotate", "/credentials/cc/u1/ci/hold", "/credentials/cc/u1/ci/release", "/credentials/cc/u1/ci/undo", "/credentials/cc/u1/ci/verify",
		"/credentials/cc/u1/ci/drill", "/providers/cc/approve"} {
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "http://127.0.0.1:1"}, {"Origin", "null"}} {
			log := &auditor{}
			p := &prover{}
			s := serve(t, soaking, proving(p), func(o *web.Options, _ *site) { o.Audit = log })
			s.ask(http.MethodPost, path, "reason=x&for=1h", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, from...)...).want(t, 403, "another site")
			if did := s.operator.did(); len(did) > 0 || len(log.told(t)) > 0 || p.by != "" || p.query != (rotator.VerifyQuery{}) {
				t.Errorf("POST %s with %q: did %q, recorded %q", path, from, did, log.told(t))
			}
		}
	}
}

func TestARunbookAndOneThatIsNotThere(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]int{
		"/runbooks/RotatordAbsent": http.StatusOK, "/runbooks/RotatordAbsent.md": http.StatusOK,
		"/runbooks/operations": http.StatusNotFound, "/runbooks/..%2Foperations": http.StatusNotFound,
	} {
		if got := s.get(path); got.status != want {
			t.Errorf("%s answers %d, want %d", path, got.status, want)
		}
	}
}
