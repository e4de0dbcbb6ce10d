package emulator

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What kills a whole tenant is counted however it comes about, so that a test can prove that it does not.
func TestDataspotCollectionDelete(t *testing.T) {
	g := newSpot(t, DataspotOptions{Tenants: []string{"ACME", "OTHER"}})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	_, key := g.addKey(t, user, "ci", year())
	g.manager(t, "DELETE", "/users/unknown", "")
	if got := g.CollectionDeletes(); got != 0 {
		t.Errorf("the deletion of one user counts as %d deletions of all", got)
	}
	if r := g.do(t, key, "DELETE", "/users", ""); r.status != 403 || g.CollectionDeletes() != 1 {
		t.Errorf("by one who may not: %d, counted %d", r.status, g.CollectionDeletes())
	}
	if err := g.Faults.Add(Fault{Count: 1, Effect: Effect{Kind: EffectStatus, Status: 500}}); err != nil {
		t.Fatal(err)
	}
	if r := g.manager(t, "DELETE", "/users", ""); r.status != 500 || g.CollectionDeletes() != 2 || len(g.Users("ACME")) != 2 {
		t.Errorf("when disturbed: %d, counted %d", r.status, g.CollectionDeletes())
	}
	// An empty id makes this of the deletion of one user.
	if r := g.manager(t, "DELETE", "/users/", ""); r.status != 204 || g.CollectionDeletes() != 3 {
		t.Errorf("with an empty id: %d, counted %d", r.status, g.CollectionDeletes())
	}
	if len(g.Users("ACME")) != 0 || g.Authenticates("ACME", key) || g.Authenticates("ACME", g.ManagerSecret("ACME")) {
		t.Errorf("the tenant still has %v", g.Users("ACME"))
	}
	if len(g.Users("OTHER")) != 1 || !g.Authenticates("OTHER", g.ManagerSecret("OTHER")) {
		t.Error("another tenant paid for it")
	}
	if r := g.do(t, g.ManagerSecret("OTHER"), "DELETE", "/users", ""); r.status != 204 || g.CollectionDeletes() != 4 {
		t.Errorf("without a slash: %d, counted %d", r.status, g.CollectionDeletes())
	}
}

func TestDataspotPropagation(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	g := newSpot(t, DataspotOptions{
		Now: c.now, ShowKeys: true, NewKeyRefusedFor: 10 * time.Second, NewKeyListedAfter: 20 * time.Second, RemovedKeyAcceptedFor: 30 * time.Second,
	})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	if _, old := g.addKey(t, user, "old", c.at.AddDate(1, 0, 0)); g.probe(t, old) != 200 {
		t.Error("a key that was put there is treated as a new one")
	}
	byHand, err := g.MakeKeyInPage("ACME", "ci", "by hand", c.at.AddDate(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var u spotUser
	g.manager(t, "PATCH", "/users/"+user, addOne).into(t, &u)
	if diff := cmp.Diff([]string{"old", "next"}, u.keyNames()); diff != "" {
		t.Errorf("the answer that made it shows it (-want +got):\n%s", diff)
	}
	next := u.AccessKeys[1].Value
	at := func(after time.Duration, works bool, listed ...string) {
		t.Helper()
		c.at = c.at.Add(after)
		for _, key := range []string{next, byHand} {
			if got := g.probe(t, key) == 200; got != works || g.Authenticates("ACME", key) != works {
				t.Errorf("after %v more: accepted %v, want %v", after, got, works)
			}
		}
		var seen spotUser
		g.manager(t, "GET", "/users/"+user, "").into(t, &seen)
		if diff := cmp.Diff(listed, seen.keyNames()); diff != "" {
			t.Errorf("after %v more (-want +got):\n%s", after, diff)
		}
	}
	at(0, false, "old")
	at(10*time.Second, true, "old")
	at(10*time.Second, true, "old", "by hand", "next")
	for _, name := range []string{"next", "by hand"} {
		if err := g.RemoveKeyInPage("ACME", "ci", name); err != nil {
			t.Fatal(err)
		}
	}
	at(30*time.Second-time.Nanosecond, true, "old")
	at(time.Nanosecond, false, "old")
}

func TestDataspotRates(t *testing.T) {
	c := &clock{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, tell := range []bool{true, false} {
		g := newSpot(t, DataspotOptions{Now: c.now, SendRetryAfter: tell, Rates: []Rate{{2, time.Minute}}})
		_, other := g.addKey(t, g.addUser(t, DataspotUser{LoginID: "ci"}), "ci", c.at.AddDate(1, 0, 0))
		for range 2 {
			if r := g.manager(t, "GET", "/users", ""); r.status != 200 {
				t.Fatalf("within the rate: %d", r.status)
			}
		}
		c.at = c.at.Add(59500 * time.Millisecond)
		want := map[bool]string{true: "1", false: ""}[tell]
		if r := g.manager(t, "GET", "/users", ""); r.status != 429 || r.header.Get("Retry-After") != want {
			t.Errorf("over the rate: %d, Retry-After %q, want 429 and %q", r.status, r.header.Get("Retry-After"), want)
		}
		if got := g.probe(t, other); got != 200 {
			t.Errorf("another key pays for it: %d", got)
		}
		c.at = c.at.Add(time.Second)
		if r := g.manager(t, "GET", "/users", ""); r.status != 200 {
			t.Errorf("after the window: %d", r.status)
		}
		if u := g.Usage(g.Keys("")[0].ID); u.OK != 3 || u.Throttled != 1 {
			t.Errorf("the usage is %+v", u)
		}
	}
}

// Each way of losing a write's answer: what the client sees, and whether the key is there.
func TestDataspotDisturbedWrites(t *testing.T) {
	for _, c := range []struct {
		name   string
		effect Effect
		fails  bool // whether the client gets no answer, or half of one
		status int
		made   bool
	}{
		{"lost before", Effect{Kind: EffectLost}, true, 0, false},
		{"lost after", Effect{Kind: EffectLost, AfterEffect: true}, true, 0, true},
		{"reset before", Effect{Kind: EffectReset}, true, 0, false},
		{"reset after", Effect{Kind: EffectReset, AfterEffect: true}, true, 0, true},
		{"a status before", Effect{Kind: EffectStatus, Status: 502}, false, 502, false},
		{"a status after", Effect{Kind: EffectStatus, Status: 502, AfterEffect: true}, false, 502, true},
		{"throttled", Effect{Kind: EffectStatus, Status: 429, RetryAfter: Duration(time.Minute)}, false, 429, false},
		{"the credential is refused", Effect{Kind: EffectStatus, Status: 401}, false, 401, false},
		{"garbage", Effect{Kind: EffectGarbage}, false, 200, true},
		{"truncated", Effect{Kind: EffectTruncate}, false, 200, true},
		{"cut", Effect{Kind: EffectCut}, true, 200, true},
		{"late before", Effect{Kind: EffectDelay, Delay: Duration(time.Millisecond)}, false, 200, true},
		{"late after", Effect{Kind: EffectDelay, Delay: Duration(time.Millisecond), AfterEffect: true}, false, 200, true},
		{"slow", Effect{Kind: EffectSlow, Bytes: 100, Delay: Duration(time.Millisecond)}, false, 200, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newSpot(t, DataspotOptions{})
			user := g.addUser(t, DataspotUser{LoginID: "ci"})
			match := Match{Method: "PATCH", Path: "/rest/*/users/*", Caller: "manager"}
			if err := g.Faults.Add(Fault{Match: match, Count: 1, Effect: c.effect}); err != nil {
				t.Fatal(err)
			}
			r, err := g.try(t, g.ManagerSecret("ACME"), "PATCH", "/users/"+user, addOne)
			if (err != nil) != c.fails || r.status != c.status {
				t.Errorf("the client sees %d, %v; want %d", r.status, err, c.status)
			}
			if made := len(g.Keys(user)) == 1; made != c.made {
				t.Errorf("the key was made: %v, want %v", made, c.made)
			}
			if c.status == 401 || c.status == 429 || c.status == 502 {
				var e spotError
				r.into(t, &e)
				if e.Method != http.MethodPatch || e.Message == "" {
					t.Errorf("the body of the status is %s", r.body)
				}
			}
			if complete := json.Valid([]byte(r.body)); (c.effect.Kind == EffectGarbage || c.effect.Kind == EffectTruncate) && complete {
				t.Errorf("the body is %s", r.body)
			}
			if u := g.Usage(g.Keys("")[0].ID); u.Disturbed != 1 {
				t.Errorf("the usage is %+v", u)
			}
		})
	}
}

func TestDataspotListsThatLie(t *testing.T) {
	for kind, want := range map[EffectKind][]string{
		EffectForget:     {"rotation-manager", "cd"},
		EffectDuplicate:  {"rotation-manager", "ci", "ci", "cd"},
		EffectEmptyList:  nil,
		EffectRepeatPage: {"rotation-manager", "ci", "cd"}, // there are no pages
	} {
		g := newSpot(t, DataspotOptions{})
		g.addUser(t, DataspotUser{LoginID: "ci"})
		g.addUser(t, DataspotUser{LoginID: "cd"})
		if err := g.Faults.Add(Fault{Count: 1, Effect: Effect{Kind: kind, Entry: "ci"}}); err != nil {
			t.Fatal(err)
		}
		l := g.list(t, "")
		if diff := cmp.Diff(want, l.logins()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
		if total := map[bool]int{true: 0, false: 3}[kind == EffectEmptyList]; l.Total != total {
			t.Errorf("%s: total is %d, want %d", kind, l.Total, total)
		}
		if again := g.list(t, ""); len(again.logins()) != 3 {
			t.Errorf("%s: the next list is %v", kind, again.logins())
		}
	}
}

func TestDataspotInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewDataspot(DataspotOptions{})
		user, err := s.AddServiceUser("ACME", "ci")
		if err != nil {
			t.Fatal(err)
		}
		value, err := s.MakeKeyInPage("ACME", user, "ci", time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: InMemory(s)}
		get := func() int {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://memory/rest/prod/tenants/ACME", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("dataspot-access-key", value)
			resp, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			return resp.StatusCode
		}
		if got := get(); got != 200 {
			t.Errorf("before the expiry: %d", got)
		}
		time.Sleep(time.Hour)
		if got := get(); got != 401 {
			t.Errorf("on a clock that has moved to the expiry: %d", got)
		}
	})
}

func TestDataspotIsSafeForConcurrentUse(t *testing.T) {
	g := newSpot(t, DataspotOptions{ShowKeys: true, Front: DataspotFront{BasicUser: "proxy", ClientID: "client"}})
	user := g.addUser(t, DataspotUser{LoginID: "ci"})
	var callers sync.WaitGroup
	for n := range 8 {
		callers.Go(func() {
			name := string(rune('a' + n))
			body := strings.Replace(addOne, "next", name, 1)
			r, err := g.try(t, g.ManagerSecret("ACME"), "PATCH", "/users/"+user, body, "Authorization", basicAuth("proxy", ""))
			if err != nil || r.status != 200 {
				t.Errorf("write %s: %d %s, %v", name, r.status, r.body, err)
			}
			g.front.issue()
			g.RevokeTokens()
			if err := g.RemoveKeyInPage("ACME", "ci", name); err != nil {
				t.Error(err)
			}
			_, _ = g.Users(""), g.AllUsage()
		})
	}
	callers.Wait()
	if left := g.Keys(user); len(left) != 0 {
		t.Errorf("%v are left", left)
	}
}
