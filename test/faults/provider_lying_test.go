package faults

import (
	"net/http"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

func lie(name, path string, effect emulator.Effect) emulator.Fault {
	return fault(name, http.MethodGet, path, effect)
}

func list(kind emulator.EffectKind, entry string) emulator.Effect {
	return emulator.Effect{Kind: kind, Entry: entry}
}

// TestProviderLying: wrong answers with a right status, to the calls that rotations make.
func TestProviderLying(t *testing.T) {
	t.Parallel()
	status := func(code int) emulator.Effect { return emulator.Effect{Kind: emulator.EffectStatus, Status: code} }
	garbage := func(body string) emulator.Effect { return emulator.Effect{Kind: emulator.EffectGarbage, Body: body} }
	for _, tc := range []struct {
		name  string
		fault emulator.Fault
		made  int // keys for each service; 0 is any number
	}{
		{"lists of keys are truncated", times(4, lie("f", listKeys, list(emulator.EffectTruncate, ""))), 1},
		{"lists of keys are cut", times(4, lie("f", listKeys, list(emulator.EffectCut, ""))), 1},
		{"lists of keys are garbage", times(4, lie("f", listKeys, garbage(""))), 1},
		{"lists of keys are another JSON", times(4, lie("f", listKeys, garbage(`{"keys":[]}`))), 1},
		{"lists of keys are answered 500", times(4, lie("f", listKeys, status(500))), 1},
		{"creates are answered with garbage", times(2, fault("f", http.MethodPost, create, garbage(""))), 2},
		{"creates are answered without a secret", times(2, fault("f", http.MethodPost, create, garbage(`{"id":1,"api_key":""}`))), 2},
		{"creates are answered with a cut", times(2, fault("f", http.MethodPost, create, emulator.Effect{Kind: emulator.EffectCut, Bytes: 20})), 2},
		{"creates are answered 500 and done", times(2, after(fault("f", http.MethodPost, create, status(500)))), 2},
		{"creates are answered 503 and not done", times(2, fault("f", http.MethodPost, create, status(503))), 0},
		{"creates are reset and done", times(2, after(fault("f", http.MethodPost, create, list(emulator.EffectReset, "")))), 2},
		{"creates are lost", times(2, fault("f", http.MethodPost, create, list(emulator.EffectLost, ""))), 0},
		{"revocations are answered with garbage", times(2, fault("f", http.MethodPut, retire, garbage(""))), 1},
		{"revocations are answered 500 and done", times(2, after(fault("f", http.MethodPut, retire, status(500)))), 1},
		{"revocations are reset", times(2, fault("f", http.MethodPut, retire, list(emulator.EffectReset, ""))), 1},
		{"trying new keys gives garbage", trying("f", 2, garbage("")), 0},
		{"trying new keys gives 500", trying("f", 2, status(500)), 1},
		{"new keys are refused for a moment", trying("f", 2, status(403)), 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := prepare(t, setting{account: "propagation: 2s, timeout: 1s, rates: [{requests: 100000, per: 1s}]"})
			c.e.Order(tc.fault)
			c.begin()
			c.struck("f", tc.fault.Count)
			c.ready()
			c.goodEnd(tc.made)
		})
	}
}

// TestProviderLyingToScans: what a scan is told changes nothing that a later scan does not put right, and no key is in motion
// because of it.
func TestProviderLyingToScans(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		fault  emulator.Fault
		doubts string // how the scans end of which a person is told; empty if all is well
	}{
		{"there are no keys", times(3, lie("f", listKeys, list(emulator.EffectEmptyList, ""))), "disbelieved"},
		{"there are no keys for long", times(8, lie("f", listKeys, list(emulator.EffectEmptyList, ""))), "disbelieved"},
		{"there are no users", times(3, lie("f", listUsers, list(emulator.EffectEmptyList, ""))), ""},
		{"there are no users for long", times(8, lie("f", listUsers, list(emulator.EffectEmptyList, ""))), ""},
		{"most keys are forgotten", times(3, lie("f", listKeys, list(emulator.EffectForget, "deploy"))), "disbelieved"},
		{"one key is forgotten", times(3, lie("f", listKeys, list(emulator.EffectForget, "700002"))), ""},
		{"keys are shown twice", times(5, lie("f", listKeys, list(emulator.EffectDuplicate, "deploy*"))), ""},
		{"users are shown twice", times(5, lie("f", listUsers, list(emulator.EffectDuplicate, "*"))), ""},
		{"a page of users is repeated", times(4, lie("f", listUsers, list(emulator.EffectRepeatPage, ""))), "failed"},
		{"pages of users are truncated", times(3, lie("f", listUsers, list(emulator.EffectTruncate, ""))), "failed"},
		{"pages of users are cut", times(3, lie("f", listUsers, list(emulator.EffectCut, ""))), "failed"},
		{"the list of users is garbage", times(3, lie("f", listUsers, list(emulator.EffectGarbage, ""))), "failed"},
		{"the list of keys is garbage", times(3, lie("f", listKeys, list(emulator.EffectGarbage, ""))), "failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, setting{age: time.Minute, account: "propagation: 2s, timeout: 1s, page_size: 1, rates: [{requests: 100000, per: 1s}]"})
			c.sees()
			before, _ := c.d.Metric("rotatord_scans_total", `provider="cc"`, `result="`+tc.doubts+`"`)
			c.e.Order(tc.fault)
			c.struck("f", tc.fault.Count)
			if tc.doubts != "" {
				c.metric(atLeast(before+1), "rotatord_scans_total", `provider="cc"`, `result="`+tc.doubts+`"`)
				c.logs("scan failed; the keys seen before stay in force")
			}
			c.sees()
			if open, ended := c.d.Rotations(); len(open)+len(ended) > 0 {
				t.Errorf("lies set something in motion: %+v %+v", open, ended)
			}
			c.rotate()
			c.goodEnd(1)
		})
	}
}

// sees waits until the latest scan saw everything, and manages what is to be managed.
func (c *scene) sees() {
	c.t.Helper()
	c.await("a good scan", func() error {
		p := c.d.Status().Providers[0]
		return want(p.ScanTrouble == "" && p.Users == len(c.services) && p.Keys == len(c.services)+1 &&
			p.KeysByState["managed"] == len(c.services) && p.KeysByState["missing"] == 0, "there is %+v", p)
	})
}

// TestProviderForgetsForAMoment: an answer that leaves out what a rotation is about, given just when it counts, ends that rotation
// and not the life of its key: it is looked at again.
func TestProviderForgetsForAMoment(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		lie  emulator.Effect
	}{
		{"the key to replace", list(emulator.EffectForget, "deploy")},
		{"all keys", list(emulator.EffectEmptyList, "")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, setting{services: []string{"ci-build"}, age: 10*time.Minute - 4*time.Second, scan: "@every 1h"})
			c.sees()
			c.e.Order(times(1, lie("f", listKeys, tc.lie)))
			c.struck("f", 1)
			c.await("the rotation to be given up", func() error {
				_, ended := c.d.Rotations()
				return want(len(ended) == 1 && ended[0].Stage == "abandoned", "ended are %+v", ended)
			})
			c.untouched(c.services[0])
			c.await("the key to be due next", func() error {
				next := c.d.Status().DueNext
				return want(len(next) == 1 && !next[0].NextLook.IsZero() && time.Until(next[0].NextLook) < time.Hour, "due next is %+v", next)
			})
			c.rotate()
			c.goodEnd(1)
		})
	}
}

// TestProviderShowsAKeyTwiceAtACap: one key that is listed twice is one key.
func TestProviderShowsAKeyTwiceAtACap(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{})
	c.e.Order(times(20, lie("f", listKeys, list(emulator.EffectDuplicate, "deploy*"))))
	c.begin()
	c.goodEnd(1)
}

// TestProviderSaysRevokedAndDoesNot: a key that lives on after its revocation was acknowledged does not do so unnoticed.
func TestProviderSaysRevokedAndDoesNot(t *testing.T) {
	t.Parallel()
	c := prepare(t, setting{services: []string{"ci-build"}})
	c.e.Order(times(1, fault("f", http.MethodPut, retire, emulator.Effect{Kind: emulator.EffectStatus, Status: 204})))
	c.begin()
	c.struck("f", 1)
	c.goodEnd(1)
}

// TestProviderForgetsTheOldKeyAtItsRevocation: a key that is not listed for a moment is not gone.
func TestProviderForgetsTheOldKeyAtItsRevocation(t *testing.T) {
	t.Parallel()
	c := start(t, setting{services: []string{"ci-build"}, age: 10*time.Minute - 3*time.Second, scan: "@every 1h",
		timing: "max_age: 1h, renew_before: 50m, grace: 5s, idle: 0s"})
	c.metric(is(1), "rotatord_open_rotations", `provider="cc"`, `stage="grace"`)
	c.e.Order(times(1, lie("f", listKeys, list(emulator.EffectForget, "deploy"))))
	c.struck("f", 1)
	c.goodEnd(1)
}
