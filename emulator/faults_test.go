package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func (g rig) order(t *testing.T, f ...Fault) {
	t.Helper()
	if err := g.Faults.Add(f...); err != nil {
		t.Fatal(err)
	}
}

func TestEffectsBeforeAndAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		effect Effect
		keys   int
		check  func(*testing.T, response, error)
	}{
		{"lost before", Effect{Kind: EffectLost}, 0, wantError(io.EOF)},
		{"lost after", Effect{Kind: EffectLost, AfterEffect: true}, 1, wantError(io.EOF)},
		{"reset before", Effect{Kind: EffectReset}, 0, wantError(syscall.ECONNRESET)},
		{"reset after", Effect{Kind: EffectReset, AfterEffect: true}, 1, wantError(syscall.ECONNRESET)},
		{"status before", Effect{Kind: EffectStatus, Status: 503, RetryAfter: Duration(1500 * time.Millisecond)}, 0, wantStatus(503, "2", "Service Unavailable")},
		{"status after", Effect{Kind: EffectStatus, Status: 502, AfterEffect: true}, 1, wantStatus(502, "", "Bad Gateway")},
		{"status with a documented body", Effect{Kind: EffectStatus, Status: 429}, 0, wantStatus(429, "", "request_limit_exceeded")},
		{"status with a body", Effect{Kind: EffectStatus, Status: 500, Body: "oops"}, 0, wantStatus(500, "", "oops")},
		{"garbage", Effect{Kind: EffectGarbage}, 1, wantStatus(201, "", "<html>")},
		{"garbage to order", Effect{Kind: EffectGarbage, Body: "@@"}, 1, wantStatus(201, "", "@@")},
		{"truncated to order", Effect{Kind: EffectTruncate, Bytes: 6}, 1, func(t *testing.T, r response, err error) {
			if err != nil || r.body != `{"id":` {
				t.Errorf("got %q, %v", r.body, err)
			}
		}},
		{"truncated by half", Effect{Kind: EffectTruncate}, 1, func(t *testing.T, r response, err error) {
			if err != nil || !strings.HasPrefix(r.body, `{"id":`) || strings.HasSuffix(r.body, "}\n") {
				t.Errorf("got %q, %v", r.body, err)
			}
		}},
		{"cut", Effect{Kind: EffectCut, Bytes: 6}, 1, wantError(io.ErrUnexpectedEOF)},
		{"delayed before", Effect{Kind: EffectDelay, Delay: Duration(time.Millisecond)}, 1, wantStatus(201, "", "api_key")},
		{"delayed after", Effect{Kind: EffectDelay, AfterEffect: true, Delay: Duration(time.Millisecond)}, 1, wantStatus(201, "", "api_key")},
		{"slow", Effect{Kind: EffectSlow, Bytes: 40, Delay: Duration(time.Millisecond)}, 1, wantStatus(201, "", "api_key")},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, CertCentralOptions{})
			user := g.AddUser(CertCentralUser{})
			g.order(t, Fault{Match: Match{Method: "post", Path: "/key/user/*"}, Count: 1, Effect: c.effect})
			mint := func() (response, error) {
				return g.try(t, g.ManagerSecret(), "POST", fmt.Sprintf("/key/user/%d", user), `{"name":"ci"}`)
			}
			r, err := mint()
			c.check(t, r, err)
			if got := len(g.Keys(user)); got != c.keys {
				t.Errorf("%d keys were made, want %d", got, c.keys)
			}
			if r, err := mint(); err != nil || r.status != 201 {
				t.Errorf("the call after the fault: %d, %v", r.status, err)
			}
			if u := g.Usage(g.Keys(0)[0].ID); u.Disturbed != 1 {
				t.Errorf("%d calls were disturbed, want 1", u.Disturbed)
			}
		})
	}
}

func wantError(want error) func(*testing.T, response, error) {
	return func(t *testing.T, r response, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("got %+v, %v; want the error %v", r, err, want)
		}
	}
}

func wantStatus(status int, retryAfter, part string) func(*testing.T, response, error) {
	return func(t *testing.T, r response, err error) {
		t.Helper()
		if err != nil || r.status != status || r.header.Get("Retry-After") != retryAfter || !strings.Contains(r.body, part) {
			t.Errorf("got %+v, %v; want %d, Retry-After %q and %q in the body", r, err, status, retryAfter, part)
		}
	}
}

func TestRetryAfterAsADate(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	g.order(t, Fault{Effect: Effect{Kind: EffectStatus, Status: 429, RetryAfter: Duration(time.Hour), RetryAfterDate: true}})
	at, err := http.ParseTime(g.manager(t, "GET", "/user/me", "").header.Get("Retry-After"))
	if wait := time.Until(at); err != nil || wait < 59*time.Minute || wait > time.Hour {
		t.Errorf("the date is %v away, %v", wait, err)
	}
}

func TestAClientThatLeavesDuringADelayLeavesNothingDone(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	user := g.AddUser(CertCentralUser{})
	g.order(t, Fault{Effect: Effect{Kind: EffectDelay, Delay: Duration(time.Hour)}})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/key/user/%d", g.url, user), strings.NewReader(`{"name":"ci"}`))
		if err == nil {
			req.Header.Set("X-DC-DEVKEY", g.ManagerSecret())
			var resp *http.Response
			if resp, err = http.DefaultClient.Do(req); err == nil {
				err = resp.Body.Close()
			}
		}
		left <- err
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for g.Faults.List()[0].Hit == 0 {
		<-tick.C
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	// The server's Close, at the end of the test, waits for the handler.
	if got := len(g.Keys(user)); got != 0 {
		t.Errorf("%d keys were made", got)
	}
}

func TestListsThatLie(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	var users []int64
	for range 4 {
		u := g.AddUser(CertCentralUser{})
		g.addKey(t, CertCentralKey{UserID: u, Name: fmt.Sprintf("key-%d", len(users))})
		users = append(users, u)
	}
	page := func(path string) (list usersAnswer) {
		t.Helper()
		g.manager(t, "GET", path, "").into(t, &list)
		return list
	}
	names := func() (list []string) {
		t.Helper()
		var keys keysAnswer
		g.manager(t, "GET", "/key", "").into(t, &keys)
		for _, k := range keys.Keys {
			list = append(list, k.Name)
		}
		return list
	}
	lie := func(e Effect) {
		t.Helper()
		g.Faults.Remove("")
		g.order(t, Fault{Effect: e})
	}

	lie(Effect{Kind: EffectRepeatPage})
	if got := page("/user/api-only?limit=2&offset=2"); got.Users[0].ID != users[0] || got.Page.Offset != 2 || got.Page.Total != 4 {
		t.Errorf("a repeated page: %+v", got)
	}
	lie(Effect{Kind: EffectForget, Entry: "key-[12]"})
	if got := fmt.Sprint(names()); got != "[manager key-0 key-3]" {
		t.Errorf("forgotten keys: %s", got)
	}
	lie(Effect{Kind: EffectDuplicate, Entry: "key-1"})
	if got := fmt.Sprint(names()); got != "[manager key-0 key-1 key-1 key-2 key-3]" {
		t.Errorf("a key shown twice: %s", got)
	}
	lie(Effect{Kind: EffectForget, Entry: fmt.Sprint(users[1])})
	if got := page("/user/api-only"); len(got.Users) != 3 || got.Page.Total != 4 {
		t.Errorf("a forgotten user: %+v", got)
	}
	lie(Effect{Kind: EffectEmptyList})
	if got := page("/user/api-only"); len(got.Users) != 0 || got.Page.Total != 0 || len(names()) != 0 {
		t.Errorf("an empty list: %+v, %v", got, names())
	}
	g.Faults.Remove("")
	if got := page("/user/api-only"); len(got.Users) != 4 || len(names()) != 5 {
		t.Errorf("without faults: %+v, %v", got, names())
	}
}

func TestWhichCallsAreHit(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault Fault
		want  string // a letter for each of eight calls: x for hit
	}{
		{"every call", Fault{}, "xxxxxxxx"},
		{"the third", Fault{Nth: 3, Count: 1}, "..x....."},
		{"from the third", Fault{Nth: 3}, "..xxxxxx"},
		{"two of them", Fault{Count: 2}, "xx......"},
		{"another method", Fault{Match: Match{Method: "POST"}}, "........"},
		{"another path", Fault{Match: Match{Path: "/user/*"}}, "........"},
		{"a star stays within its part", Fault{Match: Match{Path: "/*"}}, "........"},
		{"this path", Fault{Match: Match{Path: "/key/*/status"}}, "xxxxxxxx"},
		{"this caller", Fault{Match: Match{Caller: "ci-*"}}, "xxxxxxxx"},
		{"another caller", Fault{Match: Match{Caller: "manager"}}, "........"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f Faults
			c.fault.Effect = Effect{Kind: EffectLost}
			if err := f.Add(c.fault); err != nil {
				t.Fatal(err)
			}
			if got := eight(&f); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func eight(f *Faults) (hits string) {
	for range 8 {
		if _, hit := f.pick("PUT", "/key/7/status", "ci-r0002"); hit {
			hits += "x"
		} else {
			hits += "."
		}
	}
	return hits
}

func TestChanceIsReplayable(t *testing.T) {
	draw := func(seed uint64) (hits string) {
		var f Faults
		f.Seed(seed)
		if err := f.Add(Fault{Probability: 0.5, Effect: Effect{Kind: EffectLost}}); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			hits += eight(&f)
		}
		return hits
	}
	one := draw(1)
	if again := draw(1); one != again {
		t.Errorf("the same seed gave %s and %s", one, again)
	}
	if one == draw(2) {
		t.Error("two seeds gave the same draws")
	}
	if n := strings.Count(one, "x"); n < 16 || n > 48 {
		t.Errorf("%d of 64 calls were hit at a chance of one half", n)
	}
}

const goodScenario = `
seed: 42
faults:
  - name: third create lost after it happened
    match: {method: POST, path: /key/user/*}
    nth: 3
    count: 1
    effect: {kind: lost, after_effect: true}
  - match: {caller: manager}
    probability: 0.01
    effect: {kind: status, status: 429, retry_after: 2s}
`

func TestScenario(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	if err := os.WriteFile(file, []byte(goodScenario), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadScenario(file)
	if err != nil {
		t.Fatal(err)
	}
	if s.Seed != 42 || len(s.Faults) != 2 || s.Faults[0].Nth != 3 || !s.Faults[0].Effect.AfterEffect || s.Faults[1].Effect.RetryAfter != Duration(2*time.Second) {
		t.Errorf("the scenario came as %+v", s)
	}
	var f Faults
	if err := f.Apply(s); err != nil || len(f.List()) != 2 || f.List()[1].Name == "" {
		t.Errorf("applied: %+v, %v", f.List(), err)
	}
	if _, err := LoadScenario(file + "x"); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestAScenarioThatMakesNoSenseIsRefused(t *testing.T) {
	for says, text := range map[string]string{
		"efect":            `faults: [{efect: {kind: lost}}]`,
		"one of cut":       `faults: [{effect: {kind: explode}}]`,
		"between 200":      `faults: [{effect: {kind: status}}]`,
		"must begin with":  `faults: [{match: {path: key}, effect: {kind: lost}}]`,
		"cannot be read":   `faults: [{match: {path: "/[" }, effect: {kind: lost}}]`,
		"between 0 and 1":  `faults: [{probability: 7, effect: {kind: lost}}]`,
		"effect.delay":     `faults: [{effect: {kind: slow}}]`,
		"effect.entry":     `faults: [{effect: {kind: forget}}]`,
		"duration":         `faults: [{effect: {kind: delay, delay: 3 apples}}]`,
		"not be negative":  `faults: [{nth: -1, effect: {kind: lost}}]`,
		"effect.bytes":     `faults: [{effect: {kind: cut, bytes: -1}}]`,
		"must not be nega": `faults: [{effect: {kind: delay, delay: -3s}}]`,
	} {
		if _, err := ParseScenario([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want an error with %q", text, err, says)
		}
	}
}

func FuzzParseScenario(f *testing.F) {
	f.Add([]byte(goodScenario))
	f.Add([]byte(`{"faults":[{"effect":{"kind":"cut"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseScenario(text)
		if err != nil {
			return
		}
		if err := new(Faults).Apply(s); err != nil {
			t.Errorf("a scenario was read and then refused: %v", err)
		}
	})
}

func TestAdmin(t *testing.T) {
	g := newRig(t, CertCentralOptions{})
	server := httptest.NewServer(g.AdminHandler())
	defer server.Close()
	admin := rig{g.CertCentral, server.URL + "/_emulator"}

	var user, key struct {
		ID     int64
		APIKey string `json:"api_key"`
	}
	admin.do(t, "", "POST", "/users", `{"email":"ci@example.com"}`).into(t, &user)
	admin.do(t, "", "POST", "/keys", fmt.Sprintf(`{"user_id":%d,"name":"ci","created":"2020-01-01T00:00:00Z"}`, user.ID)).into(t, &key)
	if k, ok := g.Key(key.ID); !ok || k.Created.Year() != 2020 {
		t.Errorf("the key is %+v", k)
	}
	if r := admin.do(t, "", "POST", "/faults", goodScenario); r.status != 204 {
		t.Errorf("order: %d %s", r.status, r.body)
	}
	if r := admin.do(t, "", "POST", "/faults", `{"faults":[{"effect":{"kind":"lost"},"match":{"caller":"ci"},"name":"json"}]}`); r.status != 204 {
		t.Errorf("order as JSON: %d %s", r.status, r.body)
	}
	if _, err := g.try(t, key.APIKey, "GET", "/user/me", ""); err == nil {
		t.Error("the fault that was ordered did not strike")
	}
	if r := admin.do(t, "", "GET", "/faults", ""); !strings.Contains(r.body, `"retry_after":"2s"`) || !strings.Contains(r.body, `"hit":`) {
		t.Errorf("the orders are %s", r.body)
	}
	if r := admin.do(t, "", "DELETE", "/faults?name=json", ""); r.body != `{"removed":1}`+"\n" {
		t.Errorf("take back: %s", r.body)
	}
	g.do(t, key.APIKey, "GET", "/user/me", "")
	var usage map[int64]Usage
	admin.do(t, "", "GET", "/usage", "").into(t, &usage)
	if u := usage[key.ID]; u.OK != 1 || u.Disturbed == 0 {
		t.Errorf("the usage is %+v", u)
	}
	keys := admin.do(t, "", "GET", fmt.Sprintf("/keys?user_id=%d", user.ID), "")
	if !strings.Contains(keys.body, `"name":"ci"`) || strings.Contains(keys.body, key.APIKey) {
		t.Errorf("the keys are %s", keys.body)
	}
	for path, body := range map[string]string{"/users": `{"title":1}`, "/keys": `{"user_id":1,"name":"x"}`, "/faults": `{"faults":[{}]}`} {
		if r := admin.do(t, "", "POST", path, body); r.status != 400 {
			t.Errorf("POST %s %s: %d %s", path, body, r.status, r.body)
		}
	}
	if r := g.manager(t, "GET", "/_emulator/usage", ""); r.status != 404 {
		t.Errorf("the API itself serves the admin's paths: %d", r.status)
	}
}

func TestInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewCertCentral(CertCentralOptions{})
		client := &http.Client{Transport: InMemory(s)}
		get := func(ctx context.Context) (response, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://memory"+s.BasePath()+"/user/me", nil)
			if err != nil {
				return response{}, err
			}
			req.Header.Set("X-DC-DEVKEY", s.ManagerSecret())
			resp, err := client.Do(req)
			if err != nil {
				return response{}, err
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			return response{resp.StatusCode, resp.Header, string(body)}, err
		}
		if r, err := get(t.Context()); err != nil || r.status != 200 || !strings.Contains(r.body, "rotation.manager") {
			t.Errorf("got %+v, %v", r, err)
		}
		for _, e := range []Effect{{Kind: EffectLost}, {Kind: EffectReset}, {Kind: EffectCut}} {
			if err := s.Faults.Add(Fault{Count: 1, Effect: e}); err != nil {
				t.Fatal(err)
			}
			if r, err := get(t.Context()); err == nil {
				t.Errorf("%s: got %+v", e.Kind, r)
			}
		}
		for _, e := range []Effect{{Kind: EffectDelay, Delay: Duration(time.Hour)}, {Kind: EffectSlow, Delay: Duration(time.Hour)}} {
			if err := s.Faults.Add(Fault{Count: 1, Effect: e}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			started := time.Now()
			if _, err := get(ctx); err == nil || time.Since(started) != time.Minute {
				t.Errorf("%s: %v after %v, want an error after a minute", e.Kind, err, time.Since(started))
			}
			cancel()
		}
	})
}
