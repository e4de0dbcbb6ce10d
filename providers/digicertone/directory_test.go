package digicertone_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

const (
	accountManager = "a9900000-0000-4000-8000-000000000001"
	accountUser    = "401e0000-0000-4000-8000-000000000002"
	accountAdmin   = "401e0000-0000-4000-8000-000000000004"
)

func spec(i *instance) rotator.UserSpec {
	return rotator.UserSpec{
		Kind: rotator.ServiceKind, Name: "ci", KeyName: "ci-r0001", Email: "ci@example.com", Description: "builds", EndDate: in(90),
		Accounts: []string{i.Users()[0].Accounts[0]}, Managers: []string{accountManager}, Roles: []string{accountUser},
	}
}

func TestCreateUser(t *testing.T) {
	for _, mode := range []digicertone.Mode{digicertone.TokenMode, digicertone.RecreateMode} {
		t.Run(string(mode), func(t *testing.T) {
			i := newInstance(t, emulator.DigiCertOneOptions{})
			p := i.provider(t, digicertone.Options{Mode: mode})
			s := spec(i)
			made, err := p.CreateUser(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if !made.HasKey || !made.Key.Expires.Equal(endOf(t, s.EndDate)) {
				t.Errorf("got %+v", made)
			}
			if err := p.Check(t.Context(), made.UserID, made.Key.Secret); err != nil {
				t.Errorf("its key: %v", err)
			}
			got := scan(t, p, made.UserID)
			if len(got.keys) != 1 || got.keys[0].ID != made.Key.KeyID {
				t.Errorf("the scan shows %+v, want the key %s", got, made.Key.KeyID)
			}
			have, err := p.ShowUser(t.Context(), made.UserID)
			if err != nil {
				t.Fatal(err)
			}
			if drift := rotator.Drift(s, have); len(drift) != 0 {
				t.Errorf("right after its creation it differs: %v", drift)
			}
			_, err = p.CreateUser(t.Context(), s)
			wantKind(t, err, rotator.Conflict)
			if mode == digicertone.RecreateMode && (made.UserID != "ci" || got.keys[0].Name != "ci-r0001") {
				t.Errorf("the series is %q and its key %q", made.UserID, got.keys[0].Name)
			}
		})
	}
}

// lastBody is a transport that remembers what was posted.
type lastBody struct{ body []byte }

func (l *lastBody) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		l.body, r.Body = text, io.NopCloser(bytes.NewReader(text))
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestAPreviewIsWhatIsSent, and what is sent says when a key ends that is a user.
func TestAPreviewIsWhatIsSent(t *testing.T) {
	for mode, name := range map[digicertone.Mode]string{digicertone.TokenMode: "ci", digicertone.RecreateMode: "ci-r0001"} {
		i := newInstance(t, emulator.DigiCertOneOptions{})
		sent := &lastBody{}
		p := i.provider(t, digicertone.Options{Mode: mode, Transport: sent})
		s := spec(i)
		s.EndDate, s.KeyLifetime = "", 90*24*time.Hour
		preview, err := p.PreviewUser(s)
		if err != nil || sent.body != nil {
			t.Fatalf("a preview: %v, sent %s", err, sent.body)
		}
		if _, err := p.CreateUser(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(preview.Body, sent.body) || preview.Method+" "+preview.Path != "POST /user" {
			t.Errorf("%s: sent %s, shown %+v", mode, sent.body, preview)
		}
		ends := bytes.Contains(sent.body, []byte(`"end_date"`))
		if !bytes.Contains(sent.body, []byte(`"friendly_name":"`+name+`"`)) || ends != (mode == digicertone.RecreateMode) {
			t.Errorf("%s: sent %s", mode, sent.body)
		}
		s.Email = "nobody"
		if _, err := p.PreviewUser(s); rotator.KindOf(err) != rotator.Invalid {
			t.Errorf("%s: what would be refused is shown: %v", mode, err)
		}
	}
}

func TestUpdateUser(t *testing.T) {
	for _, mode := range []digicertone.Mode{digicertone.TokenMode, digicertone.RecreateMode} {
		t.Run(string(mode), func(t *testing.T) {
			i := newInstance(t, emulator.DigiCertOneOptions{})
			p := i.provider(t, digicertone.Options{Mode: mode})
			s := spec(i)
			made, err := p.CreateUser(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			change := rotator.UserSpec{Name: "ci", Email: "new@example.com", Roles: []string{accountAdmin}, EndDate: in(120)}
			if err := p.UpdateUser(t.Context(), made.UserID, change); err != nil {
				t.Fatal(err)
			}
			s.Email, s.Roles, s.EndDate = change.Email, change.Roles, change.EndDate
			have, err := p.ShowUser(t.Context(), made.UserID)
			if drift := rotator.Drift(s, have); err != nil || len(drift) != 0 {
				t.Errorf("after the update: %v, %v", drift, err)
			}
			wantKind(t, p.UpdateUser(t.Context(), made.UserID, rotator.UserSpec{Email: "none"}), rotator.Invalid, "e-mail")
			if mode == digicertone.RecreateMode {
				wantKind(t, p.UpdateUser(t.Context(), "ci", rotator.UserSpec{Name: "cd"}), rotator.Invalid, "cannot be renamed")
			}
			wantKind(t, p.UpdateUser(t.Context(), "0a11ce00-0000-4000-8000-0000000000ff", rotator.UserSpec{Name: "cd"}), rotator.Gone)
		})
	}
}

func TestABaseNameStandsForTheNewest(t *testing.T) {
	i, old := aSeries(t, emulator.DigiCertOneOptions{})
	p := i.provider(t, recreate)
	newer, _ := i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci-r0002", Email: "two@example.com"})
	i.addUser(t, emulator.DigiCertOneUser{FriendlyName: "ci-r0003", Email: "three@example.com", Disabled: true})
	got, err := p.ShowUser(t.Context(), "ci")
	if err != nil || got.Email != "two@example.com" || got.ID != "ci" || got.Name != "ci" {
		t.Errorf("got %+v, %v; the newest active one is %s", got, err, newer)
	}
	got, err = p.ShowUser(t.Context(), old)
	if err != nil || got.ID != old || got.Name != "ci-r0001" {
		t.Errorf("by its id: %+v, %v", got, err)
	}
	_, err = p.ShowUser(t.Context(), "nobody")
	wantKind(t, err, rotator.Gone, `"nobody"`)
}

func TestUsers(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	for _, name := range []string{"a", "b", "c"} {
		i.addUser(t, emulator.DigiCertOneUser{FriendlyName: name})
	}
	other := i.AddAccount("Other")
	p := i.provider(t, digicertone.Options{})
	for _, tc := range []struct {
		name string
		q    rotator.UserQuery
		want string
	}{
		{"service users", rotator.UserQuery{Kind: rotator.ServiceKind}, "a,b,c"},
		{"people", rotator.UserQuery{Kind: rotator.StandardKind}, "Rotation Manager"},
		{"everybody", rotator.UserQuery{}, "Rotation Manager,a,b,c"},
		{"a part", rotator.UserQuery{Kind: rotator.ServiceKind, Offset: 1, Limit: 1}, "b"},
		{"beyond the end", rotator.UserQuery{Offset: 9}, ""},
		{"an account", rotator.UserQuery{Kind: rotator.ServiceKind, Container: i.Users()[0].Accounts[0], Limit: 2}, "a,b"},
		{"another account", rotator.UserQuery{Container: other}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var names []string
			err := p.Users(t.Context(), tc.q, func(u rotator.UserDetails) error {
				names = append(names, u.Name)
				return nil
			})
			if got := strings.Join(names, ","); err != nil || got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	mine := errors.New("mine")
	if err := p.Users(t.Context(), rotator.UserQuery{}, func(rotator.UserDetails) error { return mine }); !errors.Is(err, mine) {
		t.Errorf("the visitor's error came as %v", err)
	}
	wantKind(t, p.Users(t.Context(), rotator.UserQuery{Container: "a b"}, nil), rotator.Invalid)
	self, err := p.ShowUser(t.Context(), "me")
	if err != nil || self.Kind != rotator.StandardKind || self.Status != "ACTIVE" {
		t.Errorf("me is %+v, %v", self, err)
	}
}

func TestCheckUser(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	good := spec(i)
	for _, tc := range []struct {
		name string
		o    digicertone.Options
		edit func(*rotator.UserSpec)
		want []string // a part of each sentence
	}{
		{"all is well", digicertone.Options{}, func(*rotator.UserSpec) {}, nil},
		{"today is no past day", digicertone.Options{}, func(s *rotator.UserSpec) { s.EndDate = in(0) }, nil},
		{"a leap day", digicertone.Options{}, func(s *rotator.UserSpec) { s.EndDate = "2096-02-29" }, nil},
		{"nothing at all", digicertone.Options{}, func(s *rotator.UserSpec) { *s = rotator.UserSpec{} },
			[]string{"kind", "a name", "an e-mail", "one account", "one manager", "one role"}},
		{"a person", digicertone.Options{}, func(s *rotator.UserSpec) { s.Kind = rotator.StandardKind }, []string{"kind"}},
		{"a dot in the name", digicertone.Options{}, func(s *rotator.UserSpec) { s.Name = "ci.deploy" }, []string{`"ci.deploy"`}},
		{"an umlaut in the name", digicertone.Options{}, func(s *rotator.UserSpec) { s.Name = "Schlüssel" }, []string{`"Schlüssel"`}},
		{"an umlaut where letters are Unicode's", digicertone.Options{UnicodeNames: true}, func(s *rotator.UserSpec) { s.Name = "Schlüssel" }, nil},
		{"a space at the end", digicertone.Options{}, func(s *rotator.UserSpec) { s.Name = "ci " }, []string{`"ci "`}},
		{"a long name", digicertone.Options{MaxNameLength: 8}, func(s *rotator.UserSpec) { s.Name = "ci-deploy" }, []string{"at most 8"}},
		{"no address", digicertone.Options{}, func(s *rotator.UserSpec) { s.Email = "ci" }, []string{`"ci"`}},
		{"an address with a name", digicertone.Options{}, func(s *rotator.UserSpec) { s.Email = "CI <ci@example.com>" }, []string{"ci@example.com"}},
		{"a day that is none", digicertone.Options{}, func(s *rotator.UserSpec) { s.EndDate = "2027-02-29" }, []string{"2027-02-29"}},
		{"yesterday", digicertone.Options{}, func(s *rotator.UserSpec) { s.EndDate = in(-1) }, []string{"is over"}},
		{"ids that are none", digicertone.Options{}, func(s *rotator.UserSpec) {
			s.Accounts, s.Managers, s.Roles = []string{"a/b"}, []string{""}, []string{"me"}
		},
			[]string{"account", "manager", "role"}},
		{"attributes of other systems", digicertone.Options{}, func(s *rotator.UserSpec) { s.Username, s.LoginID, s.Container = "u", "l", "1" },
			[]string{"container, username, login_id"}},
		{"a series of another name", recreate, func(s *rotator.UserSpec) { s.Name = "other" }, []string{`"other"`}},
		{"a series without a key's name", recreate, func(s *rotator.UserSpec) { s.KeyName = "" }, []string{"first key"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := good
			tc.edit(&s)
			got := i.provider(t, tc.o).CheckUser(s)
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for n := range got {
				if !strings.Contains(got[n], tc.want[n]) {
					t.Errorf("got %q, want one about %q", got[n], tc.want[n])
				}
			}
		})
	}
	if _, err := i.provider(t, digicertone.Options{}).CreateUser(t.Context(), rotator.UserSpec{}); rotator.KindOf(err) != rotator.Invalid {
		t.Errorf("creating nothing: %v", err)
	}
}

func TestALostAnswerToACreation(t *testing.T) {
	i := newInstance(t, emulator.DigiCertOneOptions{})
	i.order(t, emulator.Fault{Match: emulator.Match{Method: "POST"}, Count: 1, Effect: emulator.Effect{Kind: emulator.EffectLost, AfterEffect: true}})
	_, err := i.provider(t, digicertone.Options{}).CreateUser(t.Context(), spec(i))
	wantKind(t, err, rotator.UnknownOutcome)
	want := []string{"Rotation Manager", "ci"}
	var names []string
	for _, u := range i.Users() {
		names = append(names, u.FriendlyName)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("the users differ (-want +got):\n%s", diff)
	}
	if n := i.requests(func(s string) bool { return s == "POST /user" }); n != 1 {
		t.Errorf("%d requests were sent, want 1", n)
	}
}
