package demo

import (
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/rotatord/rotatord/emulator"
)

// system is one emulated issuing system, with what the daemon is told of it.
type system struct {
	name    string
	title   string
	handler http.Handler
	// serve notes where it is served and returns where its API begins.
	address string
	base    string
	// manager is the key that the daemon works with; header is the one that carries keys.
	manager, header string
	// whoami is the path, below the API's root, of a call that any good key may make.
	whoami string
	// provider and policy are the daemon's configuration; %s in the first are the API's root and the file of the manager key.
	provider, policy string
	consumers        []*consumer
}

// systems are the three that rotatord serves first.
func (s *stage) systems() ([]*system, error) {
	var all []*system
	for _, make := range []func() (*system, error){s.certCentral, s.digiCertOne, s.dataspot} {
		sys, err := make()
		if err != nil {
			return nil, err
		}
		all = append(all, sys)
	}
	return all, nil
}

// consumer begins with a key that a person once handed to it.
func (s *stage) consumer(sys *system, credential, secret string) {
	sys.consumers = append(sys.consumers, &consumer{
		name: credential, file: filepath.Join(s.dir, "keys", sys.name, credential), header: sys.header, key: secret, story: s.story,
	})
}

// lostAnswer is the one thing that goes wrong: a key is made and the connection breaks before the answer arrives.
var lostAnswer = emulator.Fault{
	Name: "lost answer", Match: emulator.Match{Method: "POST", Path: "/key/user/*"}, Nth: 2, Count: 1,
	Effect: emulator.Effect{Kind: emulator.EffectReset, AfterEffect: true},
}

// certCentral has keys that never expire, so that their age alone makes them due.
func (s *stage) certCentral() (*system, error) {
	e := emulator.NewCertCentral(emulator.CertCentralOptions{NewKeyRefusedFor: time.Second})
	if err := e.Faults.Add(lostAnswer); err != nil {
		return nil, err
	}
	sys := &system{
		name: "certcentral", title: "DigiCert CertCentral", handler: withAdmin(e, e.AdminHandler()), base: e.BasePath(),
		manager: e.ManagerSecret(), header: "X-DC-DEVKEY", whoami: "/user/me",
		provider: "type: certcentral, base_url: %q, api_key_file: %q, propagation: 3s, rates: [{requests: 1000, per: 1m}]",
		policy:   "max_age: 45s, renew_before: 25s, grace: 8s, idle: 3s",
	}
	for _, svc := range []struct {
		name string
		age  time.Duration
	}{{"ci-build", 20 * time.Second}, {"web-shop", 12 * time.Second}} {
		user := e.AddUser(emulator.CertCentralUser{Email: svc.name + "@example.com"})
		_, secret, err := e.AddKey(emulator.CertCentralKey{UserID: user, Name: svc.name, Created: time.Now().Add(-svc.age)})
		if err != nil {
			return nil, err
		}
		s.consumer(sys, svc.name, secret)
	}
	return sys, nil
}

// digiCertOne can switch a key off before it is deleted: it has a soak.
func (s *stage) digiCertOne() (*system, error) {
	e := emulator.NewDigiCertOne(emulator.DigiCertOneOptions{NewTokenRefusedFor: time.Second, Rates: []emulator.Rate{}})
	sys := &system{
		name: "digicert-one", title: "DigiCert ONE", handler: withAdmin(e, e.AdminHandler()),
		manager: e.ManagerSecret(), header: "X-Api-Key", whoami: e.BasePath() + "/user/me",
		provider: "type: digicert_one, base_url: %q, api_key_file: %q, propagation: 3s, rates: [{requests: 1000, per: 1m}]",
		policy:   "max_age: 45s, renew_before: 25s, lifetime: 60d, grace: 6s, idle: 0s, soak: 4s",
	}
	id, _, err := e.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: "signing service"})
	if err != nil {
		return nil, err
	}
	_, secret, err := e.AddToken(emulator.DigiCertOneToken{UserID: id, Name: "signing", Created: time.Now().Add(-8 * time.Second),
		EndDate: time.Now().AddDate(0, 2, 0).UTC().Format(time.DateOnly)})
	if err != nil {
		return nil, err
	}
	s.consumer(sys, "signing", secret)
	return sys, nil
}

// The tenant and the service user of the emulated dataspot, and how long its keys live.
const (
	tenant      = "ACME"
	catalogue   = "catalogue"
	keyLifetime = 60 * time.Second
)

// dataspot has keys that only a person can make and remove, in its page: the demo plays that person too.
func (s *stage) dataspot() (*system, error) {
	e := emulator.NewDataspot(emulator.DataspotOptions{})
	if _, err := e.AddServiceUser(tenant, catalogue); err != nil {
		return nil, err
	}
	expires := time.Now().Add(45 * time.Second).Truncate(time.Second)
	secret, err := e.MakeKeyInPage(tenant, catalogue, catalogue, expires)
	if err != nil {
		return nil, err
	}
	sys := &system{
		name: "dataspot", title: "dataspot.", handler: withAdmin(e, e.AdminHandler()), base: e.BasePath(),
		manager: e.ManagerSecret(tenant), header: "dataspot-access-key", whoami: "/rest/" + e.Database() + "/tenants/" + tenant,
		provider: fmt.Sprintf("type: dataspot, base_url: %%q, access_key_file: %%q, database: %s, tenant: %s, propagation: 2s, rates: [{requests: 1000, per: 1m}], "+
			"keys: [{user: %s, name: %s, expires: %s}]", e.Database(), tenant, catalogue, catalogue, expires.UTC().Format(time.RFC3339)),
		policy: fmt.Sprintf("renew_before: 30s, lifetime: %s, grace: 6s, idle: 0s", keyLifetime),
	}
	s.person = newPerson(e, s.story)
	s.consumer(sys, catalogue, secret)
	return sys, nil
}

// withAdmin puts the emulator's admin API beside the API.
func withAdmin(api, admin http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/_emulator/", admin)
	mux.Handle("/", api)
	return mux
}
