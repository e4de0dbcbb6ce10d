package web_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// one is the incident that was kept.
func (d *desk) one(t *testing.T) rotator.Incident {
	t.Helper()
	for _, i := range d.kept {
		if len(d.kept) == 1 {
			return i
		}
	}
	t.Fatalf("%d incidents are kept", len(d.kept))
	return rotator.Incident{}
}

// TestALeakOnThePage: a leak that is told of on a credential's page is the incident that the API opens, with what is near it, and
// whoever told of it is led there.
func TestALeakOnThePage(t *testing.T) {
	d, log := &desk{kept: map[string]rotator.Incident{}}, &auditor{}
	s := serve(t, fleet, incidents(d), func(o *web.Options, _ *site) { o.Audit = log })
	r := s.post("/credentials/cc/u1/ci/rotate", "reason", "a laptop was stolen", "kind", "compromised", "actor", "ada")
	i := d.one(t)
	to := "/incidents/" + i.ID + "?done=leak"
	if r.status != http.StatusSeeOther || r.header.Get("Location") != to {
		t.Fatalf("answered %d to %q: %s", r.status, r.header.Get("Location"), r.body)
	}
	if did := s.operator.did(); len(did) != 1 || did[0] != "rotate cc/u1/ci compromised unverified:ada" {
		t.Errorf("the operator did %q", did)
	}
	if i.By != "unverified:ada" || i.Note != "a laptop was stolen" || len(i.Credentials) != 1 || len(i.Credentials[0].Keys) != 1 || len(i.LeftOut) == 0 {
		t.Errorf("kept %+v", i)
	}
	s.get(to).want(t, 200, "Done.", "The leak is an incident", "cc/<wbr>u1/<wbr>ci leaked", "a laptop was stolen", "Not rotated: the old key still works", "1 of 1",
		"rotatord rotate --compromised cc/u1/ci", "Another credential of its service user leaked", "was made", "said that cc/u1/ci leaked", "/report.md")
	s.get("/incidents").want(t, 200, i.ID, "Not rotated", "0 of 1 credential confirmed", "unverified:ada")
	s.get("/credentials/cc/u1/ci").want(t, 200, "It is part of a leak", `href="/incidents/`+i.ID+`"`)
	s.get("/").want(t, 200, "Leaks that are not confirmed", "keys that leaked may still be accepted", "(!) Now", `href="/runbooks#leak_not_confirmed"`, `href="/runbooks/RotatordLeakNotConfirmed"`)
	s.get("/api/v1/status").want(t, 200, `"about":"incident"`, `"reason":"leak_not_confirmed"`, `"not_rotated":1`)
	report := s.get("/incidents/" + i.ID + "/report.md")
	report.want(t, 200, "# Incident "+i.ID, "## Completeness", "| cc/u1/ci | not rotated |", "## Left out", "## Timeline (UTC)")
	if got := report.header.Get("Content-Type"); got != "text/markdown; charset=utf-8" {
		t.Errorf("the report is %q", got)
	}
	s.get("/incidents/none").want(t, 404, "There is no incident none")
	s.get("/incidents/none/report.md").want(t, 404)
}

// A leak of which nothing can be rotated stays as an incident, and says why.
func TestALeakOnThePageThatIsRefused(t *testing.T) {
	d := &desk{kept: map[string]rotator.Incident{}}
	s := serve(t, fleet, incidents(d), func(_ *web.Options, s *site) {
		s.operator.fails = map[string]error{"ci": rotator.NewFault("rotate", rotator.Conflict, "held by bob")}
	})
	s.post("/credentials/cc/u1/ci/rotate", "reason", "leaked", "kind", "compromised")
	i := d.one(t)
	s.get("/incidents/"+i.ID).want(t, 200, "held by bob", "Clear that, and then:", "<code data-copy>rotatord rotate --compromised cc/u1/ci</code>")
	d.fails = errors.New("disk full")
	s.post("/credentials/cc/u1/ci/rotate", "reason", "leaked", "kind", "compromised").want(t, 500, "Not done.", "disk full")
	if did := s.operator.did(); len(did) != 1 {
		t.Errorf("without a place for the incident it did %q", did)
	}
}

// What a name holds is never taken for a pattern.
func TestALeakIsOfOneCredentialWhateverItIsCalled(t *testing.T) {
	d := &desk{kept: map[string]rotator.Incident{}}
	s := serve(t, incidents(d), func(_ *web.Options, s *site) {
		for _, base := range []string{"c*", "ci"} {
			s.journal.Facts = append(s.journal.Facts, rotator.KeyFacts{Key: key(base, func(k *rotator.TrackedKey) { k.Policy = "" }), User: rotator.ServiceUser{ID: "u1"}})
		}
	})
	s.post("/credentials/cc/u1/c*/rotate", "reason", "leaked", "kind", "compromised")
	if i := d.one(t); i.Credentials[0].Base != "c*" || len(i.LeftOut) != 1 || i.LeftOut[0].Why != rotator.LeftOutSameUser {
		t.Errorf("kept %+v", i)
	}
}

// TestAConfirmedIncidentLeavesTheFirstPage: what is over is in the list alone.
func TestAConfirmedIncidentLeavesTheFirstPage(t *testing.T) {
	now := time.Now().UTC()
	i := rotator.Incident{ID: "incident-1", At: now.Add(-time.Hour), By: "ada", Provider: "cc", User: "u1", Base: "ci",
		Credentials: []rotator.IncidentCredential{{CredentialID: cred("ci"), Keys: []rotator.IncidentKey{{CredentialID: cred("ci"), Key: rotator.KeyRef{ID: "1", Name: "ci-r0002"}}}}}}
	d := &desk{kept: map[string]rotator.Incident{i.ID: i}}
	moving := rotation("ci", func(r *rotator.Rotation) {
		r.Reason, r.StageAt, r.Sinks[0].ConfirmedAt = rotator.ReasonCompromised, now, now
	})
	s := serve(t, incidents(d), func(_ *web.Options, s *site) { s.journal.Open = []rotator.Rotation{moving} })
	s.get("/").want(t, 200, "Leaks that are not confirmed", "goes on by itself", "Nothing needs a person")
	s.get("/incidents/incident-1").want(t, 200, "1 under way", "Delivering: 1 of 2 sinks hold it", `http-equiv="refresh"`)

	moving.Stage = rotator.StageDone
	s = serve(t, incidents(d), func(_ *web.Options, s *site) { s.journal.Ended = []rotator.Rotation{moving} })
	if first := s.get("/").body; strings.Contains(first, "Leaks that are not confirmed") {
		t.Error("a confirmed leak is on the first page")
	}
	s.get("/incidents/incident-1").want(t, 200, "Every credential is confirmed", "1 of 2 sinks hold the new key", "Revoked "+now.Format("2006-01-02"))
	s.get("/incidents").want(t, 200, "1 of 1 credential confirmed")
}

// An incident about very many credentials makes neither the first page slow nor its own page endless.
func TestALargeIncident(t *testing.T) {
	i := rotator.Incident{ID: "incident-1", At: time.Now().UTC(), By: "ada", Provider: "cc", User: "*", Base: "*"}
	for range 500 {
		i.Credentials = append(i.Credentials, rotator.IncidentCredential{CredentialID: cred("ci")})
		i.LeftOut = append(i.LeftOut, rotator.IncidentKey{CredentialID: cred("cd"), Why: rotator.LeftOutSimilar})
	}
	s := serve(t, incidents(&desk{kept: map[string]rotator.Incident{i.ID: i}}))
	s.get("/").want(t, 200, "its own page says how it stands", "500 credentials")
	r := s.get("/incidents/incident-1")
	r.want(t, 200, "500 not rotated", "And 300 more", "500 of 500")
	if n := strings.Count(r.body, `<th scope="row">`); n != 401 {
		t.Errorf("the page has %d rows", n)
	}
	if n := strings.Count(s.get("/incidents/incident-1/report.md").body, "| cc/u1/ci | not rotated |"); n != 500 {
		t.Errorf("the report has %d of 500 credentials", n)
	}
}

func TestVerifyOnThePage(t *testing.T) {
	p, log := &prover{found: []rotator.Verification{lookedAt("ci", rotator.VerifiedDiffers)}}, &auditor{}
	s := serve(t, soaking, proving(p), func(o *web.Options, s *site) {
		o.Audit = log
		v := lookedAt("ci", rotator.VerifiedDiffers)
		v.Why, v.Do, v.Sinks[0].Fingerprint = "vault holds something else", "find out who wrote there", "fp-other"
		s.journal.Verified = map[rotator.CredentialID]rotator.Verification{cred("ci"): v}
	})
	const at = "/credentials/cc/u1/ci"
	if r := s.post(at+"/verify", "actor", "ada"); r.status != http.StatusSeeOther || r.header.Get("Location") != at+"?done=verify" {
		t.Errorf("answered %d to %q", r.status, r.header.Get("Location"))
	}
	if want := (rotator.VerifyQuery{One: cred("ci")}); p.query != want {
		t.Errorf("looked at %+v", p.query)
	}
	if told := log.told(t); len(told) != 2 || !strings.Contains(told[0], "unverified:ada") || !strings.Contains(told[1], "differs") {
		t.Errorf("recorded %q", told)
	}
	s.get(at+"?done=verify").want(t, 200, "Done.", "A sink does not hold the key", "vault holds something else", "Find out who wrote there", "something else", "fp-other", `href="/runbooks/RotatordVerificationFailed"`)

	s.get("/").want(t, 200, "1 thing needs", `<a href="/credentials/cc/u1/ci">cc</a>: the last verification found a sink that does not hold the key`, "cc/u1/ci: vault holds something else",
		"Find out who else writes into the sink", "rotatord rotate cc/u1/ci", "rotatord verify cc/&#39;*/*&#39;", `href="/runbooks/RotatordVerificationFailed"`, `href="/runbooks#verified_differs"`)
	s.get("/api/v1/status").want(t, 200, `"about":"verification"`, `"reason":"verified_differs"`, `"needs_person":true`)

	p.fails = rotator.NewFault("verify", rotator.Conflict, "a verification is under way already")
	s.post(at+"/verify").want(t, http.StatusConflict, "Not done.", "under way already")
	p.fails, p.found = nil, nil
	s.post(at+"/verify").want(t, http.StatusConflict, "There is nothing to look at")
	p.until = errors.New("disk I/O error")
	s.post(at+"/verify").want(t, http.StatusInternalServerError, "disk I/O error")
	if told := log.told(t); !strings.Contains(told[len(told)-1], "it was not completed: disk I/O error") {
		t.Errorf("recorded %q", told)
	}
	serve(t, soaking).post(at+"/verify").want(t, http.StatusNotFound, "This daemon verifies nothing")
}

func TestDrillOnThePage(t *testing.T) {
	plan := rotator.DrillPlan{Policy: "ci", OldKey: rotator.KeyRef{ID: "1", Name: "ci-r0002"}, NewKey: rotator.KeyRef{Name: "ci-r0003"}, Disables: true,
		Terms: rotator.Terms{Grace: 48 * time.Hour, Soak: 3 * time.Hour}, Sinks: []rotator.SinkProgress{{Sink: "vault", Location: "secret/ci"}}}
	p, log := &prover{plan: plan}, &auditor{}
	s := serve(t, soaking, proving(p), func(o *web.Options, s *site) {
		o.Audit = log
		s.journal.Ended = []rotator.Rotation{rotation("ci", func(r *rotator.Rotation) {
			r.ID, r.Stage, r.Reason, r.Actor, r.Why = "r-drill", rotator.StageDone, rotator.ReasonDrill, "bob", "the old key was revoked"
		})}
	})
	const at = "/credentials/cc/u1/ci"
	s.get(at).want(t, 200, "the provider makes the key ci-r0003", "delivered to vault", "both keys work for 2 days", "brought back for 3 h", `name="key_id" value="1"`,
		"r-drill</a>, asked for by bob", "the old key was revoked")
	s.post(at+"/drill", "reason", "", "key_id", "1").want(t, 422, "Say why")
	if r := s.post(at+"/drill", "reason", "release week", "key_id", "1", "actor", "ada"); r.status != http.StatusSeeOther || r.header.Get("Location") != at+"?done=drill" {
		t.Errorf("answered %d to %q", r.status, r.header.Get("Location"))
	}
	if p.by != "unverified:ada" || p.keyID != "1" {
		t.Errorf("asked by %q of key %q", p.by, p.keyID)
	}
	if told := log.told(t); len(told) != 1 || !strings.Contains(told[0], "because: release week") {
		t.Errorf("recorded %q", told)
	}
	p.fails = rotator.NewFault("drill", rotator.Conflict, "the key is another one now")
	s.post(at+"/drill", "reason", "release week", "key_id", "0").want(t, http.StatusConflict, "Not done.", "the key is another one now")
	p.plan.Obstacle = "held by bob"
	s.get(at).want(t, 200, "A drill would be refused now: held by bob")
	serve(t, soaking).post(at+"/drill", "reason", "x").want(t, http.StatusNotFound, "This daemon makes no drills")
}

// What consumers were told is evidence, and a hook that fails says what to do.
func TestHooksOnThePage(t *testing.T) {
	s := serve(t, soaking, func(_ *web.Options, s *site) {
		run := func(hook string, change func(*rotator.HookRun)) {
			h := rotator.HookRun{Hook: hook, Rotation: "r-ci", CredentialID: cred("ci"), At: noon, Attempt: 1}
			change(&h)
			s.journal.Hooks = append(s.journal.Hooks, h)
		}
		run("reload-web", func(h *rotator.HookRun) {
			h.EndedAt, h.Result, h.Detail = noon, rotator.HookDone, "web.service was reloaded"
		})
		run("tell-ci", func(h *rotator.HookRun) {
			h.Required, h.Attempt, h.Trouble, h.NextAt = true, 4, "POST https://ci: HTTP 503", noon.Add(time.Minute)
		})
	})
	s.get("/credentials/cc/u1/ci").want(t, 200, "Consumers that are told", "web.service was reloaded", "told</b>", "not told: it failed 4 times", "HTTP 503",
		"the old key stays until it is done", "See why and mend it", `href="/runbooks/RotatordHookFailing"`)
	s.get("/").want(t, 200, `<a href="/credentials/cc/u1/ci">tell-ci</a>: a consumer could not be told of its new key`)
}

// A status that fails to read incidents fails as a whole: silence would look like peace.
func TestIncidentsThatCannotBeRead(t *testing.T) {
	s := serve(t, fleet, incidents(&desk{fails: errors.New("disk I/O error")}))
	for _, path := range []string{"/", "/incidents", "/credentials/cc/u1/ci", "/api/v1/status"} {
		s.get(path).want(t, http.StatusInternalServerError, "disk I/O error")
	}
}

func TestTheAuditRecordLeadsToIncidents(t *testing.T) {
	log := &auditor{}
	e := rotator.AuditEvent{Kind: rotator.AuditIncident, Outcome: rotator.AuditBegun, Actor: "ada", Note: "incident-7: cc/*/ci leaked: a laptop was stolen"}
	if err := log.Record(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	serve(t, func(o *web.Options, _ *site) { o.Audit = log }).get("/audit").want(t, 200, `<a href="/incidents/incident-7">incident-7</a>`)
}
