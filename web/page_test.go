package web_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

func TestPage(t *testing.T) {
	s := serve(t, fleet)
	r := s.get("/")
	r.want(t, 200,
		"2 things need a person", "Not ready: rotatord is starting",
		"cc/u1/stuck</a>: the old key is still used", "used yesterday", "move them to the new one", "/credentials/cc/u1/stuck#r-r-stuck", // needs a person
		"HTTP 502",                 // of the provider
		"cc/u1/frozen", "year end", // waits by intent
		"Delivering: 1 of 2 sinks hold it", "no space left", "2 failures in a row", // in motion
		">id-next<",             // due next
		"7 managed", "1 orphan", // providers
		"2 holds are in force",
	)
	if strings.Contains(r.body, "<script>") || strings.Contains(r.body, " style=") || strings.Contains(r.body, "cc/u1/capped") {
		t.Errorf("the page holds what it must not:\n%s", r.body)
	}
	if got := r.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	s.get("/style.css").want(t, 200, "color-scheme")
}

func TestPageTellsOfNotices(t *testing.T) {
	for name, c := range map[string]struct {
		counts rotator.NoticeCounts
		want   string
	}{
		"none":       {rotator.NoticeCounts{}, "Every notice was delivered."},
		"on the way": {rotator.NoticeCounts{Fresh: 1, Oldest: noon}, "Every notice was delivered, but 1 that is on the way."},
		"failing":    {rotator.NoticeCounts{Fresh: 1, Failed: 2, Oldest: noon}, "2 notices could not be delivered yet and are tried again; the oldest is from"},
	} {
		t.Run(name, func(t *testing.T) {
			serve(t, func(_ *web.Options, s *site) { s.journal.Notices = c.counts }).get("/").want(t, 200, c.want)
		})
	}
}

func TestPageWhenAllIsWell(t *testing.T) {
	s := serve(t, func(_ *web.Options, s *site) {
		s.journal.Providers = map[string]rotator.ProviderState{"cc": {LastScan: time.Now().Add(-90 * time.Second)}}
	})
	s.SetReady()
	r := s.get("/")
	r.want(t, 200, "Nothing needs a person", "1 min ago", "well", "No rotation is under way")
	if strings.Contains(r.body, "Not ready") || strings.Contains(r.body, "(!)") {
		t.Errorf("the page cries wolf:\n%s", r.body)
	}
}

// Names come from providers, and reasons from whatever answered: none of it is markup.
func TestPageEscapes(t *testing.T) {
	const nasty = `<img src=x onerror=alert(1)>`
	s := serve(t, func(_ *web.Options, s *site) {
		s.journal.Open = []rotator.Rotation{
			rotation(nasty, func(r *rotator.Rotation) { r.Blocked, r.Trouble, r.ID = rotator.BlockInvalid, nasty, `"onclick=`+nasty }),
			rotation(nasty, nil),
		}
		s.journal.Managed = []rotator.TrackedKey{key(nasty, nil)}
		s.journal.Providers = map[string]rotator.ProviderState{"cc": {ScanTrouble: nasty}}
	})
	if r := s.get("/"); strings.Contains(r.body, "<img") || strings.Contains(r.body, `"onclick`) || !strings.Contains(r.body, "&lt;img") {
		t.Errorf("not escaped:\n%s", r.body)
	}
}
