package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/rotatord/rotatord/test/daemon"
)

// TestProviderDownAtStart: the daemon is ready all the same, says what is wrong, and takes up its work by itself.
func TestProviderDownAtStart(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{})
	c.door.close()
	c.begin()
	c.attention("scan_failed")
	c.metric(is(0), "rotatord_provider_up", `provider="cc"`)
	c.metric(atLeast(2), "rotatord_scans_total", `provider="cc"`, `result="failed"`)
	c.logs("scan failed; the keys seen before stay in force")
	c.ready()
	c.door.open()
	c.goodEnd(1)
}

// TestProviderDownInTheMiddle: both keys work all the while, and the old one goes only when the provider is back.
func TestProviderDownInTheMiddle(t *testing.T) {
	t.Parallel()
	c := start(t, setting{})
	for _, s := range c.services {
		c.delivered(s)
	}
	c.door.close()
	failed, _ := c.d.Metric("rotatord_scans_total", `provider="cc"`, `result="failed"`)
	c.metric(atLeast(failed+4), "rotatord_scans_total", `provider="cc"`, `result="failed"`) // longer than the grace period
	c.trouble("could not be reached")
	for _, s := range c.services {
		c.untouched(s)
	}
	c.door.open()
	c.goodEnd(1)
}

// TestProviderDownUntilTheBreakerOpens: after repeated failures nothing calls the provider any more, a person is told, and
// after a minute it is tried again.
func TestProviderDownUntilTheBreakerOpens(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{halt: 3})
	c.door.shut()
	c.begin()
	c.attention("breaker_open")
	c.metric(is(1), "rotatord_breaker_open", `provider="cc"`)
	c.metric(is(1), "rotatord_provider_paused", `provider="cc"`)
	c.logs("breaker open: nothing calls the provider until it is tried again")
	until := c.d.Status().Providers[0].PausedUntil
	tries := c.door.tries()
	c.door.unshut() // the provider is back, and nobody knows
	daemon.Await(t, time.Until(until)+daemon.Patience, "the breaker to close", func() error {
		open, _ := c.d.Metric("rotatord_breaker_open", `provider="cc"`)
		if now := time.Now(); open == 1 && now.Before(until.Add(-time.Second)) && c.door.tries() != tries {
			t.Errorf("the provider was called %s before the breaker's time was over", until.Sub(now))
		}
		return want(open == 0, "it is open until %s", until)
	})
	c.logs("the provider answers again, its breaker is closed")
	c.goodEnd(1)
}

// TestAStopKeepsItsPromiseWhileACallHangs: the supervisor need not kill it, and what hung resumes.
func TestAStopKeepsItsPromiseWhileACallHangs(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{services: []string{"ci-build"}, account: "propagation: 1s, timeout: 1h, rates: [{requests: 100000, per: 1s}]"})
	c.e.Order(delayed("hang", time.Hour, http.MethodPost, "/key/user/*"))
	c.begin()
	c.struck("hang", 1)
	c.d.Stop()
	c.logs("calls are still in flight after the drain time; cutting them off")
	c.logs("rotatord has stopped")
	c.untouched(c.services[0])
	c.e.Orders().Remove("")
	c.d.Start()
	c.goodEnd(1)
}
