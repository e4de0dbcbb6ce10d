package certcentral

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/providers/internal/rest"
	"github.com/rotatord/rotatord/rotator"
)

func TestParseDate(t *testing.T) {
	noon := time.Date(2019, 6, 21, 13, 37, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"":                          {},
		"2019-06-21T13:37:00Z":      noon,
		"2019-06-21T13:37:00+00:00": noon,
		"2019-06-21T15:37:00+02:00": noon,
		"2019-06-21T13:37:00.000Z":  noon,
		"2019-06-21 13:37:00":       noon,
	} {
		got, err := parseDate(text)
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("parseDate(%q) = %v, %v; want %v in UTC", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "2019-06-21", "1561124220", "21/06/2019 13:37:00", "0001-01-01T00:00:00Z"} {
		if got, err := parseDate(text); err == nil {
			t.Errorf("parseDate(%q) = %v, want an error", text, got)
		}
	}
}

// keysAsDocumented is an answer of GET /key in the documented shape: a used key, one never used, and an ACME address.
const keysAsDocumented = `{"api_keys":[
 {"id":1001,"user":{"id":125039,"first_name":"Service","last_name":"User"},"status":"active","create_date":"2018-10-16T21:28:40+00:00",
  "last_used_date":"2018-10-17T20:04:10+00:00","name":"ci","is_legacy":false,"restricted_to_role_id":0},
 {"id":1002,"user":{"id":125039,"first_name":"Service","last_name":"User"},"status":"revoked","create_date":"2018-10-16 21:28:40","name":"old","is_legacy":true},
 {"id":1003,"user":{"id":125038,"first_name":"Jane","last_name":"Doe"},"status":"active","create_date":"2018-10-16T21:28:40Z","last_used_date":null,"name":"acme",
  "is_legacy":false,"acme_directory_url":"https://acme.example.com/****","product_name_id":"ssl_plus","organization_id":7,"validity_days":90},
 {"id":1004,"status":"deactivated","name":"no user","extra":{"deep":[1,{"er":[]}]}},
 {"id":1005,"user":{"id":125038},"status":"pending","name":"a new word"}
],"unknown":{"members":["are","skipped"]}}`

func TestKeysAsDocumented(t *testing.T) {
	created, used := time.Date(2018, 10, 16, 21, 28, 40, 0, time.UTC), time.Date(2018, 10, 17, 20, 4, 10, 0, time.UTC)
	want := []rotator.Key{
		{ID: "1001", UserID: "125039", Name: "ci", Created: created, LastUsed: used, State: rotator.KeyActive},
		{ID: "1002", UserID: "125039", Name: "old", Created: created, State: rotator.KeyRevoked},
		{ID: "1003", UserID: "125038", Name: "acme", Created: created, State: rotator.KeyOther},
		{ID: "1004", Name: "no user", State: rotator.KeyDisabled},
		{ID: "1005", UserID: "125038", Name: "a new word", State: rotator.KeyOther},
	}
	var got []rotator.Key
	l := &rest.List[wireKey]{Name: "api_keys", Visit: func(k *wireKey) error {
		key, err := k.key()
		got = append(got, key)
		return err
	}}
	if err := l.Read(strings.NewReader(keysAsDocumented)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
}

// usersAsDocumented is the vendor's sample answer of GET /user, with numbers and texts in its placeholders.
const usersAsDocumented = `{"users": [
 {"id": 125038, "username": "jane.doe@digicert.com", "account_id": 123654, "first_name": "Jane", "last_name": "Doe", "email": "jane.doe@digicert.com",
  "job_title": "Boss", "telephone": "555-555-5555", "status": "active",
  "container": {"id": 5, "public_id": "x", "name": "Company", "parent_id": 0, "template_id": 4, "ekey": "x", "has_logo": false, "is_active": true},
  "access_roles": [{"id": 1, "name": "Administrator"}], "type": "standard", "has_container_assignments": false},
 {"id": 125039, "username": "john.smith@digicert.com", "account_id": 123654, "first_name": "John", "last_name": "Smith", "email": "john.smith@digicert.com",
  "status": "inactive", "container": {"id": 5, "name": "Company"}, "access_roles": [{"id": 5, "name": "Standard User"}], "type": "standard",
  "has_container_assignments": true, "container_assignments": [{"id": 6, "parent_id": 5, "name": "x", "is_active": true}]}
], "page": {"total": 2, "limit": 1000, "offset": 0}}`

func TestUsersAsDocumented(t *testing.T) {
	var got []rotator.ServiceUser
	var page wirePage
	l := userList(&page, func(u *wireUser) error {
		got = append(got, u.serviceUser())
		return nil
	})
	if err := l.Read(strings.NewReader(usersAsDocumented)); err != nil {
		t.Fatal(err)
	}
	want := []rotator.ServiceUser{
		{ID: "125038", Name: "jane.doe@digicert.com", Email: "jane.doe@digicert.com", Active: true},
		{ID: "125039", Name: "john.smith@digicert.com", Email: "john.smith@digicert.com"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wirePage{Total: 2, Limit: 1000}, page); diff != "" {
		t.Errorf("the page differs (-want +got):\n%s", diff)
	}
}

func TestKeyWithAnUnreadableDateIsNotGuessed(t *testing.T) {
	for _, k := range []wireKey{{ID: 1, CreateDate: "once"}, {ID: 1, LastUsed: "lately"}, {}} {
		if got, err := k.key(); !errors.Is(err, rest.ErrShape) {
			t.Errorf("%+v became %+v, %v; want an error", k, got, err)
		}
	}
}

func TestMintedIsReadOrUnknown(t *testing.T) {
	c := rest.Call{Method: "POST", Path: "/key/user/1"}
	const value = "PlantedSecretValue"
	m, err := readMinted(c, strings.NewReader(`{"id":9,"api_key":"`+value+`"}`))
	if err != nil || m.KeyID != "9" || string(m.Secret.Reveal()) != value {
		t.Fatalf("readMinted = %+v, %v", m, err)
	}
	for name, body := range map[string]string{
		"nothing": "", "no key": `{"id":9}`, "an empty key": `{"id":9,"api_key":""}`, "no id": `{"api_key":"` + value + `"}`,
		"a broken id": `{"api_key":"` + value + `","id":"x"}`, "cut": `{"id":9,"api_key":"` + value, "a key in a list": `{"id":9,"api_key":["` + value + `"]}`,
		"a key with a line break": `{"id":9,"api_key":"` + value + `\n"}`, "a masked key": `{"id":9,"api_key":"**** ****"}`, "text": value,
	} {
		_, err := readMinted(c, strings.NewReader(body))
		if rotator.KindOf(err) != rotator.UnknownOutcome || strings.Contains(err.Error(), value) {
			t.Errorf("%s: got %v, want an unknown outcome without the value", name, err)
		}
	}
}

func TestPagerNoticesAListThatIsNotOneList(t *testing.T) {
	page := func(total, offset int) wirePage { return wirePage{Total: total, Limit: 2, Offset: offset} }
	for _, c := range []struct {
		name  string
		after pager
		page  wirePage
		n     int
		first int64
		says  string
	}{
		{"the total grew", pager{limit: 2, offset: 2, total: 4, firstID: 1}, page(5, 2), 2, 3, "from 4 to 5"},
		{"the total shrank", pager{limit: 2, offset: 2, total: 4, firstID: 1}, page(3, 2), 1, 3, "from 4 to 3"},
		{"an empty page amid the list", pager{limit: 2, offset: 2, total: 4, firstID: 1}, page(4, 2), 0, -1, "truncated"},
		{"more than the total", pager{limit: 2, offset: 0, total: -1, firstID: -1}, page(1, 0), 2, 1, "shows 2"},
		{"another page than asked for", pager{limit: 2, offset: 2, total: 4, firstID: 1}, page(4, 0), 2, 3, "asked for"},
		{"the page before again", pager{limit: 2, offset: 2, total: 4, firstID: 1}, page(4, 2), 2, 1, "repeats"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := c.after.turn(c.page, c.n, c.first); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error with %q", err, c.says)
			}
		})
	}
}

func FuzzKeyList(f *testing.F) {
	f.Add([]byte(keysAsDocumented))
	f.Add([]byte(`{"api_keys":[`))
	f.Add([]byte(`{"x":{"y":[[[]]]},"api_keys":[{"id":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		visited := 0
		l := &rest.List[wireKey]{Name: "api_keys", Visit: func(k *wireKey) error {
			visited++
			key, err := k.key()
			if err == nil && (key.ID == "" || key.State == "") {
				t.Errorf("a key without an id or a state got through: %+v", key)
			}
			return err
		}}
		if err := l.Read(strings.NewReader(string(body))); err == nil && visited != l.Seen {
			t.Errorf("visited %d of %d", visited, l.Seen)
		}
	})
}

func FuzzUserPage(f *testing.F) {
	f.Add([]byte(usersAsDocumented))
	f.Add([]byte(`{"users":[],"page":{"total":0}}`))
	f.Add([]byte(`{"page":null,"users":[]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var page *wirePage
		l := userList(&wirePage{}, func(*wireUser) error { return nil })
		l.Beside[0].Into = &page
		if err := l.Read(strings.NewReader(string(body))); err == nil && page == nil {
			t.Error("a page without its numbers got through")
		}
	})
}

func FuzzMinted(f *testing.F) {
	f.Add([]byte(`{"id":9,"api_key":"value"}`))
	f.Add([]byte(`{"id":9,"api_key":"\u0000"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := readMinted(rest.Call{Method: "POST"}, strings.NewReader(string(body)))
		if err == nil && (m.Secret.Empty() || !rest.Sendable(m.Secret.Reveal())) {
			t.Error("a secret that cannot be sent got through")
		}
		if err != nil && rotator.KindOf(err) != rotator.UnknownOutcome {
			t.Errorf("got %v, want an unknown outcome", err)
		}
	})
}

func FuzzParseDate(f *testing.F) {
	f.Add("2019-06-21T13:37:00+00:00")
	f.Add("2019-06-21 13:37:00")
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := parseDate(text); err == nil && (text == "") != at.IsZero() {
			t.Errorf("%q became %v; the zero time means never", text, at)
		}
	})
}
