package emulator

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// lastMoment is the last one at which something with that end date is good for a call.
func lastMoment(t *testing.T, date string) time.Time {
	t.Helper()
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return day.Add(24*time.Hour - time.Second - 1)
}

func TestDigiCertOneEndDatesEndAtTheLastSecondOfTheDayInUTC(t *testing.T) {
	for _, c := range []struct{ name, date string }{
		{"today, which is a leap day", "2028-02-29"},
		{"tomorrow, the day after a leap day", "2028-03-01"},
		{"the end of a month", "2028-04-30"},
		{"the end of the year", "2028-12-31"},
		{"the last day of February in a common year", "2029-02-28"},
		{"the next leap day", "2032-02-29"},
		{"further away than nanoseconds reach", "2999-12-31"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{})
			_, seeded, seededSecret := g.add(t, "seeded", c.date)
			user := g.addUser(t, DigiCertOneUser{FriendlyName: "ci"})
			made := g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "end_date", `"`+c.date+`"`)).object(t)
			status := func(want string) {
				t.Helper()
				for _, id := range []any{seeded, made["id"]} {
					got := g.want(t, 200, "", "GET", fmt.Sprint("/api-access-token/", id), "").object(t)
					if got["status"] != want || got["end_date"] != c.date {
						t.Errorf("the token is %v until %v, want %s until %s", got["status"], got["end_date"], want, c.date)
					}
				}
			}
			if c.date == "2999-12-31" {
				status("ACTIVE")
				return
			}
			g.clock.at = lastMoment(t, c.date)
			for _, secret := range []string{seededSecret, made["token"].(string)} {
				g.works(t, secret, true)
			}
			status("ACTIVE")
			g.clock.at = g.clock.at.Add(1)
			for _, secret := range []string{seededSecret, made["token"].(string)} {
				g.works(t, secret, false)
			}
			status("EXPIRED")
		})
	}
}

func TestDigiCertOneDaysAreThoseOfUTCWhereverTheClockIs(t *testing.T) {
	for _, zone := range []string{"Asia/Tokyo", "Pacific/Kiritimati", "America/Los_Angeles", "Europe/Zurich"} {
		t.Run(zone, func(t *testing.T) {
			there, err := time.LoadLocation(zone)
			if err != nil {
				t.Fatal(err)
			}
			c := &clock{lastMoment(t, "2028-02-29").In(there)}
			g := newD1(t, DigiCertOneOptions{Now: c.now})
			g.clock = c
			user, _, secret := g.add(t, "ci", "2028-02-29")
			g.works(t, secret, true)
			made := g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "end_date", `"2028-02-29"`)).object(t)
			if made["created_at"] != "2028-02-29T23:59:58Z" {
				t.Errorf("created_at is %v", made["created_at"])
			}
			c.at = c.at.Add(1)
			g.works(t, secret, false)
			g.want(t, 400, "invalid_request", "POST", "/api-access-token", d1NewToken(user, "name", `"late"`, "end_date", `"2028-02-29"`))
			g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user, "name", `"late"`, "end_date", `"2028-03-01"`))
		})
	}
}

func TestDigiCertOneEndDatesOfRequests(t *testing.T) {
	for _, c := range []struct {
		name, date string
		ok         bool
	}{
		{"today", `"2028-02-29"`, true},
		{"none", ``, true},
		{"null", `null`, true},
		{"yesterday", `"2028-02-28"`, false},
		{"no leap year", `"2029-02-29"`, false},
		{"no such month", `"2028-13-01"`, false},
		{"no zeros", `"2028-3-1"`, false},
		{"a time", `"2028-03-01T00:00:00Z"`, false},
		{"empty", `""`, false},
		{"a number", `20280301`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{})
			user := g.addUser(t, DigiCertOneUser{FriendlyName: "ci"})
			status, code := 201, ""
			if !c.ok {
				status, code = 400, "invalid_request"
			}
			g.want(t, status, code, "POST", "/api-access-token", d1NewToken(user, "end_date", c.date))
			g.want(t, status, code, "POST", "/user", d1NewUser("end_date", c.date))
			if got := len(g.Tokens("")); c.ok != (got == 3) {
				t.Errorf("there are %d tokens", got)
			}
		})
	}
}

func TestDigiCertOneEndDatesAreExtendedOnlyBeforeTheyAreReached(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		late, ok            bool
		want                any
	}{
		{"unchanged", "2028-02-29", `"2028-02-29"`, false, true, "2028-02-29"},
		{"extended", "2028-02-29", `"2028-03-31"`, false, true, "2028-03-31"},
		{"removed", "2028-02-29", `null`, false, true, nil},
		{"left out of the full object", "2028-02-29", ``, false, true, nil},
		{"brought forward", "2028-03-31", `"2028-03-30"`, false, false, "2028-03-31"},
		{"moved to no day", "2028-03-31", `"2028-02-30"`, false, false, "2028-03-31"},
		{"set where there was none", "", `"2028-03-31"`, false, false, nil},
		{"extended too late", "2028-02-29", `"2028-03-31"`, true, false, "2028-02-29"},
		{"removed too late", "2028-02-29", `null`, true, false, "2028-02-29"},
		{"unchanged too late", "2028-02-29", `"2028-02-29"`, true, false, "2028-02-29"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{})
			_, token, secret := g.add(t, "ci", c.before)
			user := g.addUser(t, DigiCertOneUser{FriendlyName: "ending", EndDate: c.before})
			g.clock.at = lastMoment(t, "2028-02-29")
			if c.late {
				g.clock.at = g.clock.at.Add(1)
			}
			status, code := 200, ""
			if !c.ok {
				status, code = 400, "invalid_request"
			}
			g.want(t, status, code, "PUT", "/api-access-token/"+token, d1Body([]string{"name", `"ci"`, "status", `"ACTIVE"`, "end_date", c.after}, nil))
			g.want(t, status, code, "PUT", "/user/"+user, d1NewUser("friendly_name", `"ending"`, "end_date", c.after))
			for _, path := range []string{"/api-access-token/" + token, "/user/" + user} {
				if got := g.want(t, 200, "", "GET", path, "").object(t)["end_date"]; got != c.want {
					t.Errorf("%s: end_date is %v, want %v", path, got, c.want)
				}
			}
			g.works(t, secret, !c.late)
			g.clock.at = lastMoment(t, "2028-02-29").Add(1)
			g.works(t, secret, c.want != "2028-02-29")
		})
	}
}

func TestDigiCertOneWhatHasExpiredStaysSo(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user := g.addUser(t, DigiCertOneUser{FriendlyName: "over", EndDate: "2028-02-28", Disabled: true})
	owner, token, secret := g.add(t, "ci", "2028-02-28")
	for path, body := range map[string]string{
		"/user/" + user + "/enable":  "",
		"/user/" + user + "/disable": "",
		"/user/" + user:              d1NewUser("friendly_name", `"over"`),
		"/api-access-token/" + token: d1Body([]string{"name", `"ci"`, "status", `"ACTIVE"`}, nil),
	} {
		g.want(t, 400, "invalid_request", "PUT", path, body)
	}
	g.want(t, 400, "invalid_request", "POST", "/api-access-token", d1NewToken(user))
	for path, want := range map[string]string{"/user/" + user: "EXPIRED", "/api-access-token/" + token: "EXPIRED", "/user/" + owner: "ACTIVE"} {
		if got := g.want(t, 200, "", "GET", path, "").object(t)["status"]; got != want {
			t.Errorf("%s is %v, want %s", path, got, want)
		}
	}
	g.works(t, secret, false)
	g.want(t, 204, "", "DELETE", "/api-access-token/"+token, "")
	g.want(t, 204, "", "DELETE", "/user/"+user, "")
}

func TestDigiCertOneTokensEndWithTheirUser(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	user, first, err := g.AddServiceUser(DigiCertOneUser{FriendlyName: "ci", EndDate: "2028-02-29", FirstToken: "ci first"})
	if err != nil {
		t.Fatal(err)
	}
	firstID := g.Tokens(user)[0].ID
	later, laterSecret := g.addToken(t, DigiCertOneToken{UserID: user, Name: "later", EndDate: "2028-12-31"})
	put := `{"name":"ci first","status":"ACTIVE","end_date":%s}`
	g.want(t, 400, "invalid_request", "PUT", "/api-access-token/"+firstID, fmt.Sprintf(put, `"2028-03-31"`))
	g.want(t, 400, "invalid_request", "PUT", "/api-access-token/"+firstID, fmt.Sprintf(put, "null"))
	g.want(t, 200, "", "PUT", "/api-access-token/"+firstID, fmt.Sprintf(put, `"2028-02-29"`))
	g.want(t, 200, "", "PUT", "/user/"+user, d1NewUser("friendly_name", `"ci"`, "end_date", `"2028-03-31"`))
	if k, _ := g.Token(firstID); k.EndDate != "2028-03-31" {
		t.Errorf("the first token ends on %s", k.EndDate)
	}
	g.clock.at = lastMoment(t, "2028-03-31")
	g.works(t, first, true)
	g.works(t, laterSecret, true)
	g.clock.at = g.clock.at.Add(1)
	g.works(t, first, false)
	g.works(t, laterSecret, false)
	if got := g.want(t, 200, "", "GET", "/api-access-token/"+later, "").object(t)["status"]; got != "ACTIVE" {
		t.Errorf("the token's own status is %v", got)
	}
}

func TestDigiCertOnePropagation(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{NewTokenRefusedFor: 10 * time.Second, NewListedAfter: 20 * time.Second, DisabledAcceptedFor: 30 * time.Second})
	user, _, old := g.add(t, "old", "")
	g.works(t, old, true)
	made := g.want(t, 201, "", "POST", "/api-access-token", d1NewToken(user)).object(t)
	token, secret := "/api-access-token/"+made["id"].(string), made["token"].(string)
	created := g.want(t, 201, "", "POST", "/user", d1NewUser()).object(t)
	at := func(after time.Duration, works, listed bool) {
		t.Helper()
		g.clock.at = g.clock.at.Add(after)
		g.works(t, secret, works)
		tokens, users, status := 1, 2, 404
		if listed {
			tokens, users, status = 2, 3, 200
		}
		if got := len(g.want(t, 200, "", "GET", "/api-access-token?user_id="+user, "").list(t)); got != tokens {
			t.Errorf("%d tokens are listed, want %d", got, tokens)
		}
		if got := len(g.want(t, 200, "", "GET", "/user", "").list(t)); got != users {
			t.Errorf("%d users are listed, want %d", got, users)
		}
		g.want(t, status, "", "GET", token, "")
		g.want(t, status, "", "GET", fmt.Sprint("/user/", created["id"]), "")
	}
	at(0, false, false)
	g.want(t, 409, "duplicate_error", "POST", "/api-access-token", d1NewToken(user)) // what is not listed is there all the same
	at(10*time.Second-1, false, false)
	at(1, true, false)
	at(10*time.Second, true, true)

	g.want(t, 200, "", "PUT", token, `{"name":"ci-r2","status":"DISABLED","end_date":"2028-03-31"}`)
	at(30*time.Second-1, true, true)
	at(1, false, true)
	g.want(t, 200, "", "PUT", token, `{"name":"ci-r2","status":"ACTIVE","end_date":"2028-03-31"}`)
	at(0, true, true)
	g.want(t, 204, "", "DELETE", token, "")
	g.clock.at = g.clock.at.Add(30*time.Second - 1)
	g.works(t, secret, true)
	g.clock.at = g.clock.at.Add(1)
	g.works(t, secret, false)

	g.want(t, 204, "", "PUT", "/user/"+user+"/disable", "")
	g.clock.at = g.clock.at.Add(30*time.Second - 1)
	g.works(t, old, true)
	g.want(t, 204, "", "PUT", "/user/"+user+"/disable", "") // again: it is disabled since then, not since now
	g.clock.at = g.clock.at.Add(1)
	g.works(t, old, false)
	g.want(t, 204, "", "PUT", "/user/"+user+"/enable", "")
	g.works(t, old, true)
	g.want(t, 204, "", "DELETE", "/user/"+user, "")
	g.clock.at = g.clock.at.Add(30*time.Second - 1)
	g.works(t, old, true)
	g.clock.at = g.clock.at.Add(1)
	g.works(t, old, false)
}

func TestDigiCertOneLastUsed(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{ShowLastUsed: true, LastUsedLag: time.Minute})
	_, token, secret := g.add(t, "ci", "")
	shown := func(want any) {
		t.Helper()
		if got := g.want(t, 200, "", "GET", "/api-access-token/"+token, "").object(t)["last_used_at"]; got != want {
			t.Errorf("at %s: last_used_at is %v, want %v", g.clock.at.Format(time.TimeOnly), got, want)
		}
	}
	shown(nil)
	for range 9 { // in use every ten seconds
		g.works(t, secret, true)
		g.clock.at = g.clock.at.Add(10 * time.Second)
	}
	shown("2028-02-29T12:00:50Z")
	g.clock.at = g.clock.at.Add(time.Hour)
	shown("2028-02-29T12:01:20Z")
	if k, _ := g.Token(token); !k.LastUsed.Equal(d1Start.Add(80 * time.Second)) {
		t.Errorf("the truth is %v", k.LastUsed)
	}
	if !g.Authenticates(secret) || g.Usage(token).OK != 9 {
		t.Errorf("Authenticates counts as a use: %+v", g.Usage(token))
	}
	plain := newD1(t, DigiCertOneOptions{})
	_, token, _ = plain.add(t, "ci", "")
	if o := plain.want(t, 200, "", "GET", "/api-access-token/"+token, "").object(t); len(o) != 6 {
		t.Errorf("a token has %v; the documents know of no last_used_at", o)
	}
}

func TestDigiCertOneRatesAndRetryAfter(t *testing.T) {
	for _, c := range []struct {
		form       DigiCertOneRetryAfter
		date, next bool
	}{{RetryAfterInTurn, false, true}, {RetryAfterSeconds, false, false}, {RetryAfterDate, true, true}} {
		t.Run(string(c.form), func(t *testing.T) {
			g := newD1(t, DigiCertOneOptions{Rates: []Rate{{2, 1500 * time.Millisecond}}, RetryAfter: c.form})
			_, token, other := g.add(t, "other", "")
			throttled := func(date bool) {
				t.Helper()
				r := g.want(t, 429, "rate_limit_exceeded", "GET", "/user/me", "")
				wantRetryAfter(t, r.header, g.clock.at, date, 1500*time.Millisecond)
			}
			g.want(t, 200, "", "GET", "/user/me", "")
			g.want(t, 404, "", "GET", "/nothing", "")
			throttled(c.date)
			throttled(c.next)
			g.works(t, other, true) // another one does not pay for it
			g.clock.at = g.clock.at.Add(1500 * time.Millisecond)
			g.want(t, 200, "", "GET", "/user/me", "")
			manager := g.Tokens(g.Users()[0].ID)[0].ID
			if u := g.Usage(manager); u.OK != 3 || u.Throttled != 2 || u.Refused != 0 {
				t.Errorf("the manager's usage is %+v", u)
			}
			if u := g.Usage(token); u.OK != 1 || u.Throttled != 0 {
				t.Errorf("the other one's usage is %+v", u)
			}
		})
	}
}

// wantRetryAfter fails unless the header is of that form, and a client that waits as told is not too early and not much late.
func wantRetryAfter(t *testing.T, h http.Header, now time.Time, date bool, wait time.Duration) {
	t.Helper()
	text := h.Get("Retry-After")
	told := time.Duration(0)
	if at, err := http.ParseTime(text); date && err == nil {
		told = at.Sub(now)
	} else if seconds, err := strconv.Atoi(text); !date && err == nil {
		told = time.Duration(seconds) * time.Second
	}
	if told < wait || told >= wait+time.Second {
		t.Errorf("Retry-After is %q, want a wait of %v, as a date: %v", text, wait, date)
	}
}

func TestDigiCertOneMaintenance(t *testing.T) {
	g := newD1(t, DigiCertOneOptions{})
	g.Maintain(d1Start.Add(time.Hour))
	for i, secret := range []string{g.ManagerSecret(), "nobody's", ""} {
		r := g.do(t, secret, "GET", "/user/me", "")
		r.want(t, 503, "service_unavailable")
		wantRetryAfter(t, r.header, g.clock.at, i%2 == 1, time.Hour)
	}
	g.want(t, 503, "", "DELETE", "/user/"+g.Users()[0].ID, "")
	g.clock.at = g.clock.at.Add(time.Hour)
	g.want(t, 200, "", "GET", "/user/me", "")
}

func TestDigiCertOneDefaultRates(t *testing.T) {
	c := &clock{d1Start}
	g := d1Rig{DigiCertOne: NewDigiCertOne(DigiCertOneOptions{Now: c.now}), clock: c, host: "http://one.example"}
	g.via = InMemory(g.DigiCertOne)
	for range 100 {
		g.want(t, 200, "", "GET", "/user/me", "")
	}
	g.want(t, 429, "", "GET", "/user/me", "")
}
