package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// Calls of DigiCert ONE's API that the daemon makes: a token's are one path with two methods.
const (
	oneUsers  = "/user"
	oneTokens = "/api-access-token"
	oneToken  = "/api-access-token/*"
)

// oneTiming switches old tokens off for a moment before they go.
const oneTiming = due + ", soak: 1s"

func oneSystem() daemon.System {
	return daemon.DigiCertOneTokens(emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: []emulator.Rate{}, NamesPerUser: true}))
}

// TestDigiCertOneFailing: each call fails in each way for a while. The daemon comes to the good end, and no consumer is harmed.
func TestDigiCertOneFailing(t *testing.T) {
	t.Parallel()
	ways := map[string]emulator.Effect{
		"500":     {Kind: emulator.EffectStatus, Status: http.StatusInternalServerError},
		"429":     {Kind: emulator.EffectStatus, Status: http.StatusTooManyRequests, RetryAfter: emulator.Duration(time.Second)},
		"garbage": {Kind: emulator.EffectGarbage},
		"cut":     {Kind: emulator.EffectCut, Bytes: 20},
		"lost":    {Kind: emulator.EffectLost},
		"done":    {Kind: emulator.EffectLost, AfterEffect: true},
		"late":    {Kind: emulator.EffectDelay, Delay: emulator.Duration(3 * time.Second)},
	}
	for name, call := range map[string]struct{ method, path string }{
		"users are listed": {http.MethodGet, oneUsers}, "tokens are listed": {http.MethodGet, oneTokens},
		"a token is made": {http.MethodPost, oneTokens}, "a token is disabled": {http.MethodPut, oneToken}, "a token is deleted": {http.MethodDelete, oneToken},
	} {
		for way, effect := range ways {
			t.Run(name+" and answered "+way, func(t *testing.T) {
				t.Parallel()
				c := prepare(t, setting{services: []string{"ci-build"}, system: oneSystem(), timing: oneTiming})
				c.e.Order(times(2, fault("f", call.method, call.path, effect)))
				c.begin()
				c.struck("f", 1) // what was done all the same is seen, and not asked for again
				c.ready()
				c.goodEnd(0)
			})
		}
	}
}

// TestDigiCertOneRefusing: what is refused for good stays as it is, and a person is told of it in words.
func TestDigiCertOneRefusing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, method, path string
		status             int
		reason             string
	}{
		{"users may not be listed", http.MethodGet, oneUsers, http.StatusForbidden, "scan_failed"},
		{"the token is dead", http.MethodGet, oneUsers, http.StatusUnauthorized, "scan_failed"},
		{"tokens may not be made", http.MethodPost, oneTokens, http.StatusForbidden, "denied"},
		{"what is sent is wrong", http.MethodPost, oneTokens, http.StatusBadRequest, "invalid"},
		{"tokens may not be disabled", http.MethodPut, oneToken, http.StatusForbidden, "denied"},
		{"tokens may not be deleted", http.MethodDelete, oneToken, http.StatusForbidden, "denied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{services: []string{"ci-build"}, system: oneSystem(), timing: oneTiming})
			c.e.Order(fault("f", tc.method, tc.path, emulator.Effect{Kind: emulator.EffectStatus, Status: tc.status}))
			c.begin()
			c.attention(tc.reason)
			c.ready()
			if tc.method == http.MethodGet || tc.method == http.MethodPost {
				c.untouched(c.services[0])
			}
			for _, consumer := range c.consumers {
				consumer.Stop()
				if bad := consumer.Failures(); bad != "" {
					t.Errorf("a consumer was left without a working key:\n%s", bad)
				}
			}
			c.keepsSecrets()
		})
	}
}
