package digicertone_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

const day = 24 * time.Hour

// in is the day that many days from today, in UTC.
func in(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }

func endOf(t *testing.T, date string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, date)
	if err != nil {
		t.Fatal(err)
	}
	return d.Add(day - time.Second)
}

func wantKind(t *testing.T, err error, want rotator.Kind, words ...string) {
	t.Helper()
	if f, ok := errors.AsType[*rotator.Fault](err); !ok || f.Kind != want {
		t.Errorf("got %v, want a fault of kind %s", err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

// seen is what a scan saw.
type seen struct {
	users []rotator.ServiceUser
	keys  []rotator.Key
}

// User implements rotator.Visitor.
func (s *seen) User(u rotator.ServiceUser) error { s.users = append(s.users, u); return nil }

// Key implements rotator.Visitor.
func (s *seen) Key(k rotator.Key) error { s.keys = append(s.keys, k); return nil }

func scan(t *testing.T, p *digicertone.Provider, userID string) *seen {
	t.Helper()
	s := &seen{}
	if err := p.Scan(t.Context(), rotator.Scope{UserID: userID}, s); err != nil {
		t.Fatalf("Scan: %v", err)
	}
	return s
}

func TestMintSetsTheEndDate(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	p := i.provider(t, digicertone.Options{})
	m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci-r0001", Lifetime: 30 * day})
	if err != nil {
		t.Fatal(err)
	}
	token, _ := i.Token(m.KeyID)
	left := time.Until(m.Expires)
	if token.EndDate != m.Expires.Format(time.DateOnly) || left > 30*day || left <= 29*day {
		t.Errorf("the token ends on %s, Mint says %v", token.EndDate, m.Expires)
	}
	_, err = p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci-r0001", Lifetime: 30 * day})
	wantKind(t, err, rotator.Conflict, "duplicate_error")
	_, err = p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci-r0002", Lifetime: time.Nanosecond})
	wantKind(t, err, rotator.Invalid, "end of today")
	_, err = p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci/r0002", Lifetime: 30 * day})
	wantKind(t, err, rotator.Invalid, `"ci/r0002"`)
	if got := len(i.Tokens(user)); got != 1 {
		t.Errorf("there are %d tokens, want 1", got)
	}
}

func TestDisableAndEnableTokens(t *testing.T) {
	for _, style := range []digicertone.UpdateStyle{digicertone.FullUpdate, digicertone.PartialUpdate} {
		t.Run(string(style), func(t *testing.T) {
			i := newInstance(t, emulator.DigiCertOneOptions{})
			user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
			id, secret := i.addToken(t, emulator.DigiCertOneToken{UserID: user, Name: "ci", EndDate: in(9)})
			p := i.provider(t, digicertone.Options{UpdateStyle: style})
			key := rotator.Key{ID: id, UserID: user, Name: "ci"}
			if style == digicertone.PartialUpdate {
				// The emulator takes full objects; that the name was not sent is what it complains about.
				wantKind(t, p.Disable(t.Context(), key), rotator.Invalid, "name is required")
				return
			}
			for range 2 {
				if err := p.Disable(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			if token, _ := i.Token(id); !token.Disabled || token.EndDate != in(9) || token.Name != "ci" {
				t.Errorf("after Disable the token is %+v", token)
			}
			wantKind(t, p.Check(t.Context(), user, secret), rotator.Denied)
			if got := scan(t, p, user).keys; len(got) != 1 || got[0].State != rotator.KeyDisabled {
				t.Errorf("the scan shows %+v", got)
			}
			for range 2 {
				if err := p.Enable(t.Context(), key); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Check(t.Context(), user, secret); err != nil {
				t.Errorf("after Enable: %v", err)
			}
		})
	}
}

func TestExpiredAndGoneTokens(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	old, _ := i.addToken(t, emulator.DigiCertOneToken{UserID: user, Name: "old", EndDate: in(-1)})
	p := i.provider(t, digicertone.Options{})
	key := rotator.Key{ID: old, UserID: user}
	if got := scan(t, p, user).keys; len(got) != 1 || got[0].State != rotator.KeyExpired || !got[0].Expires.Equal(endOf(t, in(-1))) {
		t.Errorf("the scan shows %+v", got)
	}
	if err := p.Disable(t.Context(), key); err != nil {
		t.Errorf("Disable of what has expired: %v", err)
	}
	wantKind(t, p.Enable(t.Context(), key), rotator.Invalid, "cannot be enabled again")
	_, err := p.Extend(t.Context(), key, time.Now().Add(90*day))
	wantKind(t, err, rotator.Invalid, "has expired")
	if err := p.Retire(t.Context(), key); err != nil {
		t.Errorf("Retire of what has expired: %v", err)
	}
	if err := p.Disable(t.Context(), key); err != nil {
		t.Errorf("Disable of what is gone: %v", err)
	}
	wantKind(t, p.Enable(t.Context(), key), rotator.Gone)
	for _, id := range []string{"", "me", "../user/x", "a b"} {
		wantKind(t, p.Retire(t.Context(), rotator.Key{ID: id}), rotator.Invalid)
		wantKind(t, p.Disable(t.Context(), rotator.Key{ID: id}), rotator.Invalid)
	}
}

func TestExtend(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	p := i.provider(t, digicertone.Options{})
	for n, tc := range []struct {
		name, end string
		disabled  bool
		until     time.Time
		want      string // the end date afterwards
		words     string // of the refusal; "" for none
	}{
		{"to the end of a day", in(5), false, endOf(t, in(40)), in(40), ""},
		{"to the day before", in(5), false, endOf(t, in(40)).Add(-time.Second), in(39), ""},
		{"where it is already", in(5), false, endOf(t, in(5)).Add(time.Hour), in(5), ""},
		{"on its last day", in(0), false, endOf(t, in(30)), in(30), ""},
		{"backwards", in(50), false, endOf(t, in(40)), in(50), "never brought forward"},
		{"into the past", in(5), false, endOf(t, in(-1)), in(5), "is over"},
		{"what is disabled", in(5), true, endOf(t, in(40)), in(5), "not active"},
		{"what never ends", "", false, endOf(t, in(40)), "", "no end date"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, _ := i.addToken(t, emulator.DigiCertOneToken{UserID: user, Name: fmt.Sprintf("token %d", n), EndDate: tc.end, Disabled: tc.disabled})
			got, err := p.Extend(t.Context(), rotator.Key{ID: id, UserID: user}, tc.until)
			if tc.words != "" {
				wantKind(t, err, rotator.Invalid, tc.words)
			} else if err != nil || !got.Equal(endOf(t, tc.want)) {
				t.Errorf("got %v, %v, want the end of %s", got, err, tc.want)
			}
			if token, _ := i.Token(id); token.EndDate != tc.want || token.Disabled != tc.disabled {
				t.Errorf("the token is %+v afterwards", token)
			}
		})
	}
}

// renamed is every name of the mapping, changed.
func renamed() (digicertone.Fields, map[string]string) {
	f := digicertone.DefaultFields()
	f.UserID, f.UserName, f.UserDescription, f.UserEmail, f.UserStatus = "uuid", "display.name", "notes", "contact.mail", "life.state"
	f.UserType, f.UserCreated, f.UserEndDate, f.UserAccounts = "kind", "made", "life.until", "access.accounts"
	f.UserManagers, f.UserRoles, f.UserAccount = "access.managers", "access.roles", "home"
	f.CreatedToken, f.CreatedTokenID, f.CreatedTokenEndDate = "credential.secret.text", "credential.key", "credential.until"
	f.TokenID, f.TokenName, f.TokenUserID, f.TokenStatus, f.TokenEndDate = "uuid", "label", "owner.id", "state", "expiry.date"
	f.TokenCreated, f.TokenLastUsed, f.TokenValue = "made", "used", "secret.value"
	return f, map[string]string{
		"user.id": f.UserID, "user.friendly_name": f.UserName, "user.description": f.UserDescription, "user.email": f.UserEmail,
		"user.status": f.UserStatus, "user.user_type": f.UserType, "user.created_at": f.UserCreated, "user.end_date": f.UserEndDate,
		"user.accounts": f.UserAccounts, "user.applications": f.UserManagers, "user.roles": f.UserRoles, "user.primary_account_id": f.UserAccount,
		"user.api_token.token": f.CreatedToken, "user.api_token.id": f.CreatedTokenID, "user.api_token.end_date": f.CreatedTokenEndDate,
		"token.id": f.TokenID, "token.name": f.TokenName, "token.user_id": f.TokenUserID, "token.status": f.TokenStatus,
		"token.end_date": f.TokenEndDate, "token.created_at": f.TokenCreated, "token.last_used_at": f.TokenLastUsed, "token.token": f.TokenValue,
	}
}

func TestRenamedFields(t *testing.T) {
	fields, names := renamed()
	i := newInstance(t, emulator.DigiCertOneOptions{
		Fields: names, Words: map[string]string{"ACTIVE": "on", "DISABLED": "off", "EXPIRED": "over"}, ShowLastUsed: true, CreatedStatus: 200,
	})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci-base", Description: "builds", EndDate: in(300)})
	used := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
	old, _ := i.addToken(t, emulator.DigiCertOneToken{UserID: user, Name: "old", EndDate: in(3), LastUsed: used})
	o := digicertone.Options{Fields: fields, Statuses: digicertone.Statuses{Active: "on", Disabled: "off", Expired: "over"}}
	p := i.provider(t, o)
	if !p.Limits().ReportsLastUse {
		t.Error("last use is mapped and the limits do not say so")
	}
	all := scan(t, p, "")
	if len(all.users) != 1 || all.users[0].Name != "ci-base" || !all.users[0].Active || len(all.keys) != 1 || !all.keys[0].LastUsed.Equal(used) {
		t.Fatalf("the scan shows %+v", all)
	}
	m, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "new", Lifetime: 90 * day})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(t.Context(), user, m.Secret); err != nil {
		t.Error(err)
	}
	key := rotator.Key{ID: old, UserID: user}
	if got, err := p.Extend(t.Context(), key, endOf(t, in(20))); err != nil || !got.Equal(endOf(t, in(20))) {
		t.Errorf("Extend: %v, %v", got, err)
	}
	if err := p.Disable(t.Context(), key); err != nil {
		t.Error(err)
	}
	if got, _ := i.Token(old); !got.Disabled || got.EndDate != in(20) {
		t.Errorf("the old token is %+v", got)
	}
	o.Mode = digicertone.RecreateMode
	successor, err := i.provider(t, o).Mint(t.Context(), rotator.MintRequest{UserID: "ci-base", Name: "ci-base-r0002", Lifetime: 90 * day, Replaces: user})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := i.User(successor.KeyID); got.Description != "builds" || got.EndDate != successor.Expires.Format(time.DateOnly) {
		t.Errorf("the successor is %+v", got)
	}
}

func TestEveryRenamedFieldNamesItsSetting(t *testing.T) {
	_, names := renamed()
	settings := map[string]string{
		"user.id": "user_id", "user.friendly_name": "user_name", "user.status": "user_status", "token.id": "token_id", "token.name": "token_name",
		"token.user_id": "token_user_id", "token.status": "token_status",
	}
	for field, setting := range settings {
		t.Run(setting, func(t *testing.T) {
			i := newInstance(t, emulator.DigiCertOneOptions{Fields: map[string]string{field: names[field]}})
			user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
			i.addToken(t, emulator.DigiCertOneToken{UserID: user, Name: "ci"})
			err := i.provider(t, digicertone.Options{}).Scan(t.Context(), rotator.Scope{}, &seen{})
			wantKind(t, err, rotator.Invalid, "fields."+setting, "GET /")
		})
	}
}

func TestAMintWhoseAnswerLacksAField(t *testing.T) {
	for field, words := range map[string]string{"token.token": "fields.token_value", "token.id": "fields.token_id", "token.end_date": "fields.token_end_date"} {
		t.Run(field, func(t *testing.T) {
			i := newInstance(t, emulator.DigiCertOneOptions{Fields: map[string]string{field: "elsewhere"}})
			user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
			_, err := i.provider(t, digicertone.Options{}).Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci", Lifetime: 90 * day})
			// The token was made, so nothing else may be said.
			wantKind(t, err, rotator.UnknownOutcome, words)
		})
	}
}

func TestAPagedListThatIsNotExpected(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{PageLimit: 10})
	err := i.provider(t, digicertone.Options{}).Scan(t.Context(), rotator.Scope{}, &seen{})
	wantKind(t, err, rotator.Invalid, "set page_size")
}

func TestAnInstanceWithoutTokens(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{TokensRefusedWith: 404})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	p := i.provider(t, digicertone.Options{})
	wantKind(t, p.Scan(t.Context(), rotator.Scope{}, &seen{}), rotator.Invalid, "mode: recreate")
	wantKind(t, p.Scan(t.Context(), rotator.Scope{UserID: user}, &seen{}), rotator.Invalid, "mode: recreate")
	problems, err := p.Preflight(t.Context())
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0], "mode: recreate") {
		t.Errorf("Preflight: %q, %v", problems, err)
	}
}

func TestAUserThatIsGoneHasNoTokens(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	if err := i.RemoveUser(user); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, i.provider(t, digicertone.Options{}), user); len(got.keys) != 0 {
		t.Errorf("the scan shows %+v", got)
	}
}

func TestMaintenance(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	user, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci"})
	p := i.provider(t, digicertone.Options{})
	i.Maintain(time.Now().Add(time.Hour))
	for range 2 { // both forms of Retry-After
		err := p.Scan(t.Context(), rotator.Scope{}, &seen{})
		wantKind(t, err, rotator.Throttled, "maintenance")
		if got := rotator.RetryAfterOf(err); got < 58*time.Minute || got > time.Hour+time.Second {
			t.Errorf("the fault says to wait %v", got)
		}
	}
	_, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci", Lifetime: 90 * day})
	wantKind(t, err, rotator.UnknownOutcome)
}

func TestSelf(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	id, secret := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "rotator-r0004", FirstToken: "rotator-r0004", Roles: []string{"AM_ACCOUNT_ADMIN"}})
	for mode, want := range map[digicertone.Mode]string{digicertone.TokenMode: id, digicertone.RecreateMode: "rotator"} {
		user, own, err := i.provider(t, digicertone.Options{Mode: mode, Key: fixed(secret)}).Self(t.Context())
		if err != nil || user != want || string(own.Reveal()) != secret {
			t.Errorf("%s: got %q, %v", mode, user, err)
		}
	}
}

func TestPreflight(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci", Roles: []string{"AM_ACCOUNT_USER"}})
	_, weak := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "weak", FirstToken: "weak", Roles: []string{"AM_ACCOUNT_MANAGER"}})
	other := i.AddAccount("Other")
	for _, tc := range []struct {
		name string
		o    digicertone.Options
		want []string // the beginnings of the sentences
	}{
		{"all is well", digicertone.Options{}, nil},
		{"all is well in recreate mode", digicertone.Options{Mode: digicertone.RecreateMode}, nil},
		{"a dead token", digicertone.Options{Key: fixed("dead")}, []string{"rotatord cannot read its own user"}},
		{"a token that may only look", digicertone.Options{Key: fixed(weak)}, []string{"The tokens of the service user"}},
		{"an account that is out of reach", digicertone.Options{AccountID: other}, []string{"Of the 1 accounts"}},
		{"another word for active", digicertone.Options{Statuses: digicertone.Statuses{Active: "on", Disabled: "off", Expired: "over"}}, []string{"rotatord's own user"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := i.provider(t, tc.o).Preflight(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.EqualFunc(tc.want, got, func(want, have string) bool { return strings.HasPrefix(have, want) }) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if i.requests(func(s string) bool { return !strings.HasPrefix(s, "GET ") }) != 0 {
		t.Error("the preflight wrote something")
	}
	i.Maintain(time.Now().Add(time.Hour))
	if _, err := i.provider(t, digicertone.Options{}).Preflight(t.Context()); rotator.KindOf(err) != rotator.Throttled {
		t.Errorf("in maintenance: %v", err)
	}
}
