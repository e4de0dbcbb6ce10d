package dataspot

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

// TestSpecifiedUser reads every field that the specification's schemas User and AccessKey have, each with a value of its type.
func TestSpecifiedUser(t *testing.T) {
	sample, err := os.ReadFile("testdata/user.json")
	if err != nil {
		t.Fatal(err)
	}
	var u wireUser
	if err := rest.ReadObject(bytes.NewReader(sample), &u); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	wantUser := rotator.ServiceUser{ID: "7e0b2a54-8a1f-4a39-9d3e-2f1c5b6a7d80", Name: "CI reader", Login: "ci-reader", Active: true}
	if diff := cmp.Diff(wantUser, u.serviceUser()); diff != "" {
		t.Error(diff)
	}
	wantKeys := []rotator.Key{
		{ID: "c1f4f1de-0d4e-4b0b-8f5d-3f3f0c1d2e3a", UserID: wantUser.ID, Name: "deploy", Created: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
			Expires: time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), State: rotator.KeyActive},
		{ID: "declared:" + wantUser.ID + "/old", UserID: wantUser.ID, Name: "old", Created: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
			Expires: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), State: rotator.KeyExpired},
	}
	for i, k := range *u.AccessKeys {
		got, err := k.key(u.ID, now)
		if diff := cmp.Diff(wantKeys[i], got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	wantAttributes := []rotator.Attribute{
		{Name: "login_id", Values: []string{"ci-reader"}}, {Name: "access_level", Values: []string{"READ_ONLY"}},
		{Name: "tenant_id", Values: []string{"3a9d6a10-50e5-4f0b-a3c1-0c9d8e7f6a5b"}}, {Name: "modified", Values: []string{"2026-02-03T04:05:06Z"}},
		{Name: "access_keys", Values: []string{"deploy", "old"}},
	}
	if diff := cmp.Diff(wantAttributes, u.details().Attributes); diff != "" {
		t.Error(diff)
	}
}

func TestWireTime(t *testing.T) {
	day := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	for raw, want := range map[string]time.Time{
		`null`: {}, `""`: {},
		`"2027-03-01T10:00:00Z"`:          day.Add(10 * time.Hour),
		`"2027-03-01T10:00:00.250+02:00"`: day.Add(8*time.Hour + 250*time.Millisecond),
		`"2027-03-01T10:00:00.000+0200"`:  day.Add(8 * time.Hour),
		`"2027-03-01T10:00:00"`:           day.Add(10 * time.Hour),
		`"2027-03-01"`:                    day,
		`1803859200000`:                   time.UnixMilli(1803859200000).UTC(),
		`"1803859200000"`:                 time.UnixMilli(1803859200000).UTC(),
	} {
		var got wireTime
		if err := json.Unmarshal([]byte(raw), &got); err != nil || !got.Equal(want) {
			t.Errorf("%s is read as %v, want %v: %v", raw, got, want, err)
		}
	}
	for _, raw := range []string{`0`, `-1`, `1e3`, `true`, `{}`, `"soon"`, `"0001-01-01T00:00:00Z"`, `99999999999999999`} {
		var got wireTime
		if err := json.Unmarshal([]byte(raw), &got); err == nil {
			t.Errorf("%s is read as %v, want an error", raw, got)
		}
	}
}

func TestExpiryTime(t *testing.T) {
	at := func(text string) time.Time {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, tc := range []struct {
		name, expiry, now string
		lifetime          time.Duration
		want              string
	}{
		{"the last end of a day within the lifetime", "23:59:59Z", "2026-05-01T12:00:00Z", 90 * 24 * time.Hour, "2026-07-29T23:59:59Z"},
		{"a time of day within that day", "08:00:00Z", "2026-05-01T12:00:00Z", 90 * 24 * time.Hour, "2026-07-30T08:00:00Z"},
		{"in another zone", "23:59:59+02:00", "2026-05-01T12:00:00Z", 10 * 24 * time.Hour, "2026-05-10T21:59:59Z"},
		{"a leap day", "23:59:59Z", "2028-02-28T23:59:59Z", 24 * time.Hour, "2028-02-29T23:59:59Z"},
		{"a lifetime of hours lasts to the end of the day", "23:59:59Z", "2026-05-01T12:00:00Z", time.Hour, "2026-05-01T23:59:59Z"},
		{"to the second", "exact", "2026-05-01T12:00:00.75Z", 5 * time.Minute, "2026-05-01T12:05:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := parseExpiryTime(tc.expiry)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.after(at(tc.now), tc.lifetime); !got.Equal(at(tc.want)) {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		write  bool
		body   string
		kind   rotator.Kind
		word   string
	}{
		{"a message", 400, true, `{"method":"PATCH","message":"not valid","violations":[{"message":"a"},{"message":"b"}],"errors":["c",{"d":1}]}`, rotator.Invalid, `not valid; a; b; c; {"d":1}`},
		{"a page", 400, true, `<html>`, rotator.Invalid, "status 400"},
		{"a bad key", 401, false, `{"message":"x"}`, rotator.Denied, "expired"},
		{"no right", 403, true, ``, rotator.Denied, "administrators"},
		{"a name that is taken", 409, true, `{"message":"taken"}`, rotator.Conflict, "taken"},
		{"patience", 429, true, ``, rotator.Throttled, "patience"},
		{"a key that cannot be decoded", 500, false, `{"message":"Last unit does not have enough valid bits"}`, rotator.Invalid, "cannot be a key"},
		{"that, in a page", 500, true, `<p>Illegal base64 character 2b</p>`, rotator.Invalid, "cannot be a key"},
		{"a fault of the server", 500, false, `{"message":"boom"}`, rotator.Transient, "boom"},
		{"a fault amid a write", 500, true, ``, rotator.UnknownOutcome, ""},
		{"gone", 410, false, ``, rotator.Gone, ""},
		{"not there, says the server", 404, false, `{"message":"no"}`, rotator.Gone, ""},
		{"not there, says something", 404, false, `no`, rotator.Invalid, "base URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := classify(rest.Refusal{Op: "GET /x", Status: tc.status, Write: tc.write, Body: []byte(tc.body)})
			if f.Kind != tc.kind || !strings.Contains(f.Error(), tc.word) {
				t.Errorf("got %v, want %s and %q", f, tc.kind, tc.word)
			}
		})
	}
}

// TestNoRequestReachesMoreThanOneUser sends what the guard refuses, by the client that sends everything else.
func TestNoRequestReachesMoreThanOneUser(t *testing.T) {
	reached := 0
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer web.Close()
	p, err := New(Options{BaseURL: web.URL + "/ctx", Database: "prod", Tenant: "ACME", Key: func() (rotator.Secret, error) { return rotator.SecretString("x"), nil }})
	if err != nil {
		t.Fatal(err)
	}
	const id = "7e0b2a54-8a1f-4a39-9d3e-2f1c5b6a7d80"
	for _, c := range []rest.Call{
		{Method: http.MethodDelete, Path: "/rest/prod/users"},
		{Method: http.MethodDelete, Path: "/rest/prod/users/"},
		{Method: http.MethodDelete, Path: "/rest/prod/users/" + id},
		{Method: "delete", Path: "/rest/prod/users"},
		{Method: http.MethodPatch, Path: "/rest/prod/users"},
		{Method: http.MethodPatch, Path: "/rest/prod/users/"},
		{Method: http.MethodPut, Path: "/rest/prod/users"},
		{Method: http.MethodPut, Path: "/rest/prod/users/.."},
		{Method: http.MethodPut, Path: "/rest/prod/users/%2e%2e"},
		{Method: http.MethodPatch, Path: "/rest/prod/users/" + id + "/x"},
		{Method: http.MethodPatch, Path: "/rest/prod/users%2F" + id + "%2F"},
		{Method: http.MethodPost, Path: "/rest/prod/users/" + id},
		{Method: http.MethodPost, Path: "/rest/other/users"},
		{Method: http.MethodPatch, Path: "/rest/prod/tenants/" + id},
	} {
		_, err := p.api.Write(t.Context(), c)
		if rotator.KindOf(err) != rotator.Invalid || err == nil {
			t.Errorf("%s %s ends with %v", c.Method, c.Path, err)
		}
	}
	if reached != 0 {
		t.Errorf("%d requests reached the server", reached)
	}
	if _, err := p.api.Write(t.Context(), rest.Call{Method: http.MethodPatch, Path: "/rest/prod/users/" + id}); err != nil || reached != 1 {
		t.Errorf("what is allowed ends with %v", err)
	}
}

// TestAValueThatWasSentIsNotRepeated has a server that quotes what it does not accept.
func TestAValueThatWasSentIsNotRepeated(t *testing.T) {
	var sent string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var change wireChange
		if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
			t.Error(err)
		}
		sent = change.AccessKeys[0].Value
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"message":"` + strings.Repeat("x", 250) + ` no good: ` + sent + `"}`))
	}))
	defer web.Close()
	p, err := New(Options{
		BaseURL: web.URL, Database: "prod", Tenant: "ACME", Key: func() (rotator.Secret, error) { return rotator.SecretString("the-own-key"), nil },
		CreateKeys: ByPatch, ThrowawayUser: "spare", ClientValues: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	d := &document{wireUser: wireUser{ID: "7e0b2a54-8a1f-4a39-9d3e-2f1c5b6a7d80"}}
	_, err = p.writeKey(t.Context(), d, "ci", time.Now().Add(time.Hour))
	if err == nil || len(sent) != 64 || strings.Contains(err.Error(), sent[:8]) || !strings.Contains(err.Error(), "hold the value") || rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("%d characters were sent, and the error is %v", len(sent), err)
	}
}

func FuzzUserList(f *testing.F) {
	sample, err := os.ReadFile("testdata/users.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add([]byte(`{"total":0}`))
	f.Add([]byte(`{"_embedded":{"users":[{"id":"a","accessKeys":[{"name":"x","dateExpires":1}]}]},"total":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := -1
		l := &rest.List[wireUser]{Name: "_embedded.users", Optional: true, Beside: []rest.Member{{Name: "total", Into: &total}}, Visit: func(u *wireUser) error {
			if u.AccessKeys == nil {
				return nil
			}
			for _, k := range *u.AccessKeys {
				if key, err := k.key(u.ID, time.Now()); err == nil && (key.ID == "" || key.Expires.IsZero()) {
					t.Errorf("a key without id or expiry: %+v", key)
				}
			}
			return nil
		}}
		if err := l.Read(bytes.NewReader(data)); err == nil && total == -1 && !bytes.Contains(data, []byte("-1")) {
			t.Errorf("a list without a total was taken: %q", data)
		}
	})
}

func FuzzWireTime(f *testing.F) {
	for _, seed := range []string{`null`, `"2027-03-01T10:00:00Z"`, `1803859200000`, `"x"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var at wireTime
		if json.Unmarshal(data, &at) != nil || at.IsZero() {
			return
		}
		again, err := json.Marshal(at.Time)
		if err != nil {
			t.Errorf("%q is read as a time that cannot be written: %v", data, err)
		}
		var same wireTime
		if err := json.Unmarshal(again, &same); err != nil || !same.Equal(at.Time) {
			t.Errorf("%q becomes %v, and then %v: %v", data, at, same, err)
		}
	})
}

// FuzzMade: whatever comes after a key was made, its value is in no error.
func FuzzMade(f *testing.F) {
	f.Add([]byte(`{"id":"u","accessKeys":[{"id":"k","name":"ci","dateExpires":"2027-03-01T00:00:00Z","value":"the-hidden-value"}]}`))
	f.Add([]byte(`{"accessKeys":[{"name":"ci","value":7,"hint":"the-hidden-value"}]}`))
	f.Add([]byte(`{"accessKeys":[{"name":"ci","dateExpires":"the-hidden-value"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		made, err := readMade("PATCH /x", bytes.NewReader(bytes.Clone(data)), "u", wireNewKey{Name: "ci"})
		if err == nil {
			if made.KeyID == "" || !rest.Sendable(made.Secret.Reveal()) {
				t.Errorf("%q is taken for a key: %+v", data, made)
			}
			return
		}
		if rotator.KindOf(err) != rotator.UnknownOutcome || !errors.Is(err, errNoAnswer) && !errors.Is(err, errNoValue) {
			t.Errorf("%q ends with %v", data, err)
		}
	})
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"access_token":"the-hidden-token","token_type":"Bearer","expires_in":3600}`))
	f.Add([]byte(`{"access_token":"the-hidden-token","token_type":"bearer","expires_in":"60"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		token, lifetime, err := readToken("POST /x", bytes.NewReader(bytes.Clone(data)))
		if err == nil && (!rest.Sendable(token.Reveal()) || lifetime <= 0) {
			t.Errorf("%q is taken for a token of %v", data, lifetime)
		}
		if err != nil && strings.Contains(err.Error(), "the-hidden-token") {
			t.Errorf("the error holds the token: %v", err)
		}
	})
}

func FuzzErrors(f *testing.F) {
	f.Add(500, []byte(`{"method":"GET","message":"Last unit does not have enough valid bits","violations":[{"message":"v"}],"errors":["e",{"x":1}]}`))
	f.Add(404, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, r := range []rest.Refusal{{Op: "GET /x", Status: status, Body: body}, {Op: "PATCH /x", Write: true, Status: status, Body: body}} {
			for _, fault := range []*rotator.Fault{classify(r), classifyToken(r)} {
				if fault.Kind == "" || strings.ContainsAny(fault.Error(), "\r\n") {
					t.Errorf("%d %q becomes %q", status, body, fault)
				}
			}
		}
	})
}

func TestListedKeysWithoutWhatTheyMustHave(t *testing.T) {
	for name, k := range map[string]wireKey{"a name": {ID: "k", DateExpires: wireTime{time.Now()}}, "an expiry": {ID: "k", Name: "ci"}} {
		if got, err := k.key("u", time.Now()); !errors.Is(err, rest.ErrShape) {
			t.Errorf("without %s it is taken for %+v: %v", name, got, err)
		}
	}
}

func TestNamesOfTheThrowawayKeysFit(t *testing.T) {
	for _, tc := range []struct {
		most        int
		class, want string
	}{
		{0, "", "rotatord-proof-q-a"},
		{10, "", "-proof-q-a"},
		{0, "a-z", "rotatordproofqa"},
		{0, "A-Z", "rotatord-proof-q-a"}, // which the server refuses, with words
	} {
		p, err := New(Options{
			BaseURL: "https://acme.dataspot.io", Database: "prod", Tenant: "ACME", Key: func() (rotator.Secret, error) { return rotator.Secret{}, nil },
			MaxNameLength: tc.most, NameCharacters: tc.class,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.fitName("rotatord-proof-q-a", "-a"); got != tc.want {
			t.Errorf("at most %d of [%s]: got %s, want %s", tc.most, tc.class, got, tc.want)
		}
	}
}
