package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

// prover drills and verifies as a test tells it to.
type prover struct {
	plan   rotator.DrillPlan
	fails  error
	by     string
	keyID  string
	query  rotator.VerifyQuery
	found  []rotator.Verification
	until  error // what ends the verification after what was found
	hangs  bool
	ending chan error
}

func (p *prover) ExplainDrill(_ context.Context, c rotator.CredentialID) (rotator.DrillPlan, error) {
	plan := p.plan
	plan.CredentialID = c
	return plan, nil
}

func (p *prover) Drill(_ context.Context, c rotator.CredentialID, keyID, actor string) (rotator.Rotation, error) {
	p.by, p.keyID = actor, keyID
	return rotator.Rotation{ID: "r", CredentialID: c, Reason: rotator.ReasonDrill, Stage: rotator.StagePlanned}, p.fails
}

func (p *prover) Verify(ctx context.Context, q rotator.VerifyQuery, out rotator.VerifyProgress) error {
	p.query = q
	if p.fails != nil {
		return p.fails
	}
	if err := out.Total(len(p.found)); err != nil {
		return err
	}
	for _, v := range p.found {
		if err := out.Verified(v); err != nil {
			return err
		}
	}
	if p.hangs {
		<-ctx.Done()
		p.ending <- ctx.Err()
		return ctx.Err()
	}
	return p.until
}

func proving(p *prover) change { return func(o *web.Options, _ *site) { o.Prover = p } }

const aDrill = `{"provider":"cc","user":"u1","credential":"ci","actor":"ada"`

func TestADrillIsExplainedAndMade(t *testing.T) {
	p := &prover{plan: rotator.DrillPlan{Policy: "ci", OldKey: rotator.KeyRef{ID: "1", Name: "ci"}, Disables: true, Obstacle: "frozen",
		Terms: rotator.Terms{Grace: time.Hour}, Sinks: []rotator.SinkProgress{{Sink: "vault", Location: "secret/ci"}}}}
	s := serve(t, fleet, proving(p))
	explained := s.ask(http.MethodPost, "/api/v1/drills", aDrill+`,"dry_run":true}`)
	explained.want(t, http.StatusAccepted, `"grace":"1h0m0s"`, `"soak":"0s"`, `"sink":"vault"`, `"obstacle":"frozen"`)
	if p.by != "" || strings.Contains(explained.body, `"rotation"`) {
		t.Errorf("explaining made a drill: %q", p.by)
	}
	s.ask(http.MethodPost, "/api/v1/drills", aDrill+`,"key_id":"1"}`).want(t, http.StatusAccepted, `"reason":"drill"`)
	if !strings.Contains(p.by, "ada") || p.keyID != "1" {
		t.Errorf("asked by %q of key %q", p.by, p.keyID)
	}
	p.fails = rotator.NewFault("drill", rotator.Conflict, "held by bob")
	s.ask(http.MethodPost, "/api/v1/drills", aDrill+`}`).want(t, http.StatusConflict, "held by bob")
	s.ask(http.MethodPost, "/api/v1/drills", `{"provider":"cc","user":"u1","credential":"*"}`).want(t, http.StatusUnprocessableEntity, "this is about one")
}

func TestWithoutAProverNothingIsProven(t *testing.T) {
	s := serve(t, fleet)
	s.ask(http.MethodPost, "/api/v1/drills", aDrill+`}`).want(t, http.StatusNotFound)
	s.ask(http.MethodPost, "/api/v1/verifications", `{}`).want(t, http.StatusNotFound)
	s.get("/api/v1/incidents").want(t, http.StatusNotFound)
	s.get("/api/v1/incidents/i").want(t, http.StatusNotFound)
}

func lookedAt(base string, o rotator.VerifyOutcome) rotator.Verification {
	return rotator.Verification{CredentialID: cred(base), Outcome: o, At: noon, Sinks: []rotator.VerifySink{{Sink: "vault", Matches: o == rotator.VerifiedOK}}}
}

func verifyLines(t *testing.T, body string) (lines []web.VerifyLine) {
	t.Helper()
	in := bufio.NewScanner(strings.NewReader(body))
	for in.Scan() {
		var l web.VerifyLine
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", in.Text(), err)
		}
		lines = append(lines, l)
	}
	return lines
}

func TestAVerificationIsAStream(t *testing.T) {
	p := &prover{found: []rotator.Verification{lookedAt("ci", rotator.VerifiedOK), lookedAt("cd", rotator.VerifiedDiffers), lookedAt("ce", rotator.VerifiedUndelivered)}}
	s := serve(t, fleet, proving(p))
	res := s.ask(http.MethodPost, "/api/v1/verifications", `{"provider":"c*","policy":"ci","actor":"ada"}`)
	if want := (rotator.VerifyQuery{Provider: "c*", Policy: "ci"}); p.query != want || res.header.Get("Content-Type") != "application/jsonl" {
		t.Errorf("asked for %+v, answered as %q", p.query, res.header.Get("Content-Type"))
	}
	lines := verifyLines(t, res.body)
	if len(lines) != 5 || lines[0].Total == nil || *lines[0].Total != 3 || lines[2].Verification == nil || !lines[2].Verification.NeedsPerson {
		t.Fatalf("got %s", res.body)
	}
	if sum := lines[4].Summary; sum == nil || sum.Credentials != 3 || sum.NeedsPerson != 1 || sum.Outcomes["ok"] != 1 || sum.EndedAt.Before(sum.BeganAt) {
		t.Errorf("the summary: %+v", sum)
	}
}

func TestAVerificationThatDoesNotBeginOrEnd(t *testing.T) {
	p := &prover{fails: rotator.NewFault("verify", rotator.Conflict, "under way already")}
	s := serve(t, fleet, proving(p))
	s.ask(http.MethodPost, "/api/v1/verifications", `{}`).want(t, http.StatusConflict, "under way already")
	p.fails, p.found, p.until = nil, []rotator.Verification{lookedAt("ci", rotator.VerifiedOK)}, errors.New("disk I/O error")
	lines := verifyLines(t, s.ask(http.MethodPost, "/api/v1/verifications", `{}`).body)
	if last := lines[len(lines)-1]; len(lines) != 3 || last.Summary != nil || !strings.Contains(last.Error, "disk I/O error") {
		t.Errorf("got %+v", lines)
	}
}

// TestAVerificationEndsWithItsClient: whoever asked is gone, and sinks and providers are asked no more.
func TestAVerificationEndsWithItsClient(t *testing.T) {
	p := &prover{hangs: true, ending: make(chan error, 1)}
	s := serve(t, fleet, proving(p))
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/v1/verifications", strings.NewReader(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	leave()
	if err := <-p.ending; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}

func TestACredentialTellsWhatItsLastVerificationFound(t *testing.T) {
	s := serve(t, fleet, func(_ *web.Options, s *site) {
		s.journal.Verified = map[rotator.CredentialID]rotator.Verification{cred("ci"): lookedAt("ci", rotator.VerifiedRefused)}
	})
	s.get("/api/v1/credentials/cc/u1/ci").want(t, http.StatusOK, `"verified":{`, `"outcome":"refused"`)
}

func TestRotationsOfThePastArePagedAndFiltered(t *testing.T) {
	s := serve(t, fleet)
	var ids []string
	for path := "/api/v1/rotations?state=all&limit=3"; ; {
		var page web.Rotations
		if res := s.get(path); json.Unmarshal([]byte(res.body), &page) != nil || res.status != http.StatusOK {
			t.Fatalf("%s: %d %s", path, res.status, res.body)
		}
		for _, r := range page.Rotations {
			ids = append(ids, r.ID)
		}
		if page.Next == "" {
			break
		}
		path = "/api/v1/rotations?state=all&limit=3&cursor=" + page.Next
	}
	if got := strings.Join(ids, " "); got != "r-moving r-sooner r-stuck r-old" {
		t.Errorf("got %q", got)
	}
	s.get("/api/v1/rotations?state=all&credential=stuck").want(t, http.StatusOK, `"r-stuck"`, `"needs_person":true`)
	for path, says := range map[string]string{"cursor=x": "not one that this daemon gave out", "user=[": "not a pattern", "reason=boredom": "reason", "state=lost": "state"} {
		s.get("/api/v1/rotations?"+path).want(t, http.StatusUnprocessableEntity, says)
	}
	s.get("/api/v1/policies").want(t, http.StatusOK, `"policies":[`)
}
