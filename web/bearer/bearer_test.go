package bearer_test

import (
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/web/bearer"
	"github.com/rotatord/rotatord/web/bearer/issuertest"
)

// desk is a verifier with a clock that the test moves.
type desk struct {
	*testing.T
	*bearer.Verifier
	issuer *issuertest.Issuer
	now    time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, issuer: issuertest.New(t), now: time.Now()}
	d.Verifier = bearer.New(bearer.Settings{Issuer: d.issuer.URL, Audience: "rotatord", GroupsClaim: "realm.groups", Viewers: []string{"readers"},
		Operators: []string{"ops"}, Transport: d.issuer.Client().Transport, Now: func() time.Time { return d.now }})
	return d
}

func (d *desk) token(kid string, changes map[string]any) string {
	d.Helper()
	return d.issuer.Token(d, kid, d.issuer.Claims(d.now, changes))
}

// verify verifies until the outcome is right, for a moment: the library gives an answer of the issuer that has just come to whoever asks
// before it is put away, also where that one asks for another.
func (d *desk) verify(token string, right func(bearer.Caller, error) bool) (c bearer.Caller, err error) {
	d.Helper()
	for until := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		if c, err = d.Verify(d.Context(), token); right(c, err) || time.Now().After(until) {
			return c, err
		}
	}
}

func (d *desk) refused(token, why string) {
	d.Helper()
	right := func(c bearer.Caller, err error) bool {
		return err != nil && strings.Contains(err.Error(), why) && c == (bearer.Caller{})
	}
	if c, err := d.verify(token, right); !right(c, err) {
		d.Errorf("got %+v, %v; want an error with %q", c, err, why)
	}
}

func (d *desk) accepted(token string, want bearer.Caller) {
	d.Helper()
	right := func(c bearer.Caller, err error) bool { return err == nil && c == want }
	if got, err := d.verify(token, right); !right(got, err) {
		d.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestGroupsDecideWhatATokenAllows(t *testing.T) {
	d := newDesk(t)
	for _, c := range []struct {
		name   string
		claims map[string]any
		want   bearer.Caller
	}{
		{"no groups", nil, bearer.Caller{Name: "oidc:s-1"}},
		{"another group", map[string]any{"realm": map[string]any{"groups": []string{"sales"}}}, bearer.Caller{Name: "oidc:s-1"}},
		{"a viewer", map[string]any{"realm": map[string]any{"groups": []string{"readers"}}}, bearer.Caller{Name: "oidc:s-1", Reads: true}},
		{"an operator", map[string]any{"realm": map[string]any{"groups": []string{"ops"}}}, bearer.Caller{Name: "oidc:s-1", Reads: true, Acts: true}},
		{"one text", map[string]any{"realm.groups": "ops"}, bearer.Caller{Name: "oidc:s-1", Reads: true, Acts: true}},
		{"no list of texts", map[string]any{"realm": []int{1}}, bearer.Caller{Name: "oidc:s-1"}},
		{"a verified address", map[string]any{"email": "ada@example.com", "email_verified": true}, bearer.Caller{Name: "oidc:ada@example.com (s-1)"}},
		{"an address that anybody can claim", map[string]any{"email": "ada@example.com"}, bearer.Caller{Name: "oidc:s-1"}},
		{"one of several audiences", map[string]any{"aud": []string{"x", "rotatord"}}, bearer.Caller{Name: "oidc:s-1"}},
		{"just over, within the skew", map[string]any{"exp": d.now.Add(-30 * time.Second).Unix()}, bearer.Caller{Name: "oidc:s-1"}},
	} {
		t.Run(c.name, func(t *testing.T) { d.accepted(d.token("first", c.claims), c.want) })
	}
}

func TestBadTokensAreRefused(t *testing.T) {
	d := newDesk(t)
	good := d.token("first", nil)
	claims := d.issuer.Claims(d.now, nil)
	for name, c := range map[string]struct{ token, why string }{
		"wrong audience":  {d.token("first", map[string]any{"aud": "other"}), "another audience"},
		"no audience":     {d.token("first", map[string]any{"aud": nil}), "another audience"},
		"wrong issuer":    {d.token("first", map[string]any{"iss": "https://evil.example"}), "another issuer"},
		"expired":         {d.token("first", map[string]any{"exp": d.now.Add(-2 * time.Minute).Unix()}), "ended at"},
		"no end":          {d.token("first", map[string]any{"exp": nil}), "ended at"},
		"not yet":         {d.token("first", map[string]any{"nbf": d.now.Add(time.Hour).Unix()}), "not valid yet"},
		"no subject":      {d.token("first", map[string]any{"sub": nil}), "no subject"},
		"unknown key":     {d.issuer.Forged(t, map[string]string{"alg": "ES256", "kid": "mine"}, claims, strings.Repeat("x", 64)), "signature"},
		"wrong signature": {good[:strings.LastIndex(good, ".")+1] + strings.Repeat("A", 86), "signature"},
		"no algorithm":    {d.issuer.Forged(t, map[string]string{"alg": "none"}, claims, ""), "malformed"},
		"shared secret":   {d.issuer.Forged(t, map[string]string{"alg": "HS256", "kid": "first"}, claims, "x"), "malformed"},
		"no token":        {"", "malformed"},
		"no base64":       {"a.b.c", "malformed"},
		"endless":         {strings.Repeat("a", 1<<20), "longer than"},
	} {
		t.Run(name, func(t *testing.T) { (&desk{T: t, Verifier: d.Verifier}).refused(c.token, c.why) })
	}
}

func TestNewKeysOfTheIssuerAreFound(t *testing.T) {
	d := newDesk(t)
	old := d.token("first", nil)
	d.accepted(old, bearer.Caller{Name: "oidc:s-1"})
	d.issuer.Roll(t, "second")
	d.now = d.now.Add(time.Minute)
	d.accepted(d.token("second", nil), bearer.Caller{Name: "oidc:s-1"})
	d.now = d.now.Add(time.Minute)
	d.refused(old, "signature")
}

func TestUnknownKeysDoNotBecomeRequests(t *testing.T) {
	d := newDesk(t)
	for range 20 {
		d.refused(d.issuer.Forged(t, map[string]string{"alg": "ES256", "kid": "mine"}, d.issuer.Claims(d.now, nil), strings.Repeat("x", 64)), "signature")
	}
	if n := d.issuer.Asked(); n > 2 {
		t.Errorf("the issuer was asked %d times; want its configuration and its keys once", n)
	}
}

func TestIssuerOutOfReach(t *testing.T) {
	d := newDesk(t)
	token := d.token("first", nil)
	d.issuer.SetDown(true)
	for range 3 {
		if _, err := d.Verify(t.Context(), token); !errors.Is(err, bearer.ErrUnavailable) || strings.Contains(err.Error(), "maintenance") {
			t.Errorf("got %v, want ErrUnavailable without what the issuer answered", err)
		}
	}
	if n := d.issuer.Asked(); n != 1 {
		t.Errorf("the issuer was asked %d times in a moment, want 1", n)
	}
	d.issuer.SetDown(false)
	d.now = d.now.Add(time.Minute)
	d.accepted(token, bearer.Caller{Name: "oidc:s-1"})
	d.issuer.SetDown(true)
	d.now = d.now.Add(time.Minute)
	d.accepted(token, bearer.Caller{Name: "oidc:s-1"}) // its key is known
	d.issuer.Roll(t, "second")
	unknown := func(_ bearer.Caller, err error) bool { return errors.Is(err, bearer.ErrUnavailable) }
	if _, err := d.verify(d.token("second", nil), unknown); !errors.Is(err, bearer.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable: whether the key is the issuer's is not known", err)
	}
}

func TestIssuerIsNotAskedInTheClear(t *testing.T) {
	never := transport(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, errors.ErrUnsupported
	})
	v := bearer.New(bearer.Settings{Issuer: "http://issuer.example", Audience: "rotatord", Transport: never})
	if _, err := v.Verify(t.Context(), "a.b.c"); !errors.Is(err, bearer.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

// FuzzVerify sends anything as a token, as somebody may who has seen one. Nobody is let in but whom the issuer signed, and no
// refusal repeats what was sent.
func FuzzVerify(f *testing.F) {
	issuer, now := issuertest.New(f), time.Now()
	v := bearer.New(bearer.Settings{Issuer: issuer.URL, Audience: "rotatord", GroupsClaim: "realm.groups", Operators: []string{"*"},
		Transport: issuer.Client().Transport, Now: func() time.Time { return now }})
	good := issuer.Token(f, "first", issuer.Claims(now, nil))
	whom, err := v.Verify(f.Context(), good)
	if err != nil {
		f.Fatal(err)
	}
	head, rest, _ := strings.Cut(good, ".")
	for _, seed := range []string{good, "", ".", "..", rest, head + ".e30." + rest, "eyJhbGciOiJub25lIn0." + rest, good + "=", strings.ToUpper(good), good + "." + good} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(t.Context(), token)
		if err == nil && c != whom { // a signature may be written in several ways
			t.Errorf("%q lets %+v in", token, c)
		}
		if err != nil && (c != bearer.Caller{} || len(token) > 12 && strings.Contains(err.Error(), token)) {
			t.Errorf("%q is refused with %+v and %v", token, c, err)
		}
	})
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
