package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/web"
)

func TestSupply(t *testing.T) {
	s := serve(t, fleet)
	got := s.ask(http.MethodPost, "/api/v1/supplies?provider=cc&user=u1&credential=ci&key_id=77&expires=2027-03-31T23:59:59Z&actor=ann",
		"  "+planted+"\n", "Content-Type", "text/plain")
	if got.status != http.StatusAccepted || strings.Contains(got.body, planted) {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if diff := cmp.Diff([]string{"supply cc/u1/ci " + planted + " 77 2027-03-31 unverified:ann"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

// TestASuppliedKeyIsNeverRepeated sends keys that are refused before anybody looks at them, and by who looks.
func TestASuppliedKeyIsNeverRepeated(t *testing.T) {
	refusing := func(o *web.Options, s *site) {
		fleet(o, s)
		s.operator.fails = map[string]error{"ci": rotator.NewFault("supply", rotator.Denied, "the provider refuses the key")}
	}
	const path = "/api/v1/supplies?provider=cc&user=u1&credential="
	for name, c := range map[string]struct {
		path, kind string
		body       string
		want       int
	}{
		"the provider refuses it":      {path + "ci", "text/plain", planted, http.StatusBadGateway},
		"no credential":                {"/api/v1/supplies?provider=cc&user=u1", "text/plain", planted, http.StatusUnprocessableEntity},
		"a time that is none":          {path + "ci&expires=" + planted, "text/plain", planted, http.StatusUnprocessableEntity},
		"JSON in place of the key":     {path + "ci", "application/json", `{"key":"` + planted + `"}`, http.StatusUnsupportedMediaType},
		"more than a key can hold":     {path + "ci", "text/plain", strings.Repeat(planted, 2000), http.StatusRequestEntityTooLarge},
		"several credentials match it": {path + "c*", "text/plain", planted, http.StatusUnprocessableEntity},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, refusing)
			got := s.ask(http.MethodPost, c.path, c.body, "Content-Type", c.kind)
			if got.status != c.want {
				t.Errorf("got %d %s, want %d", got.status, got.body, c.want)
			}
			if strings.Contains(got.body, planted) && !strings.Contains(c.path, planted) {
				t.Errorf("the answer repeats the key: %s", got.body)
			}
		})
	}
}

func TestRemoved(t *testing.T) {
	s := serve(t, fleet)
	got := s.ask(http.MethodPost, "/api/v1/removals", `{"provider":"cc","user":"u9","credential":"new","actor":"ann"}`)
	if got.status != http.StatusAccepted {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if diff := cmp.Diff([]string{"removed cc/u9/new unverified:ann"}, s.operator.did()); diff != "" {
		t.Errorf("a credential that no scan saw is taken by its word: %s", diff)
	}
}

func TestUndo(t *testing.T) {
	s := serve(t, fleet)
	got := s.ask(http.MethodPost, "/api/v1/undo", `{"provider":"cc","user":"u1","credential":"ci","until":"2099-01-02T00:00:00Z","reason":"still in use","actor":"ann"}`)
	if got.status != http.StatusAccepted || !strings.Contains(got.body, `"stage":"reactivating"`) {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if got := s.ask(http.MethodPost, "/api/v1/undo", `{"provider":"cc","user":"u1","credential":"ci","until":"2020-01-02T00:00:00Z","reason":"x"}`); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a hold that is over: %d %s", got.status, got.body)
	}
	if diff := cmp.Diff([]string{"undo cc/u1/ci unverified:ann 2099-01-02 still in use"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}

func TestServiceUsers(t *testing.T) {
	declared := rotator.DeclaredUser{Provider: "cc", Label: "ci", Credential: "deploy"}
	s := serve(t, fleet, func(_ *web.Options, s *site) {
		s.journal.Declared = []rotator.Provision{
			{DeclaredUser: declared, State: rotator.ProvisionPresent, UserID: "7", At: noon},
			{DeclaredUser: rotator.DeclaredUser{Provider: "cc", Label: "gone"}, State: rotator.ProvisionVanished, At: noon, Trouble: "it was there"},
			{DeclaredUser: rotator.DeclaredUser{Provider: "cc", Label: "other"}, State: rotator.ProvisionPresent, At: noon,
				Drift: []rotator.Difference{{Attribute: "email", Want: []string{"a@x"}, Have: []string{"b@x"}}}},
		}
	})
	listed := decode[web.ServiceUsers](t, s.get("/api/v1/service-users")).ServiceUsers
	if len(listed) != 3 || listed[0].State != "present" || listed[0].UserID != "7" || listed[2].Drift[0].Attribute != "email" {
		t.Errorf("got %+v", listed)
	}
	var complaints []string
	for _, i := range decode[web.Status](t, s.get("/api/v1/status")).Attention {
		if i.About == "service_user" {
			complaints = append(complaints, i.What+" "+i.Reason+" "+i.Why)
			if i.Do == "" {
				t.Errorf("nobody says what to do about %s", i.Reason)
			}
		}
	}
	if diff := cmp.Diff([]string{"cc/gone user_trouble it was there", `cc/other user_drift email is "b@x", declared "a@x"`}, complaints); diff != "" {
		t.Errorf("attention: %s", diff)
	}
	got := s.ask(http.MethodPost, "/api/v1/service-users",
		`{"provider":"cc","label":"new","credential":"deploy","actor":"ann","spec":{"kind":"service","email":"ci@example.com"}}`)
	if got.status != http.StatusAccepted {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if diff := cmp.Diff([]string{"provision cc new deploy ci@example.com unverified:ann"}, s.operator.did()); diff != "" {
		t.Error(diff)
	}
}
