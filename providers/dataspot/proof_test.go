package dataspot_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/rotator"
)

const season = 90 * 24 * time.Hour

func names(keys []emulator.DataspotKey) []string {
	var list []string
	for _, k := range keys {
		list = append(list, k.Name)
	}
	return list
}

func wantFault(t *testing.T, err error, kind rotator.Kind, words ...string) {
	t.Helper()
	fault, ok := errors.AsType[*rotator.Fault](err)
	if !ok || fault.Kind != kind {
		t.Fatalf("got %v, want a fault of kind %s", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want it to say %q", err, w)
		}
	}
}

// TestMintOnlyWhereAWriteIsHarmless asks for a key of a user that has one, at servers of every kind.
func TestMintOnlyWhereAWriteIsHarmless(t *testing.T) {
	put := func(o *dataspot.Options) { o.CreateKeys = dataspot.ByPut }
	ours := func(o *dataspot.Options) { o.ClientValues = true }
	for _, tc := range []struct {
		name   string
		server emulator.DataspotOptions
		change func(*dataspot.Options)
		refuse string // what the refusal says; empty where a key is made
	}{
		{name: "a write adds"},
		{name: "a PUT adds", change: put},
		{name: "a PUT adds, and what was read shows keys", server: emulator.DataspotOptions{ShowKeys: true}, change: put},
		{name: "dates are numbers", server: emulator.DataspotOptions{EpochDates: true}},
		{name: "users are Benutzer", server: emulator.DataspotOptions{UserType: "Benutzer"}},
		{name: "the filter by login is ignored", server: emulator.DataspotOptions{IgnoreLoginFilter: true}},
		{name: "the value comes from here", server: emulator.DataspotOptions{ValueFromClient: true}, change: ours},
		{name: "the value comes from here and is not repeated", server: emulator.DataspotOptions{ValueFromClient: true, OmitValue: true}, change: ours},
		{name: "the server makes the value although one is sent", change: ours},
		{name: "names are short", change: func(o *dataspot.Options) { o.MaxNameLength, o.NameCharacters = 12, "a-z0-9-" }},

		{name: "a write replaces", server: emulator.DataspotOptions{Replace: true}, refuse: "a write replaces keys"},
		{name: "a PUT replaces", server: emulator.DataspotOptions{Replace: true}, change: put, refuse: "a write replaces keys"},
		{name: "a write replaces and shows what is left", server: emulator.DataspotOptions{Replace: true, ShowKeys: true}, refuse: "a write replaces keys"},
		{name: "no value comes back", server: emulator.DataspotOptions{OmitValue: true}, refuse: "does not show its value"},
		{name: "the value must come from here", server: emulator.DataspotOptions{ValueFromClient: true}, refuse: "does not take a key"},
		{name: "the server makes the value and hides it", server: emulator.DataspotOptions{OmitValue: true}, change: ours, refuse: "leave client_values out"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, tc.server)
			throwawayID, user := s.addUser(t, throwaway), s.addUser(t, "ci")
			_, old := s.addKey(t, user, "deploy")
			p := s.provider(t, func(o *dataspot.Options) {
				creating(o)
				if tc.change != nil {
					tc.change(o)
				}
			})
			made, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "deploy-r0001", Lifetime: season})
			if tc.refuse != "" {
				wantFault(t, err, rotator.Invalid, tc.refuse, "nothing was written to any other user", throwaway)
				wantRefusedForGood(t, s, p, user)
				return
			}
			if err != nil {
				t.Fatalf("Mint: %v", err)
			}
			if err := p.Check(t.Context(), user, made.Secret); err != nil {
				t.Errorf("the new key: %v", err)
			}
			if err := p.Check(t.Context(), user, old); err != nil {
				t.Errorf("the old key: %v", err)
			}
			if got := names(s.Keys(user)); !cmp.Equal(got, []string{"deploy", "deploy-r0001"}) {
				t.Errorf("the user has the keys %v", got)
			}
			wantShortLived(t, s.Keys(throwawayID))
			if k, _ := s.Key(made.KeyID); k.UserID != user || !k.Expires.Equal(made.Expires) {
				t.Errorf("Mint says %+v, the server %+v", made, k)
			}
		})
	}
}

// wantRefusedForGood asks again: the answer is the same, nothing is written, and the check of the daemon's key says so too.
func wantRefusedForGood(t *testing.T, s *server, p *dataspot.Provider, user string) {
	t.Helper()
	s.forget()
	_, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "deploy-r0001", Lifetime: season})
	wantFault(t, err, rotator.Invalid)
	if n := s.requests(func(string) bool { return true }); n != 0 {
		t.Errorf("the second Mint made %d requests", n)
	}
	if got := names(s.Keys(user)); !cmp.Equal(got, []string{"deploy"}) {
		t.Errorf("the user has the keys %v, want those that it had", got)
	}
	problems, err := p.Preflight(t.Context())
	if err != nil || len(problems) != 1 || !strings.Contains(problems[0], "No keys are made by calls") {
		t.Errorf("Preflight says %q, %v", problems, err)
	}
}

func wantShortLived(t *testing.T, keys []emulator.DataspotKey) {
	t.Helper()
	if len(keys) != 2 {
		t.Fatalf("the throw-away user has the keys %v, want two", names(keys))
	}
	for _, k := range keys {
		if left := time.Until(k.Expires); left > 24*time.Hour {
			t.Errorf("the key %s of the throw-away user lives for %v", k.Name, left)
		}
	}
}

// TestOneProofForAll: many keys at once ask the throw-away user once.
func TestOneProofForAll(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{})
	throwawayID := s.addUser(t, throwaway)
	p := s.provider(t, creating)
	var wg sync.WaitGroup
	for _, login := range []string{"a", "b", "c", "d"} {
		user := s.addUser(t, login)
		wg.Go(func() {
			if _, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci", Lifetime: season}); err != nil {
				t.Errorf("Mint: %v", err)
			}
		})
	}
	wg.Wait()
	wantShortLived(t, s.Keys(throwawayID))
	_, err := p.Mint(t.Context(), rotator.MintRequest{UserID: throwawayID, Name: "ci", Lifetime: season})
	wantFault(t, err, rotator.Invalid, "throw-away user")
}

// TestADoubtIsNoFinding: what goes wrong on the way promises that nobody else was written to, and is tried again.
func TestADoubtIsNoFinding(t *testing.T) {
	for _, tc := range []struct {
		name  string
		match emulator.Match
		nth   int
		lie   emulator.Effect
		kind  rotator.Kind
	}{
		{"the user is not found in time", emulator.Match{Method: "GET", Path: "/rest/*/users"}, 1, emulator.Effect{Kind: emulator.EffectStatus, Status: 503}, rotator.Throttled},
		{"the first write is lost", emulator.Match{Method: "PATCH"}, 1, emulator.Effect{Kind: emulator.EffectLost, AfterEffect: true}, rotator.Throttled},
		{"the second write is lost", emulator.Match{Method: "PATCH"}, 2, emulator.Effect{Kind: emulator.EffectLost}, rotator.Throttled},
		{"the server asks for patience", emulator.Match{Method: "PATCH"}, 1, emulator.Effect{Kind: emulator.EffectStatus, Status: 429}, rotator.Throttled},
		{"the daemon's key is refused", emulator.Match{Method: "PATCH"}, 1, emulator.Effect{Kind: emulator.EffectStatus, Status: 403}, rotator.Denied},
		{"the last look fails", emulator.Match{Method: "GET", Path: "/rest/*/tenants/*"}, 3, emulator.Effect{Kind: emulator.EffectStatus, Status: 503}, rotator.Throttled},
		{"the user is not readable before the write", emulator.Match{Method: "GET", Path: "/rest/*/users/*"}, 3, emulator.Effect{Kind: emulator.EffectStatus, Status: 502}, rotator.Throttled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, emulator.DataspotOptions{})
			s.addUser(t, throwaway)
			user := s.addUser(t, "ci")
			p := s.provider(t, creating)
			s.order(t, emulator.Fault{Match: tc.match, Nth: tc.nth, Count: 1, Effect: tc.lie})
			req := rotator.MintRequest{UserID: user, Name: "ci", Lifetime: season}
			_, err := p.Mint(t.Context(), req)
			wantFault(t, err, tc.kind)
			if got := s.Keys(user); len(got) != 0 {
				t.Errorf("the user has the keys %v", names(got))
			}
			if _, err := p.Mint(t.Context(), req); err != nil {
				t.Errorf("Mint after the disturbance: %v", err)
			}
		})
	}
}

func TestNoThrowawayUserNoKey(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{})
	user := s.addUser(t, "ci")
	p := s.provider(t, creating)
	req := rotator.MintRequest{UserID: user, Name: "ci", Lifetime: season}
	_, err := p.Mint(t.Context(), req)
	wantFault(t, err, rotator.Gone, throwaway)
	if problems, err := p.Preflight(t.Context()); err != nil || len(problems) != 1 || !strings.Contains(problems[0], throwaway) {
		t.Errorf("Preflight says %q, %v", problems, err)
	}
	if _, err := s.AddUser(emulator.DataspotUser{LoginID: throwaway, Person: true}); err != nil {
		t.Fatal(err)
	}
	_, err = p.Mint(t.Context(), req)
	wantFault(t, err, rotator.Invalid, "is a person's")
	if n := s.requests(func(r string) bool { return strings.HasPrefix(r, http.MethodPatch) }); n != 0 {
		t.Errorf("%d writes were made", n)
	}
}

// TestSlowServersAreWaitedFor: a new key may be refused for a while and a replaced one accepted, and neither fools the proof.
func TestSlowServersAreWaitedFor(t *testing.T) {
	for _, tc := range []struct {
		name   string
		server emulator.DataspotOptions
		works  bool
	}{
		{"a new key is refused for a while", emulator.DataspotOptions{NewKeyRefusedFor: 5 * time.Second}, true},
		{"a replaced key is accepted for a while", emulator.DataspotOptions{Replace: true, RemovedKeyAcceptedFor: 5 * time.Second}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := emulator.NewDataspot(tc.server)
				user, err := s.AddServiceUser("ACME", "ci")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.AddServiceUser("ACME", throwaway); err != nil {
					t.Fatal(err)
				}
				p, err := dataspot.New(dataspot.Options{
					BaseURL: "http://localhost", Database: "prod", Tenant: "ACME", Key: fixed(s.ManagerSecret("ACME")), CreateKeys: dataspot.ByPatch,
					ThrowawayUser: throwaway, Propagation: 10 * time.Second, Transport: emulator.InMemory(s),
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci", Lifetime: season})
				if tc.works && err != nil {
					t.Errorf("Mint: %v", err)
				}
				if !tc.works {
					wantFault(t, err, rotator.Invalid, "a write replaces keys")
				}
			})
		})
	}
}

func TestMintWritesToNobodyItShouldNot(t *testing.T) {
	s := newServer(t, emulator.DataspotOptions{ShowKeys: true})
	s.addUser(t, throwaway)
	user := s.addUser(t, "ci")
	s.addKey(t, user, "taken")
	person, err := s.AddUser(emulator.DataspotUser{LoginID: "ann", Person: true})
	if err != nil {
		t.Fatal(err)
	}
	p := s.provider(t, func(o *dataspot.Options) {
		creating(o)
		o.MaxNameLength = 30
	})
	if _, err := p.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "first", Lifetime: season}); err != nil {
		t.Fatal(err)
	}
	s.forget()
	for _, tc := range []struct {
		name string
		req  rotator.MintRequest
		kind rotator.Kind
		word string
	}{
		{"a person", rotator.MintRequest{UserID: person, Name: "ci", Lifetime: season}, rotator.Invalid, "is a person's"},
		{"a name that is taken", rotator.MintRequest{UserID: user, Name: "taken", Lifetime: season}, rotator.Conflict, "already"},
		{"nobody", rotator.MintRequest{UserID: "0d5a0001-0000-4000-8000-00000000ffff", Name: "ci", Lifetime: season}, rotator.Gone, "does not exist"},
		{"no lifetime", rotator.MintRequest{UserID: user, Name: "ci"}, rotator.Invalid, "lifetime"},
		{"a long name", rotator.MintRequest{UserID: user, Name: strings.Repeat("x", 31), Lifetime: season}, rotator.Invalid, "31 characters"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := p.Mint(t.Context(), tc.req)
			wantFault(t, err, tc.kind, tc.word)
		})
	}
	if n := s.requests(isOp["mint"]); n != 0 {
		t.Errorf("%d writes were made", n)
	}
	byHand := s.provider(t, nil)
	_, err = byHand.Mint(t.Context(), rotator.MintRequest{UserID: user, Name: "ci", Lifetime: season})
	wantFault(t, err, rotator.Invalid, "by a person")
	wantFault(t, byHand.Retire(t.Context(), rotator.Key{ID: "x", UserID: user}), rotator.Invalid, "by a person")
}
