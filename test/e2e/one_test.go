package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// A key of dueAge is due under it, and its successor is not. It soaks for long enough to have it brought back.
const soakPolicy = `scan: {schedule: "@every 1s"}
log: {level: debug}
policies:
  - {name: hour, max_age: 1h, lifetime: 48h, renew_before: 30m, grace: 1s, idle: 0s, soak: 4s, jitter: 0%, sinks: [vault, disk]}
`

func newInstance(refusedFor time.Duration) *emulator.DigiCertOne {
	return emulator.NewDigiCertOne(emulator.DigiCertOneOptions{Rates: []emulator.Rate{}, NewTokenRefusedFor: refusedFor})
}

// TestWholeRotationOfAToken follows a token of DigiCert ONE: both work in the grace period, the old one is off while it soaks,
// comes back when somebody asks for it, and is deleted in the end.
func TestWholeRotationOfAToken(t *testing.T) {
	t.Parallel()
	instance := newInstance(300 * time.Millisecond)
	f := newFleet(t, daemon.Serve(t, daemon.DigiCertOneTokens(instance)))
	old := f.provider.AddService("ci-build", "build", dueAge)
	f.services = []daemon.Service{old}
	f.prepare(f.config("json", soakPolicy))
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	f.awaitStage(old, "grace")
	f.overlap(old)
	f.awaitStage(old, "soaking")
	f.isOff(old)
	f.bringsBack(old)
	f.awaitStage(old, "soaking")
	f.isOff(old)
	f.awaitDone(1)
	consumers.verdict(t, 2)

	next := f.onlyKey(old)
	if next.Name != "build-r0001" {
		t.Errorf("the new token is named %s, want build-r0001", next.Name)
	}
	made, _ := instance.Token(next.ID)
	if want := lastDay(next.Created, 48*time.Hour); made.EndDate != want {
		t.Errorf("the new token ends on %s, want %s: the last day within its lifetime", made.EndDate, want)
	}
	f.provesVault(old, next)
	f.provesFile(old, next)
	f.provesStages("planned", "minting", "minted", "testing", "delivering", "confirmed", "grace", "deactivating", "soaking",
		"reactivating", "grace", "deactivating", "soaking", "revoking", "done")
	f.keepsSecrets("after a token was replaced")
	f.d.Stop()
}

// TestWholeRotationOfAServiceUser follows a service user that is its one token: its successor has all that it had.
func TestWholeRotationOfAServiceUser(t *testing.T) {
	t.Parallel()
	instance := newInstance(300 * time.Millisecond)
	f := newFleet(t, daemon.Serve(t, daemon.DigiCertOneUsers(instance)))
	old := f.provider.AddService("ci-build", "", dueAge)
	f.services = []daemon.Service{old}
	f.prepare(f.config("json", soakPolicy))
	before, _ := instance.User(old.KeyID)
	f.d.Start()
	consumers := f.consume(50 * time.Millisecond)
	f.awaitStage(old, "grace")
	f.overlap(old)
	f.awaitStage(old, "soaking")
	f.isOff(old)
	f.awaitDone(1)
	consumers.verdict(t, 2)

	next := f.onlyKey(old)
	after, _ := instance.User(next.ID)
	want := before
	want.ID, want.FriendlyName, want.Created, want.EndDate = next.ID, "ci-build-r0001", after.Created, lastDay(after.Created, 48*time.Hour)
	want.FirstToken = after.FirstToken
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("the successor differs (-want +got):\n%s", diff)
	}
	if len(after.Roles) < 2 {
		t.Errorf("the service user has the roles %v: this test sees too little", after.Roles)
	}
	f.provesVault(old, next)
	f.provesFile(old, next)
	f.provesStages("planned", "minting", "minted", "testing", "delivering", "confirmed", "grace", "deactivating", "soaking", "revoking", "done")
	f.keepsSecrets("after a service user was replaced")
	f.d.Stop()
}

// lastDay is the last day that is over when the lifetime is.
func lastDay(from time.Time, lifetime time.Duration) string {
	return from.Add(lifetime).Add(time.Second).UTC().AddDate(0, 0, -1).Format(time.DateOnly)
}

// isOff checks that the old key is switched off, and neither accepted nor gone.
func (f *fleet) isOff(old daemon.Service) {
	f.t.Helper()
	if k, _ := f.provider.Key(old.KeyID); k.Status != "disabled" {
		f.t.Errorf("while it soaks the old key is %q, want disabled", k.Status)
	}
	if err := f.provider.Use(f.t.Context(), old.Secret); !daemon.Refused(err) {
		f.t.Errorf("while it soaks the old key is not refused: %v", err)
	}
}

// bringsBack asks for the old key, as somebody does who still needs it, and lets it go again.
func (f *fleet) bringsBack(old daemon.Service) {
	f.t.Helper()
	name := fmt.Sprintf("%s/%s/%s", f.provider.Name(), old.UserID, old.Key)
	if out, errs, code := f.d.Command("undo", "--reason", "the night batch has it", name); code != 0 {
		f.t.Fatalf("undo ends with %d: %s%s", code, out, errs)
	}
	daemon.Await(f.t, daemon.Patience, "the old key to be back", func() error { return f.provider.Use(f.t.Context(), old.Secret) })
	if out, errs, code := f.d.Command("release", name); code != 0 {
		f.t.Fatalf("release ends with %d: %s%s", code, out, errs)
	}
}

// onlyKey is the one key that is left of a service: another one than it began with.
func (f *fleet) onlyKey(old daemon.Service) daemon.Key {
	f.t.Helper()
	keys := f.provider.Keys(old.UserID)
	if len(keys) != 1 || keys[0].ID == old.KeyID || keys[0].Status != daemon.KeyActive {
		f.t.Fatalf("service user %s has the keys %+v, want a new one alone", old.Name, keys)
	}
	return keys[0]
}

// TestEndDatesOfTokens has tokens that near their end or reach it today, under policies that replace and that
// extend.
func TestEndDatesOfTokens(t *testing.T) {
	t.Parallel()
	instance := newInstance(0)
	f := newFleet(t, daemon.Serve(t, daemon.DigiCertOneTokens(instance)))
	now := time.Now().UTC()
	cases := []struct {
		name     string
		ends     int // days from today
		extended bool
	}{
		{"extend-soon", 9, true}, {"extend-today", 0, true}, {"replace-soon", 9, false}, {"replace-today", 0, false},
	}
	for _, c := range cases {
		user, _, err := instance.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: c.name, Created: now.AddDate(0, 0, -80)})
		if err != nil {
			t.Fatal(err)
		}
		id, secret, err := instance.AddToken(emulator.DigiCertOneToken{
			UserID: user, Name: c.name + "-key", Created: now.AddDate(0, 0, -80), EndDate: now.AddDate(0, 0, c.ends).Format(time.DateOnly),
		})
		if err != nil {
			t.Fatal(err)
		}
		f.services = append(f.services, daemon.Service{Name: c.name, Key: c.name + "-key", UserID: user, KeyID: id, Secret: secret})
	}
	f.prepare(f.config("json", `scan: {schedule: "@every 1s"}
policies:
  - {name: extend, match: {keys: ["extend-*"]}, extend: true, max_age: 400d, lifetime: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%, sinks: [vault, disk]}
  - {name: replace, lifetime: 90d, renew_before: 30d, grace: 1s, idle: 0s, jitter: 0%, sinks: [vault, disk]}
`))
	f.d.Start()
	f.awaitDone(len(cases))
	for i, c := range cases {
		s := f.services[i]
		keys := f.provider.Keys(s.UserID)
		if len(keys) != 1 || (keys[0].ID == s.KeyID) != c.extended {
			t.Errorf("%s: the keys are %+v, and it began with %s; extended should be %v", c.name, keys, s.KeyID, c.extended)
			continue
		}
		f.endsWithin90Days(s, keys[0], c.extended, now)
	}
	f.d.Stop()
}

// endsWithin90Days checks the token that is left: its end, its secret and what the sinks hold.
func (f *fleet) endsWithin90Days(s daemon.Service, k daemon.Key, extended bool, began time.Time) {
	f.t.Helper()
	token, _ := f.provider.System.(interface {
		Token(id string) (emulator.DigiCertOneToken, bool)
	}).Token(k.ID)
	first, last := lastDay(began, 90*24*time.Hour), lastDay(time.Now(), 90*24*time.Hour)
	if token.EndDate < first || token.EndDate > last {
		f.t.Errorf("%s: the token ends on %s, want %s to %s", s.Name, token.EndDate, first, last)
	}
	for sink, read := range f.readers(s) {
		secret, err := read(f.t.Context())
		if extended && err == nil {
			f.t.Errorf("%s: a key whose end was moved was delivered to %s", s.Name, sink)
		} else if held, _ := f.provider.KeyOfSecret(secret); !extended && held.ID != k.ID {
			f.t.Errorf("%s: %s holds %q (%v), want the new token", s.Name, sink, held.ID, err)
		}
	}
	if err := f.provider.Use(context.Background(), s.Secret); extended && err != nil {
		f.t.Errorf("%s: the secret does not work after its end was moved: %v", s.Name, err)
	}
}
