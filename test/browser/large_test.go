package browser

import (
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// timesSmall is how many times the processor time of a fleet of 1,000 credentials a page of 100,000 may take. What is counted inside the
// database takes up to some twenty times as much; what reads all credentials takes a hundred times as much, whatever the machine and
// whatever else it does.
const timesSmall = 45

// TestLargeFleet asks for each page of a large fleet and of a small one, of which three credentials in a hundred are being rotated, in turn, compares what they cost, and turns over the list. In
// milliseconds, BenchmarkPages of test/bench says what they cost.
func TestLargeFleet(t *testing.T) {
	large, small := serve(t, 100_000), serve(t, 1_000)
	for s, credentials := range map[*site]int{large: 100_000, small: 1_000} {
		rotate(t, s.journal, credentials)
		s.settles(t, "/calendar", "What stands in the way") // the forecast is made beside the answers, and takes a while
	}
	all := paths()
	all["blocked"] = "/fleet?state=blocked"
	all["last page"] = "/fleet?after_provider=cc&after_user=u000900&after=ci"
	all["search that finds much"] = "/fleet?q=build"
	all["search that finds little"] = "/fleet?q=u000999"
	all["search that finds nothing"] = "/fleet?q=nowhere"
	for name, path := range all {
		if took, few := cost(t, large, path), cost(t, small, path); took > timesSmall*few {
			t.Errorf("%s (%s) takes %v of processor time with 100,000 credentials and %v with 1,000: it reads all of them", name, path, took, few)
		}
	}
	const everything = "/fleet.csv"
	if took, few := cost(t, large, everything), cost(t, small, everything); took <= timesSmall*few {
		t.Errorf("%s, which reads everything, takes %v and %v: this test would not notice a page that does", everything, took, few)
	}
	p := large.open(t)
	p.visit("/fleet")
	p.awaits("100000 active keys")
	p.do(chromedp.Click(chromedp.CSS("a[rel=next]")), chromedp.WaitVisible(chromedp.CSS(`.pager a[href="/fleet?"]`)))
	p.shoot("fleet-large")
}

// cost is the least processor time of this process that a few answers took: whatever else it did meanwhile only adds to it.
func cost(t *testing.T, s *site, path string) time.Duration {
	t.Helper()
	least := time.Hour
	for range 7 {
		before := cpu(t)
		resp, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %d: %v", path, resp.StatusCode, err)
		}
		least = min(least, cpu(t)-before)
	}
	return max(least, time.Millisecond)
}

// cpu is the processor time that this process has used.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
