package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

func throttle(name string, after time.Duration, method, path string) emulator.Fault {
	return fault(name, method, path, emulator.Effect{Kind: emulator.EffectStatus, Status: http.StatusTooManyRequests, RetryAfter: emulator.Duration(after)})
}

// TestProviderThrottling: reads wait as long as they are asked to; anything else pauses the provider, which is no failure.
func TestProviderThrottling(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fault  emulator.Fault
		paused bool
		made   int
	}{
		{"a read is told for how long", times(2, throttle("f", 2*time.Second, http.MethodGet, listKeys)), false, 1},
		{"a read is not told for how long", times(2, throttle("f", 0, http.MethodGet, listKeys)), false, 1},
		{"reads are told again and again", times(6, throttle("f", time.Second, http.MethodGet, listKeys)), true, 1},
		{"a read is told to wait for long", times(1, throttle("f", 33*time.Second, http.MethodGet, listUsers)), true, 1},
		{"a date is given", times(2, dated(throttle("f", 3*time.Second, http.MethodGet, listUsers))), false, 1},
		{"a create is told for how long", times(2, throttle("f", 2*time.Second, http.MethodPost, create)), true, 1},
		{"a create is not told for how long", times(2, throttle("f", 0, http.MethodPost, create)), true, 1},
		{"a revocation is throttled", times(2, throttle("f", 0, http.MethodPut, retire)), true, 1},
		{"trying new keys is throttled", trying("f", 2, emulator.Effect{Kind: emulator.EffectStatus, Status: http.StatusTooManyRequests}), false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{halt: 1})
			c.e.Order(tc.fault)
			c.begin()
			c.struck("f", tc.fault.Count)
			c.metric(atLeast(1), "rotatord_provider_requests_total", `provider="cc"`, `code="429"`)
			if tc.paused {
				c.metric(is(1), "rotatord_provider_paused", `provider="cc"`)
				c.logs("provider paused")
			}
			if open, _ := c.d.Metric("rotatord_breaker_open", `provider="cc"`); open != 0 {
				t.Error("throttling opened the breaker")
			}
			c.ready()
			c.goodEnd(tc.made)
		})
	}
}

func dated(f emulator.Fault) emulator.Fault {
	f.Effect.RetryAfterDate = true
	return f
}

// TestProviderWindows has a provider whose rolling windows are real. Told of them, the daemon stays within; told nothing true,
// it is throttled and gets there all the same.
func TestProviderWindows(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, account string
		within        bool
		retryAfter    bool
	}{
		{"configured", "propagation: 1s, timeout: 1s, rates: [{requests: 40, per: 5s}]", true, false},
		{"overrun", "propagation: 1s, timeout: 1s, rates: [{requests: 100000, per: 5s}]", false, false},
		{"overrun with word for how long", "propagation: 1s, timeout: 1s, rates: [{requests: 100000, per: 5s}]", false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			names := []string{"ci-1", "ci-2", "ci-3", "ci-4", "ci-5", "ci-6", "ci-7", "ci-8", "ci-9", "ci-10"}
			c := start(t, setting{services: names, account: tc.account, pace: 500 * time.Millisecond, provider: emulator.CertCentralOptions{
				Rates: []emulator.Rate{{Requests: 40, Per: 5 * time.Second}}, SendRetryAfter: tc.retryAfter,
			}})
			c.goodEnd(1)
			throttled := c.account.Usage(c.manager()).Throttled
			if tc.within && throttled > 0 {
				t.Errorf("within its rates the daemon was throttled %d times", throttled)
			}
			if !tc.within && throttled == 0 {
				t.Error("the windows did not throttle anything: this test tests nothing")
			}
		})
	}
}
