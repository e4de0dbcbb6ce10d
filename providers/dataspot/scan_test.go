package dataspot_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/rotator"
)

// tape writes down what a scan shows.
type tape struct {
	lines []string
	keys  map[string]rotator.Key
}

func (p *tape) User(u rotator.ServiceUser) error {
	p.lines = append(p.lines, "user "+u.Login)
	return nil
}

func (p *tape) Key(k rotator.Key) error {
	p.lines = append(p.lines, "key "+k.Name+" "+string(k.State))
	if p.keys == nil {
		p.keys = map[string]rotator.Key{}
	}
	p.keys[k.Name] = k
	return nil
}

func TestScanDeclaredKeys(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{})
	byID, byLogin := s.addUser(t, "by-id"), s.addUser(t, "by-login")
	if _, err := s.AddUser(emulator.DataspotUser{LoginID: "ann", Person: true}); err != nil {
		t.Fatal(err)
	}
	created, later := time.Now().Add(-time.Hour).UTC(), time.Now().Add(time.Hour).UTC()
	p := s.provider(t, func(o *dataspot.Options) {
		o.Keys = []dataspot.DeclaredKey{
			{User: byID, Name: "one", Created: created, Expires: later}, {User: "by-login", Name: "two"}, {User: "by-login", Name: "old", Expires: created},
			{User: "nobody", Name: "lost", Expires: later},
		}
	})
	got := &tape{}
	if err := p.Scan(t.Context(), rotator.Scope{}, got); err != nil {
		t.Fatal(err)
	}
	want := []string{"user rotation-manager", "user by-id", "key one active", "user by-login", "key two active", "key old expired", "key lost active"}
	if diff := cmp.Diff(want, got.lines); diff != "" {
		t.Error(diff)
	}
	wantKey := rotator.Key{ID: "declared:" + byID + "/one", UserID: byID, Name: "one", Created: created, Expires: later, State: rotator.KeyActive}
	if diff := cmp.Diff(wantKey, got.keys["one"]); diff != "" {
		t.Error(diff)
	}
	if k := got.keys["two"]; k.UserID != byLogin || k.ID != "declared:"+byLogin+"/two" {
		t.Errorf("the key declared by login came as %+v", k)
	}
	one := &tape{}
	if err := p.Scan(t.Context(), rotator.Scope{UserID: byLogin}, one); err != nil || !cmp.Equal(one.lines, []string{"key two active", "key old expired"}) {
		t.Errorf("the scan of one user shows %q: %v", one.lines, err)
	}
	problems, err := p.Preflight(t.Context())
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0], `"nobody"`) {
		t.Errorf("Preflight says %q, %v", problems, err)
	}
}

func TestScanListedKeys(t *testing.T) {
	lists := func(o *dataspot.Options) { o.ListsKeys = true }
	t.Run("the server shows keys", func(t *testing.T) {
		s := newServer(t, emulator.DataspotOptions{ShowKeys: true, EpochDates: true})
		bare, user := s.addUser(t, "bare"), s.addUser(t, "ci")
		id, _ := s.addKey(t, user, "deploy")
		p := s.provider(t, lists)
		if p.Limits().Unlisted {
			t.Error("a provider that lists keys says that it does not")
		}
		silent := emulator.Fault{Match: emulator.Match{Path: "/rest/*/users/" + bare}, Effect: garbage(`{"id":"` + bare + `","serviceUser":true}`)}
		s.order(t, silent)
		wantFault(t, p.Scan(t.Context(), rotator.Scope{UserID: bare}, &tape{}), rotator.Transient, "no scan has yet seen")
		got := &tape{}
		if err := p.Scan(t.Context(), rotator.Scope{}, got); err != nil || got.keys["deploy"].ID != id || got.keys["manager"].Expires.IsZero() {
			t.Errorf("the scan shows %q: %v", got.lines, err)
		}
		one := &tape{}
		if err := p.Scan(t.Context(), rotator.Scope{UserID: bare}, one); err != nil || len(one.lines) != 0 {
			t.Errorf("the scan of a user without keys shows %q: %v", one.lines, err)
		}
	})
	t.Run("the server shows keys of single users alone", func(t *testing.T) {
		s := newServer(t, emulator.DataspotOptions{ShowKeys: true})
		user := s.addUser(t, "ci")
		s.addKey(t, user, "deploy")
		gone := "0d5a0001-0000-4000-8000-00000000ffff"
		s.order(t, emulator.Fault{Match: emulator.Match{Path: "/rest/*/users"}, Effect: garbage(`{"_embedded":{"users":[` +
			`{"id":"` + user + `","loginId":"ci","serviceUser":true},{"id":"` + gone + `","loginId":"gone","serviceUser":true}]},"total":2}`)})
		got := &tape{}
		err := s.provider(t, lists).Scan(t.Context(), rotator.Scope{}, got)
		if want := []string{"user ci", "user gone", "key deploy active"}; err != nil || !cmp.Equal(got.lines, want) {
			t.Errorf("the scan shows %q, want %q: %v", got.lines, want, err)
		}
	})
	t.Run("the throw-away user's keys are nobody's to rotate", func(t *testing.T) {
		s := newServer(t, emulator.DataspotOptions{ShowKeys: true})
		s.addKey(t, s.addUser(t, throwaway), "spare")
		got := &tape{}
		err := s.provider(t, func(o *dataspot.Options) { creating(o); lists(o) }).Scan(t.Context(), rotator.Scope{}, got)
		if want := []string{"user rotation-manager", "key manager active", "user " + throwaway}; err != nil || !cmp.Equal(got.lines, want) {
			t.Errorf("the scan shows %q, want %q: %v", got.lines, want, err)
		}
	})
	t.Run("the server hides keys", func(t *testing.T) {
		s := newServer(t, emulator.DataspotOptions{})
		wantFault(t, s.provider(t, lists).Scan(t.Context(), rotator.Scope{}, &tape{}), rotator.Invalid, "lists_keys", "write the keys that exist under keys")
	})
}

func TestScanFaults(t *testing.T) {
	list := emulator.Match{Method: http.MethodGet, Path: "/rest/*/users"}
	for _, tc := range []struct {
		name string
		lie  emulator.Effect
		kind rotator.Kind
		word string
	}{
		{"a user is left out", emulator.Effect{Kind: emulator.EffectForget, Entry: "ci"}, rotator.Transient, "shows 1"},
		{"a user comes twice", emulator.Effect{Kind: emulator.EffectDuplicate, Entry: "ci"}, rotator.Transient, "shows 3"},
		{"nothing is said of a total", garbage(`{"_embedded":{"users":[]}}`), rotator.Invalid, "total"},
		{"no users, and some are counted", garbage(`{"total":2}`), rotator.Transient, "has 2 users and shows 0"},
		{"a user without an id", garbage(`{"_embedded":{"users":[{"name":"x"}]},"total":1}`), rotator.Invalid, "without an id"},
		{"a user with an odd date", garbage(`{"_embedded":{"users":[{"id":"x","dateCreated":"soon"}]},"total":1}`), rotator.Invalid, "soon"},
		{"an array", garbage(`[]`), rotator.Invalid, "JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, emulator.DataspotOptions{})
			s.addUser(t, "ci")
			s.order(t, emulator.Fault{Match: list, Effect: tc.lie})
			wantFault(t, s.provider(t, nil).Scan(t.Context(), rotator.Scope{}, &tape{}), tc.kind, tc.word)
		})
	}
	t.Run("nobody is there", func(t *testing.T) {
		s := newServer(t, emulator.DataspotOptions{})
		s.order(t, emulator.Fault{Match: list, Effect: emulator.Effect{Kind: emulator.EffectEmptyList}})
		got := &tape{}
		if err := s.provider(t, nil).Scan(t.Context(), rotator.Scope{}, got); err != nil || len(got.lines) != 0 {
			t.Errorf("the scan of nobody shows %q: %v", got.lines, err)
		}
	})
	t.Run("the key cannot be read", func(t *testing.T) {
		s := newServer(t, emulator.DataspotOptions{})
		p := s.provider(t, func(o *dataspot.Options) {
			o.Key = func() (rotator.Secret, error) { return rotator.Secret{}, errors.New("no such file") }
		})
		wantFault(t, p.Scan(t.Context(), rotator.Scope{}, &tape{}), rotator.Transient, "no such file")
	})
}

func garbage(body string) emulator.Effect {
	return emulator.Effect{Kind: emulator.EffectStatus, Status: http.StatusOK, Body: body}
}

// TestUsersThatAreGone are told from addresses that are wrong.
func TestUsersThatAreGone(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server emulator.DataspotOptions
		change func(*dataspot.Options)
		kind   rotator.Kind
	}{
		{name: "404", kind: rotator.Gone},
		{name: "410", server: emulator.DataspotOptions{GoneIs410: true}, kind: rotator.Gone},
		{name: "410 and a page", server: emulator.DataspotOptions{GoneIs410: true, ErrorsNotJSON: true}, kind: rotator.Gone},
		{name: "404 and a page, which anything may send", server: emulator.DataspotOptions{ErrorsNotJSON: true}, kind: rotator.Invalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, tc.server)
			user := s.addUser(t, "ci")
			s.RemoveUser(user)
			wantFault(t, s.provider(t, tc.change).Scan(t.Context(), rotator.Scope{UserID: user}, &tape{}), tc.kind)
		})
	}
	s := newServer(t, emulator.DataspotOptions{})
	wantFault(t, s.provider(t, nil).Scan(t.Context(), rotator.Scope{UserID: "" + "../tenants"}, &tape{}), rotator.Invalid, "UUID")
}
