package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/test/daemon"
)

// birthplace is a system at which service users are declared and created.
type birthplace struct {
	serve func(t *testing.T) daemon.System
	// declare is the declaration of a service user with that label, but for provider, label and credential.
	declare func(label string) string
	// person does what people are asked to do meanwhile; nil where nobody is needed.
	person func(f *fleet)
	// list is the path that lists service users, and trace is a pattern for what only the entry of the one with that label has.
	list  string
	trace func(label string) string
}

// The users' first keys, and their successors' while nothing is due.
const firstPolicy = `scan: {schedule: "@every 1s"}
policies:
  - {name: first, match: {keys: ["first-*"]}, max_age: 24h, lifetime: 72h, renew_before: 1h, grace: 1s, idle: 0s, jitter: 0%, sinks: [vault, disk]}
service_users:
`

const (
	roleOfUsers    = "401e0000-0000-4000-8000-000000000001"
	managerOfUsers = "a9900000-0000-4000-8000-000000000001"
)

func birthplaces() map[string]birthplace {
	one := func(make func(*emulator.DigiCertOne) daemon.System, suffix string) birthplace {
		account := ""
		return birthplace{
			serve: func(*testing.T) daemon.System {
				instance := newInstance(100 * time.Millisecond)
				account = instance.Users()[0].Accounts[0]
				return make(instance)
			},
			declare: func(label string) string {
				return fmt.Sprintf("name: %s, email: %s@example.com, description: builds, accounts: [%s], managers: [%s], roles: [%s]",
					label, label, account, managerOfUsers, roleOfUsers)
			},
			list: "/user", trace: func(label string) string { return `"friendly_name":"` + label + suffix + `"` },
		}
	}
	return map[string]birthplace{
		"CertCentral": {
			serve: func(*testing.T) daemon.System {
				return daemon.CertCentral(emulator.NewCertCentral(emulator.CertCentralOptions{Rates: []emulator.Rate{}, NewKeyRefusedFor: 100 * time.Millisecond}))
			},
			declare: func(label string) string { return "email: " + label + "@example.com" },
			list:    "/user/api-only?limit=1000", trace: func(label string) string { return `"email":"` + label + `@example.com"` },
		},
		"DigiCert ONE":                  one(daemon.DigiCertOneTokens, ""),
		"DigiCert ONE in recreate mode": one(daemon.DigiCertOneUsers, `-r\d+`),
		"dataspot": {
			serve: func(t *testing.T) daemon.System {
				server := emulator.NewDataspot(emulator.DataspotOptions{NewKeyRefusedFor: 100 * time.Millisecond})
				if _, err := server.AddServiceUser("ACME", "proof"); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if n := server.CollectionDeletes(); n > 0 {
						t.Errorf("the call that deletes every user of a tenant was made %d times", n)
					}
				})
				return daemon.DataspotTenant(server, "ACME", "create_keys: patch, throwaway_user: proof")
			},
			person: removesLostKeys,
			declare: func(label string) string {
				return "login_id: " + label + ", name: " + label + ", access_level: READ_ONLY"
			},
			list: "/rest/prod/users", trace: func(label string) string { return `"loginId":"` + label + `"` },
		},
	}
}

// declared is the configuration with the first n service users.
func (f *fleet) declared(b *birthplace, n int, more string) string {
	text := firstPolicy
	for i := range n {
		label := fmt.Sprintf("first-%d", i)
		text += fmt.Sprintf("  - {provider: %s, label: %s, credential: %s, %s%s}\n", f.provider.Name(), label, label, b.declare(label), more)
	}
	return f.config("json", text)
}

// ask makes a call as an administrator, beside the daemon.
func (f *fleet) ask(method, path, body string) (status int, answer string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.provider.BaseURL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	_, header := f.provider.Consumer()
	req.Header.Set(header, f.provider.ManagerSecret())
	req.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return got.StatusCode, string(text)
}

// born is nil if a declared service user is there once, and both sinks hold the secret of its one active key.
func (f *fleet) born(b *birthplace, label string) error {
	status, users := f.ask(http.MethodGet, b.list, "")
	if n := len(regexp.MustCompile(b.trace(label)).FindAllString(users, -1)); status != http.StatusOK || n != 1 {
		return fmt.Errorf("%s is there %d times (the list is answered %d)", label, n, status)
	}
	held := map[string]daemon.Key{}
	for sink, read := range f.readers(daemon.Service{Name: label, Key: label}) {
		secret, err := read(f.t.Context())
		if err != nil {
			return fmt.Errorf("the first key of %s in %s: %w", label, sink, err)
		}
		held[sink], _ = f.provider.KeyOfSecret(secret)
		if err := f.provider.Use(f.t.Context(), secret); err != nil {
			return fmt.Errorf("the first key of %s in %s: %w", label, sink, err)
		}
	}
	active := f.provider.Active(held["vault"].UserID)
	if held["vault"].ID != held["disk"].ID || len(active) != 1 || active[0].ID != held["vault"].ID {
		return fmt.Errorf("the active keys of %s are %+v, and the sinks hold %+v", label, active, held)
	}
	return nil
}

// TestDeclaredServiceUsersAreBornOnce has the daemon die again and again while it creates service users. Each of them is there
// once in the end, with one key, which is where it belongs.
func TestDeclaredServiceUsersAreBornOnce(t *testing.T) {
	const kills = 20
	for name, b := range birthplaces() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := drawSeed(t)
			r := rand.New(rand.NewPCG(seed, 0)) // draws moments
			f := newFleet(t, daemon.Serve(t, b.serve(t)))
			f.place = "{{.Provider}}/{{.Credential}}"
			k := f.killer()
			f.prepare(f.declared(&b, 1, ""))
			moments := map[string]int{}
			for i := range kills {
				f.d.Configure(f.declared(&b, i+1, ""))
				m := drawMoment(r, []string{daemon.RequestUser, daemon.RequestMint, daemon.RequestUsers, daemon.RequestCheck, "vault write", "vault metadata"})
				if i < 2 { // whatever is drawn, two die of a creation: before it and after it
					m.at, m.nth = event{daemon.RequestUser, i == 1}, 1
				}
				moments[m.String()]++
				f.dieAt(k, m)()
			}
			f.d.Start()
			defer f.tellStatus()
			daemon.Await(t, 2*daemon.Patience, "all to be born", func() error {
				if b.person != nil {
					b.person(f)
				}
				if open, _ := f.d.Rotations(); len(open) > 0 {
					return fmt.Errorf("%d rotations are open, the first is %+v", len(open), open[0])
				}
				for i := range kills {
					if err := f.born(&b, fmt.Sprintf("first-%d", i)); err != nil {
						return err
					}
				}
				return nil
			})
			f.rests()
			if n, _ := f.d.Metric("rotatord_orphan_keys"); n != 0 {
				t.Errorf("the metrics count %v orphans at the end, want 0 (seed %d)", n, seed)
			}
			f.d.Stop()
			if moments[moment{at: event{daemon.RequestUser, false}}.String()]+moments[moment{at: event{daemon.RequestUser, true}}.String()] == 0 {
				t.Errorf("no kill was aimed at a creation, among %v", moments)
			}
		})
	}
}

// removesLostKeys is what a person does at dataspot whom the daemon asks to remove a key that nobody has.
func removesLostKeys(f *fleet) {
	f.t.Helper()
	server, ok := f.provider.System.(*daemon.Dataspot)
	if !ok {
		f.t.Fatal("only dataspot asks people")
	}
	open, _ := f.d.Rotations()
	for _, r := range open {
		if r.Blocked != "awaiting_removal" {
			continue
		}
		_ = server.RemoveKeyInPage("ACME", r.UserID, r.NewKey.Name) // it may never have been made
		f.removed(daemon.Service{UserID: r.UserID, Key: r.Credential})
	}
}

// tellStatus shows, of a failed test, what the daemon says of itself.
func (f *fleet) tellStatus() {
	if f.t.Failed() && f.d.Running() {
		out, _, _ := f.d.Command("status")
		f.t.Log(out)
	}
}
