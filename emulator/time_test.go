package emulator

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// clock is a settable time.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func TestRatesAreRollingAndPerKey(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	g := newRig(t, CertCentralOptions{Now: c.now, SendRetryAfter: true, Rates: []Rate{{3, 5 * time.Second}, {5, time.Minute}}})
	_, other := g.addKey(t, CertCentralKey{UserID: g.AddUser(CertCentralUser{}), Name: "other"})
	let := func(want int, retryAfter string) {
		t.Helper()
		if r := g.manager(t, "GET", "/user/me", ""); r.status != want || r.header.Get("Retry-After") != retryAfter {
			t.Fatalf("at %v: %d, Retry-After %q; want %d, %q", c.at.Format(time.TimeOnly), r.status, r.header.Get("Retry-After"), want, retryAfter)
		}
	}
	let(200, "")
	c.at = c.at.Add(4 * time.Second)
	let(200, "")
	let(200, "")
	let(429, "1")
	if r := g.do(t, other, "GET", "/user/me", ""); r.status != 200 {
		t.Errorf("another key pays for it: %d", r.status)
	}
	c.at = c.at.Add(time.Second)
	let(200, "")
	let(429, "4") // a fixed window would have started anew
	c.at = c.at.Add(5 * time.Second)
	let(200, "")
	let(429, "50") // the longer window is full
	if r := g.manager(t, "GET", "/user/me", ""); r.code() != "request_limit_exceeded" {
		t.Errorf("the code is %s", r.code())
	}
	if u := g.Usage(g.Keys(0)[0].ID); u.OK != 5 || u.Throttled != 4 || u.Refused != 0 {
		t.Errorf("the usage is %+v", u)
	}
}

func TestPropagation(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	g := newRig(t, CertCentralOptions{Now: c.now, NewKeyRefusedFor: 10 * time.Second, NewKeyListedAfter: 20 * time.Second, RevokedKeyAcceptedFor: 30 * time.Second})
	user := g.AddUser(CertCentralUser{})
	if _, old := g.addKey(t, CertCentralKey{UserID: user, Name: "old"}); g.do(t, old, "GET", "/user/me", "").status != 200 {
		t.Error("a key that was put there is treated as a new one")
	}
	var made struct {
		ID     int64
		APIKey string `json:"api_key"`
	}
	g.manager(t, "POST", fmt.Sprintf("/key/user/%d", user), `{"name":"new"}`).into(t, &made)
	at := func(after time.Duration, works, listed bool) {
		t.Helper()
		c.at = c.at.Add(after)
		if got := g.do(t, made.APIKey, "GET", "/user/me", "").status == 200; got != works {
			t.Errorf("after %v more: accepted %v, want %v", after, got, works)
		}
		inList := strings.Contains(g.manager(t, "GET", "/key", "").body, `"new"`)
		found := g.manager(t, "GET", fmt.Sprintf("/key/%d", made.ID), "").status == 200
		if inList != listed || found != listed {
			t.Errorf("after %v more: in the list %v, found %v, want %v", after, inList, found, listed)
		}
	}
	at(0, false, false)
	at(10*time.Second, true, false)
	at(10*time.Second, true, true)
	g.manager(t, "PUT", fmt.Sprintf("/key/%d/status", made.ID), `{"status":"revoked"}`)
	at(29*time.Second, true, true)
	at(time.Second, false, true)
}

func TestLastUsed(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := &clock{start}
	g := newRig(t, CertCentralOptions{Now: c.now, LastUsedLag: time.Minute})
	user := g.AddUser(CertCentralUser{})
	id, secret := g.addKey(t, CertCentralKey{UserID: user, Name: "ci", Created: start.AddDate(-3, 0, 0)})
	shown := func() string {
		var list keysAnswer
		g.manager(t, "GET", fmt.Sprintf("/key?user_id=%d", user), "").into(t, &list)
		if list.Keys[0].CreateDate != "2023-01-01T00:00:00+00:00" {
			t.Errorf("create_date is %s", list.Keys[0].CreateDate)
		}
		return list.Keys[0].LastUsed
	}
	// A key in use all the time is published once a minute, not never.
	for second, want := range map[int]string{30: "", 90: "2026-01-01T00:00:50+00:00", 150: "2026-01-01T00:01:50+00:00"} {
		c.at = start
		fresh, freshSecret := g.addKey(t, CertCentralKey{UserID: g.AddUser(CertCentralUser{}), Name: "fresh"})
		for at := 0; at <= second; at += 10 {
			c.at = start.Add(time.Duration(at) * time.Second)
			g.do(t, freshSecret, "GET", "/user/me", "")
		}
		var k struct {
			LastUsed string `json:"last_used_date"`
		}
		g.manager(t, "GET", fmt.Sprintf("/key/%d", fresh), "").into(t, &k)
		if k.LastUsed != want {
			t.Errorf("after %d seconds of use last_used_date is %q, want %q", second, k.LastUsed, want)
		}
	}
	c.at = start
	if got := shown(); got != "" {
		t.Errorf("a key never used was used %s", got)
	}
	g.do(t, secret, "GET", "/user/me", "")
	if k, _ := g.Key(id); !k.LastUsed.Equal(start) {
		t.Errorf("the truth is %v, want %v", k.LastUsed, start)
	}
}
