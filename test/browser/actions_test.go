package browser

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/rotatord/rotatord/rotator"
)

// scripts switches JavaScript on or off for what the tab opens from now on.
func (p *tab) scripts(on bool) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on}); err != nil {
		p.t.Fatal(err)
	}
}

// TestActions does each action by its form, at a desk and on a phone, with and without JavaScript.
func TestActions(t *testing.T) {
	for name, c := range map[string]struct {
		script bool
		width  int64
	}{"desktop": {true, 1280}, "phone": {true, 360}, "without script": {false, 1280}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 30)
			night(t, s.journal)
			p := s.open(t)
			p.look(c.width, "light")
			p.scripts(c.script)
			p.send(soaking, soaking+"/rotate")
			p.send(soaking, soaking+"/rotate", `input[value=compromised]`)
			p.leads("/incidents/incident-")
			p.shoot("action-leak-" + strings.ReplaceAll(name, " ", "-"))
			p.send(ready, ready+"/verify")
			p.awaits("fp-verified")
			p.send(ready, ready+"/drill")
			p.send(soaking, soaking+"/hold")
			p.send(soaking, soaking+"/release")
			p.send(soaking, soaking+"/undo")
			p.send(waiting, "/providers/cc/approve")
			p.send("/providers/cc", "/providers/cc/approve")
			const about = " cc/u000001/ci"
			want := []string{"rotate" + about + " manual", "rotate" + about + " compromised", "verify cc/u000020/ci", "drill cc/u000020/ci 700020", "hold" + about + " a test", "release" + about, "undo" + about, "approve cc 1h0m0s", "approve cc 1h0m0s"}
			if got := s.acts.done(); got != fmt.Sprint(want) {
				t.Errorf("did %s, want %s", got, want)
			}
			p.shoot("action-done-" + strings.ReplaceAll(name, " ", "-"))
		})
	}
}

// send fills the form that is sent to the address, after clicks on what is in it, and sends it off with the enter key.
func (p *tab) send(page, to string, clicks ...string) {
	p.t.Helper()
	p.visit(page)
	form := fmt.Sprintf("form[action=%q]", to)
	if page != "/providers/cc" {
		p.do(chromedp.Click(chromedp.CSS(fmt.Sprintf("details:has(%s) summary", form))))
	}
	field := chromedp.CSS(form + " input[name=reason]")
	if strings.HasSuffix(to, "/verify") { // it changes nothing, so it asks for no reason
		field = chromedp.CSS(form + " input[name=actor]")
	}
	p.do(chromedp.WaitVisible(field))
	for _, c := range clicks {
		p.do(chromedp.Click(chromedp.CSS(form + " " + c)))
	}
	p.do(chromedp.SendKeys(field, "a test\r"), chromedp.WaitVisible(chromedp.CSS(".said.good")))
}

// leads checks that the tab is at an address that begins so.
func (p *tab) leads(to string) {
	p.t.Helper()
	if at := run(p, chromedp.Evaluate[string]("location.pathname")); !strings.HasPrefix(at, to) {
		p.t.Errorf("led to %s, want %s…", at, to)
	}
}

// TestIncidentIsLive sees the page of an incident, and the first page, follow what becomes of a credential that leaked.
func TestIncidentIsLive(t *testing.T) {
	s := serve(t, 30)
	n := teller{t: t, store: s.journal, now: time.Now().UTC()}
	p := s.open(t)
	p.look(1280, "light")
	p.send(ready, ready+"/rotate", `input[value=compromised]`)
	p.awaits("Not rotated: the old key still works")
	p.do(chromedp.Click(chromedp.CSS(`nav a[href="/incidents"]`)), chromedp.WaitVisible(chromedp.CSS("#incidents table a")), chromedp.Click(chromedp.CSS("#incidents table a")),
		chromedp.WaitVisible(chromedp.CSS("#standing table")))
	p.awaits("no rotation of it was planned")
	n.rotation(20, rotator.StageDelivering, func(r *rotator.Rotation) {
		r.Reason, r.Sinks[0].ConfirmedAt, r.Sinks[1].ConfirmedAt = rotator.ReasonCompromised, time.Now().UTC(), time.Time{}
	})
	p.awaits("Delivering: 1 of 2 sinks hold it")
	r, err := s.journal.OpenRotation(t.Context(), credential(20))
	if err != nil {
		t.Fatal(err)
	}
	from, seq := r.Stage, r.Seq
	r.Seq, r.Stage, r.StageAt, r.NextAt, r.Why = seq+1, rotator.StageDone, time.Now().UTC(), time.Time{}, "the old key was revoked"
	n.commit(rotator.Change{From: from, Seq: seq, After: r, Note: "the old key is revoked"})
	p.awaits("Every credential is confirmed")
	p.awaits("the old key is revoked")
	p.do(chromedp.Click(chromedp.CSS(`nav a[href="/"]`)), chromedp.WaitVisible(chromedp.CSS("#motion")))
	if text := run(p, chromedp.Text(chromedp.CSS("main"))); strings.Contains(text, "Leaks that are not confirmed") {
		t.Error("the first page still has the leak")
	}
}

// TestAReasonIsAskedFor sends a form without one: the browser keeps it, and nothing is done.
func TestAReasonIsAskedFor(t *testing.T) {
	s := serve(t, 3)
	p := s.open(t)
	p.visit(one)
	field := chromedp.CSS(fmt.Sprintf("form[action=%q] input[name=reason]", one+"/rotate"))
	p.do(chromedp.Click(chromedp.CSS("details summary")), chromedp.WaitVisible(field), chromedp.SendKeys(field, "\r"),
		chromedp.WaitVisible(chromedp.CSS("input[name=reason]:invalid:focus")))
	if did := s.acts.done(); did != "[]" {
		t.Errorf("did %s", did)
	}
}

// TestKeyboard goes from the top of a page to a rotation without a mouse.
func TestKeyboard(t *testing.T) {
	s := serve(t, 3)
	p := s.open(t)
	p.look(1280, "light")
	p.visit(one)
	p.tabTo(`document.activeElement.matches(".skip")`, 1)
	p.shoot("keyboard-skip")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.tabTo(`document.activeElement.matches("main summary")`, 12)
	p.shoot("keyboard-focus")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.tabTo(`document.activeElement.matches("input[name=kind]")`, 1)
	p.tabTo(`document.activeElement.matches("input[name=reason]")`, 1)
	p.do(chromedp.KeyEvent("by hand"))
	p.tabTo(`document.activeElement.matches("form button")`, 2)
	p.do(chromedp.KeyEvent(" "), chromedp.WaitVisible(chromedp.CSS(".said.good")))
	if got := s.acts.done(); got != "[rotate cc/u000001/ci manual]" {
		t.Errorf("did %s", got)
	}
}

// tabTo presses the tab key, at most so often, until the focus is where it is wanted.
func (p *tab) tabTo(there string, most int) {
	p.t.Helper()
	for range most {
		p.do(chromedp.KeyEvent(kb.Tab))
		if run(p, chromedp.Evaluate[bool](there)) {
			return
		}
	}
	p.t.Fatalf("%d times tab lead to %s, not to %s", most, run(p, chromedp.Evaluate[string](`document.activeElement.outerHTML.slice(0, 200)`)), there)
}

// settles asks until the page holds the text: a forecast is worked out beside the answers.
func (s *site) settles(t *testing.T, path, text string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; {
		resp, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && strings.Contains(string(body), text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s never says %q: %v", path, text, err)
		}
	}
}

// TestWithoutScript reads every page without JavaScript: nothing of it is missing.
func TestWithoutScript(t *testing.T) {
	s := serve(t, 120)
	night(t, s.journal)
	s.settles(t, "/calendar", "What stands in the way")
	p := s.open(t)
	for path, words := range map[string]string{"/": "things need a person", "/incidents": "the build server's disk was sold", leaked: "Left out", told: "Consumers that are told", "/runbooks/RotatordConsumerAtRisk": "What not to do", soaking: "Before the old key goes", "/providers/cc": "Approve", "/calendar": "What stands in the way",
		"/fleet?state=held": "soaking, held", "/audit": "Records, the latest first", "/runbooks": "awaiting_approval"} {
		p.scripts(true)
		p.visit(path)
		want := run(p, chromedp.Evaluate[int](`document.querySelectorAll("main section").length`))
		p.scripts(false)
		p.visit(path)
		text := run(p, chromedp.Text(chromedp.CSS("main")))
		if !strings.Contains(text, words) {
			t.Errorf("%s does not say %q", path, words)
		}
		if got := run(p, chromedp.Evaluate[int](`document.querySelectorAll("main section").length`)); got != want {
			t.Errorf("%s has %d sections, and %d with a script", path, got, want)
		}
	}
	p.visit("/")
	if refresh := run(p, chromedp.Evaluate[string](`document.querySelector("meta[http-equiv=refresh]")?.content ?? ""`)); refresh != "30" {
		t.Errorf("the page loads itself anew after %q", refresh)
	}
	p.shoot("now-without-script")
}

// TestNowIsLive sees the first page learn of a rotation, that it is stuck, and that all is well again.
func TestNowIsLive(t *testing.T) {
	s := serve(t, 12)
	if err := s.journal.SaveProviderState(t.Context(), rotator.ProviderState{Provider: "cc", LastScan: time.Now(), Users: 12, Keys: 12, Managed: 12}); err != nil {
		t.Fatal(err)
	}
	p := s.open(t)
	p.visit("/")
	p.awaits("Nothing needs a person")
	n := teller{t: t, store: s.journal, now: time.Now().UTC()}
	n.rotation(3, rotator.StageGrace, func(r *rotator.Rotation) {
		r.Blocked, r.BlockedSince, r.Trouble = rotator.BlockOldKeyInUse, n.now, "somebody uses it"
	})
	p.awaits("1 thing needs a person")
	p.awaits("somebody uses it")
	if title := run(p, chromedp.Title()); !strings.HasPrefix(title, "(!)") {
		t.Errorf("the title is %q", title)
	}
	n.now = n.now.Add(time.Second)
	r, err := s.journal.OpenRotation(t.Context(), credential(3))
	if err != nil {
		t.Fatal(err)
	}
	from, seq := r.Stage, r.Seq
	r.Seq, r.Stage, r.StageAt, r.Blocked, r.BlockedSince, r.NextAt, r.Why = seq+1, rotator.StageDone, n.now, "", time.Time{}, time.Time{}, "the old key was revoked"
	n.commit(rotator.Change{From: from, Seq: seq, After: r, Note: "over"})
	p.awaits("Nothing needs a person")
}
