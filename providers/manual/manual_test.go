package manual_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/manual"
	"github.com/rotatord/rotatord/rotator"
)

// tape writes down what a scan shows.
type tape struct {
	users []rotator.ServiceUser
	keys  []rotator.Key
}

func (p *tape) User(u rotator.ServiceUser) error {
	p.users = append(p.users, u)
	return nil
}

func (p *tape) Key(k rotator.Key) error {
	p.keys = append(p.keys, k)
	return nil
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

var (
	past   = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	future = time.Date(2120, 1, 1, 0, 0, 0, 0, time.UTC)
)

func TestScan(t *testing.T) {
	p, err := manual.New(manual.Options{Keys: []manual.Key{
		{User: "mail", Name: "smtp", Created: past, Expires: future, Owner: "ann@example.com"},
		{User: "bank", Name: "sftp", Expires: past},
		{User: "mail", Name: "imap"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got := &tape{}
	if err := p.Scan(t.Context(), rotator.Scope{}, got); err != nil {
		t.Fatal(err)
	}
	wantUsers := []rotator.ServiceUser{{ID: "mail", Name: "mail", Email: "ann@example.com", Active: true}, {ID: "bank", Name: "bank", Active: true}}
	wantKeys := []rotator.Key{
		{ID: "declared:mail/smtp", UserID: "mail", Name: "smtp", Created: past, Expires: future, State: rotator.KeyActive},
		{ID: "declared:mail/imap", UserID: "mail", Name: "imap", State: rotator.KeyActive},
		{ID: "declared:bank/sftp", UserID: "bank", Name: "sftp", Expires: past, State: rotator.KeyExpired},
	}
	if diff := cmp.Diff(wantUsers, got.users); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(wantKeys, got.keys); diff != "" {
		t.Error(diff)
	}
	one := &tape{}
	if err := p.Scan(t.Context(), rotator.Scope{UserID: "bank"}, one); err != nil || len(one.keys) != 1 {
		t.Errorf("the scan of one user shows %v: %v", one.keys, err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Scan(over, rotator.Scope{}, &tape{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that was over: %v", err)
	}
}

// TestAPersonDoesEverything looks at the limits that say so, and at the calls that are never made.
func TestAPersonDoesEverything(t *testing.T) {
	for _, expires := range []time.Time{{}, future} {
		p, err := manual.New(manual.Options{Name: "bank", Keys: []manual.Key{{User: "u", Name: "k", Expires: expires}}})
		if err != nil {
			t.Fatal(err)
		}
		want := rotator.Limits{Supplied: true, RemovedByHand: true, Unlisted: true, Expiry: !expires.IsZero()}
		got := p.Limits()
		if got.Supplied != want.Supplied || got.RemovedByHand != want.RemovedByHand || got.Unlisted != want.Unlisted || got.Expiry != want.Expiry {
			t.Errorf("the limits are %+v", got)
		}
		_, err = p.Mint(t.Context(), rotator.MintRequest{UserID: "u", Name: "k"})
		wantFault(t, err, rotator.Invalid, "by a person")
		wantFault(t, p.Retire(t.Context(), rotator.Key{ID: "x", UserID: "u"}), rotator.Invalid, "by a person")
		wantFault(t, p.Check(t.Context(), "u", rotator.SecretString("s")), rotator.Invalid,
			"no probe is configured for provider bank, so nobody can prove that a new key works; add providers[].probe")
	}
}

func probing(t *testing.T, probe manual.Probe) *manual.Provider {
	t.Helper()
	p, err := manual.New(manual.Options{Keys: []manual.Key{{User: "u", Name: "k"}}, Probe: &probe})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCheckAtARealisticService proves keys of an emulated dataspot. server, whose keys could be kept track of by hand.
func TestCheckAtARealisticService(t *testing.T) {
	s := emulator.NewDataspot(emulator.DataspotOptions{})
	web := httptest.NewServer(s)
	defer web.Close()
	p := probing(t, manual.Probe{URL: web.URL + "/rest/prod/tenants/ACME", Header: "dataspot-access-key"})
	good := rotator.SecretString(s.ManagerSecret("ACME"))
	if err := p.Check(t.Context(), "u", good); err != nil {
		t.Errorf("a good key: %v", err)
	}
	wantFault(t, p.Check(t.Context(), "u", rotator.SecretString(strings.Repeat("Zz", 32))), rotator.Denied, "refused")
	for _, e := range []emulator.Effect{
		{Kind: emulator.EffectLost}, {Kind: emulator.EffectReset}, {Kind: emulator.EffectStatus, Status: 502}, {Kind: emulator.EffectCut},
	} {
		s.Faults.Remove("")
		if err := s.Faults.Add(emulator.Fault{Effect: e}); err != nil {
			t.Fatal(err)
		}
		wantFault(t, p.Check(t.Context(), "u", good), rotator.Transient)
	}
}

func TestCheckSettings(t *testing.T) {
	const secret = "the-secret"
	for _, tc := range []struct {
		name   string
		probe  manual.Probe
		status int
		kind   rotator.Kind // empty for a key that works
		want   string       // of the request
	}{
		{name: "the defaults", status: 200, want: "GET /who?a=b&c= Authorization=the-secret"},
		{name: "a prefix", probe: manual.Probe{Prefix: "Bearer "}, status: 200, want: "GET /who?a=b&c= Authorization=Bearer the-secret"},
		{name: "a header", probe: manual.Probe{Header: "X-Key"}, status: 200, want: "GET /who?a=b&c= X-Key=the-secret"},
		{name: "HEAD", probe: manual.Probe{Method: "HEAD"}, status: 200, want: "HEAD /who?a=b&c= Authorization=the-secret"},
		{name: "401", status: 401, kind: rotator.Denied},
		{name: "403", status: 403, kind: rotator.Denied},
		{name: "another refusal", probe: manual.Probe{Refuse: []int{400}}, status: 400, kind: rotator.Denied},
		{name: "401 where it is no refusal", probe: manual.Probe{Refuse: []int{400}}, status: 401, kind: rotator.Transient},
		{name: "404 as proof", probe: manual.Probe{Expect: []int{204, 404}}, status: 404},
		{name: "204 as refusal", probe: manual.Probe{Refuse: []int{204}}, status: 204, kind: rotator.Denied},
		{name: "204 where 200 is expected", status: 204, kind: rotator.Transient},
		{name: "a redirect", status: 302, kind: rotator.Transient},
		{name: "a redirect as proof", probe: manual.Probe{Expect: []int{302}}, status: 302},
		{name: "patience", status: 429, kind: rotator.Throttled},
		{name: "a failure", status: 500, kind: rotator.Transient},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header := tc.probe.Header
				if header == "" {
					header = "Authorization"
				}
				got = append(got, fmt.Sprintf("%s %s %s=%s", r.Method, r.URL.RequestURI(), header, r.Header.Get(header)))
				w.Header().Set("Location", "/elsewhere")
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(tc.status)
				if tc.status != http.StatusNoContent {
					_, _ = w.Write([]byte("you sent " + secret))
				}
			}))
			defer web.Close()
			tc.probe.URL = web.URL + "/who?a=b&c"
			err := probing(t, tc.probe).Check(t.Context(), "u", rotator.SecretString(secret))
			if len(got) != 1 || tc.want != "" && got[0] != tc.want {
				t.Errorf("the requests were %q, want %q", got, tc.want)
			}
			if tc.kind == "" {
				if err != nil {
					t.Errorf("Check: %v", err)
				}
				return
			}
			wantFault(t, err, tc.kind)
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
	p := probing(t, manual.Probe{URL: "http://localhost:1/"})
	for _, impossible := range []string{"", " x", "line\r\nX: 1", "schlüssel"} {
		wantFault(t, p.Check(t.Context(), "u", rotator.SecretString(impossible)), rotator.Invalid, "cannot be a key")
	}
}

func TestGuide(t *testing.T) {
	p, err := manual.New(manual.Options{Name: "bank", Keys: []manual.Key{{User: "u", Name: "k"}}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := manual.New(manual.Options{
		Name: "bank", Keys: []manual.Key{{User: "u", Name: "k"}},
		Make: "Call Ann for {{.KeyName}} of {{.User}}{{if .Until}} until {{.Until}}{{end}}; {{.Supply}}", Remove: "Tell Ann to remove {{.KeyName}}.",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, got, want string }{
		{"make", p.HowToMake("u", "Batch", "sftp-r0002", future), "Make a new key for Batch where its keys are made, and name it sftp-r0002; let it be valid until 2120-01-01. " +
			"Hand it over with `rotatord supply bank/u/sftp`, which asks for it. Leave the old key as it is: it is in use until the new one is everywhere."},
		{"make, for any time", p.HowToMake("u", "", "sftp", time.Time{}), "Make a new key for u where its keys are made, and name it sftp. " +
			"Hand it over with `rotatord supply bank/u/sftp`, which asks for it. Leave the old key as it is: it is in use until the new one is everywhere."},
		{"remove", p.HowToRemove("u", "Batch", rotator.Key{Name: "sftp", Expires: future}),
			"Remove the key sftp of Batch where its keys are made, and no other. Left alone it ends by itself on 2120-01-01."},
		{"own words to make", own.HowToMake("u", "", "sftp-r0002", future), "Call Ann for sftp-r0002 of u until 2120-01-01; rotatord supply bank/u/sftp"},
		{"own words to remove", own.HowToRemove("u", "", rotator.Key{Name: "sftp"}), "Tell Ann to remove sftp."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewRefusesWhatMakesNoSense(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*manual.Options)
		word   string
	}{
		{"no keys", func(o *manual.Options) { o.Keys = nil }, "no key"},
		{"a key of nobody", func(o *manual.Options) { o.Keys[0].User = "" }, "its user"},
		{"a key twice", func(o *manual.Options) { o.Keys = append(o.Keys, o.Keys[0]) }, "twice"},
		{"two owners", func(o *manual.Options) {
			o.Keys = []manual.Key{{User: "u", Name: "a", Owner: "x"}, {User: "u", Name: "b", Owner: "y"}}
		}, "two owners"},
		{"a field that no text has", func(o *manual.Options) { o.Make = "{{.Secret}}" }, "make"},
		{"a text that does not close", func(o *manual.Options) { o.Remove = "{{.User" }, "remove"},
		{"no encryption", func(o *manual.Options) { o.Probe.URL = "http://api.example.com/" }, "unencrypted"},
		{"no address", func(o *manual.Options) { o.Probe.URL = "api" }, "not complete"},
		{"an address that is none", func(o *manual.Options) { o.Probe.URL = "://" }, "cannot be read"},
		{"a write", func(o *manual.Options) { o.Probe.Method = "POST" }, "GET or HEAD"},
		{"a header with a blank", func(o *manual.Options) { o.Probe.Header = "a b" }, "header"},
		{"a prefix of two lines", func(o *manual.Options) { o.Probe.Prefix = "a\n" }, "prefix"},
		{"a status that is none", func(o *manual.Options) { o.Probe.Expect = []int{99} }, "99"},
		{"a status that is both", func(o *manual.Options) { o.Probe.Refuse = []int{200} }, "both"},
		{"nothing to expect", func(o *manual.Options) { o.Probe.Expect = []int{} }, "cannot be told"},
		{"a negative time", func(o *manual.Options) { o.Probe.Timeout = -1 }, "negative"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := manual.Options{Keys: []manual.Key{{User: "u", Name: "k"}}, Probe: &manual.Probe{URL: "https://api.example.com/who"}}
			tc.change(&o)
			if _, err := manual.New(o); err == nil || !strings.Contains(err.Error(), tc.word) {
				t.Errorf("got %v, want %q", err, tc.word)
			}
		})
	}
}
