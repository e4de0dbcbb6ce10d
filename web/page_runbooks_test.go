package web

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/docs"
)

// An alert's address leads to a page that can be read, and whose links lead somewhere.
func TestEveryAlertsRunbookIsServed(t *testing.T) {
	for _, alert := range docs.Alerts() {
		text, _ := docs.Runbook(alert)
		page := string(readable(text))
		for _, heading := range []string{"what-it-means", "how-to-check", "what-to-do", "what-not-to-do"} {
			if !strings.Contains(page, `<h2 id="`+heading+`">`) {
				t.Errorf("the runbook of %s has no %s", alert, heading)
			}
		}
		if strings.Contains(page, "](") {
			t.Errorf("a link in the runbook of %s was not understood", alert)
		}
		if !strings.Contains(string(runbooks()), `href="/runbooks/`+alert+`"`) {
			t.Errorf("the page of runbooks does not lead to %s", alert)
		}
	}
}

func TestLinksBetweenRunbooks(t *testing.T) {
	for target, want := range map[string]string{
		"../operations.md#denied": "/runbooks#denied", "RotatordAbsent.md": "/runbooks/RotatordAbsent", "#first": "#first",
		"https://example.com/": "https://example.com/", "../seal.md": "", "RotatordNone.md": "",
	} {
		if got := served(target); got != want {
			t.Errorf("%s leads to %q, want %q", target, got, want)
		}
	}
}
