package browser

import (
	_ "embed"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/rotatord/rotatord/rotator"
)

const one = "/credentials/cc/u000001/ci"

// paths are the pages by name.
func paths() map[string]string {
	return map[string]string{"now": "/", "credential": one, "provider": "/providers/cc", "calendar": "/calendar", "fleet": "/fleet", "incidents": "/incidents",
		"audit": "/audit", "runbooks": "/runbooks", "runbook": "/runbooks/RotatordConsumerAtRisk"}
}

//go:embed access.js
var access string

// TestPages looks at each page as people with different devices do, and checks that everybody can use it.
func TestPages(t *testing.T) {
	s := serve(t, 120)
	night(t, s.journal)
	s.settles(t, "/calendar", "What stands in the way")
	all := paths()
	all["soaking"], all["delivering"], all["in-use"], all["replaced"], all["waiting"] = soaking, delivering, inUse, replaced, waiting
	all["incident"], all["told"] = leaked, told
	for name, path := range all {
		t.Run(name, func(t *testing.T) {
			p := s.open(t)
			for _, scheme := range []string{"light", "dark"} {
				for device, width := range map[string]int64{"phone": 360, "desktop": 1280} {
					p.look(width, scheme)
					p.visit(path)
					p.do(chromedp.WaitVisible(chromedp.CSS("main h1")))
					for _, w := range run(p, chromedp.Evaluate[[]string](access)) {
						t.Errorf("%s, %s: %s", device, scheme, w)
					}
					for _, w := range p.axe() {
						t.Errorf("%s, %s: %s", device, scheme, w)
					}
					p.shoot(strings.Join([]string{name, device, scheme}, "-"))
				}
			}
		})
	}
}

// axe asks axe-core what is wrong with the page. Its script comes by the debugger, which the page's policy does not bind.
func (p *tab) axe() []string {
	p.t.Helper()
	run(p, chromedp.Evaluate[bool](axe+"\n;true"))
	const ask = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.flatMap(v => v.nodes.map(n => "axe: " + v.id + ": " + v.help + ": " + n.html.slice(0, 160))))`
	return run(p, chromedp.Evaluate[[]string](ask, chromedp.EvalAwaitPromise))
}

// TestLive sees a page follow the journal by itself, by the stream of changes and where there is none by asking, and leave
// alone what somebody is writing.
func TestLive(t *testing.T) {
	for name, without := range map[string]string{
		"by the stream": `window.setInterval = () => 0`,
		"by asking":     `window.EventSource = class { static OPEN = 1; static CLOSED = 2; readyState = 0; addEventListener() {} close() {} }`,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 3)
			p := s.open(t)
			if _, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: without}); err != nil {
				t.Fatal(err)
			}
			p.visit(one)
			p.do(chromedp.Click(chromedp.CSS("details summary")), chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "half a"))
			hold := rotator.Hold{CredentialID: rotator.CredentialID{Provider: "cc", UserID: "u000001", Base: "ci"}, By: "ada", Reason: "incident 7",
				At: time.Now(), Until: time.Now().Add(time.Hour)}
			if err := s.journal.PutHold(t.Context(), hold); err != nil {
				t.Fatal(err)
			}
			p.awaits("incident 7")
			if written := run(p, chromedp.Value(chromedp.CSS("input[name=reason]"))); written != "half a" {
				t.Errorf("what somebody wrote became %q", written)
			}
		})
	}
}
