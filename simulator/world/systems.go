package world

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/emulator"
	"github.com/rotatord/rotatord/providers/certcentral"
	"github.com/rotatord/rotatord/providers/dataspot"
	"github.com/rotatord/rotatord/providers/digicertone"
	"github.com/rotatord/rotatord/rotator"
)

// truth is a key as its system has it.
type truth struct {
	id, name         string
	created, expires time.Time
	off              bool // disabled, revoked or deleted
}

// works reports whether the key is accepted at now, or will be once it has propagated.
func (k truth) works(now time.Time) bool {
	return !k.off && (k.expires.IsZero() || now.Before(k.expires))
}

// system is an emulated issuing system. The world's clock is its clock.
type system interface {
	http.Handler
	orders() *emulator.Faults
	// login asks for nothing but who has the secret.
	login(secret string) (path string, header http.Header)
	// provider makes the daemon's side of it.
	provider(transport http.RoundTripper, clock rotator.Clock) (provider, error)
	addUser(name, email string) (id string, err error)
	addKey(user, name string, created, expires time.Time) (secret string, err error)
	keys(user string) []truth
	// removeUser takes a stranger away.
	removeUser(id string)
	makeByHand(user, name string, expires time.Time) (secret string, err error)
	removeByHand(user string, k truth) error
	// declaration is what a configuration says of a service user with that label, and usersOf are the ids of those that fit.
	declaration(label string) rotator.UserSpec
	usersOf(label string) []string
}

func newSystem(a Account, now func() time.Time) (system, error) {
	switch a.System {
	case CertCentral:
		return newCC(a, now), nil
	case DigiCertOne:
		return newD1(a, now), nil
	case Dataspot, DataspotBlind:
		return newDS(a, now), nil
	default:
		return nil, fmt.Errorf("there is no system %q", a.System)
	}
}

func fixed(secret string) func() (rotator.Secret, error) {
	return func() (rotator.Secret, error) { return rotator.SecretString(secret), nil }
}

func emulated(rates []Rate) []emulator.Rate {
	list := make([]emulator.Rate, 0, len(rates))
	for _, r := range rates {
		list = append(list, emulator.Rate(r))
	}
	return list
}

type cc struct {
	*emulator.CertCentral
	a Account
}

func newCC(a Account, now func() time.Time) *cc {
	return &cc{emulator.NewCertCentral(emulator.CertCentralOptions{
		Now: now, Rates: emulated(a.Rates), NewKeyRefusedFor: a.RefusedFor, NewKeyListedAfter: a.ListedAfter,
		RevokedKeyAcceptedFor: a.RevokedFor, LastUsedLag: a.UsedLag, SendRetryAfter: true,
	}), a}
}

func (s *cc) orders() *emulator.Faults { return &s.Faults }

func (s *cc) provider(t http.RoundTripper, clock rotator.Clock) (provider, error) {
	rates := make([]certcentral.Rate, 0, len(s.a.Rates))
	for _, r := range s.a.Rates {
		rates = append(rates, certcentral.Rate(r))
	}
	o := certcentral.Options{BaseURL: "https://issuer.example" + s.BasePath(), Key: fixed(s.ManagerSecret()), Rates: rates,
		Propagation: s.a.Propagation, Transport: t, Clock: clock}
	if s.a.Strangers > 0 {
		o.PageSize = max(3, s.a.Strangers/2) // several pages, which can shift
	}
	return certcentral.New(o)
}

func (s *cc) login(secret string) (path string, header http.Header) {
	return s.BasePath() + "/user/me", http.Header{"X-Dc-Devkey": {secret}}
}

func (s *cc) addUser(name, email string) (string, error) {
	return strconv.FormatInt(s.AddUser(emulator.CertCentralUser{Username: name, Email: email}), 10), nil
}

func (s *cc) addKey(user, name string, created, _ time.Time) (string, error) {
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil {
		return "", err
	}
	_, secret, err := s.AddKey(emulator.CertCentralKey{UserID: id, Name: name, Created: created})
	return secret, err
}

func (s *cc) keys(user string) []truth {
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil {
		return nil
	}
	known := s.Keys(id)
	list := make([]truth, 0, len(known))
	for _, k := range known {
		list = append(list, truth{id: strconv.FormatInt(k.ID, 10), name: k.Name, created: k.Created, off: k.Status != "active"})
	}
	return list
}

func (s *cc) removeUser(id string) {
	if n, err := strconv.ParseInt(id, 10, 64); err == nil {
		s.RemoveUser(n)
	}
}

func (s *cc) makeByHand(user, name string, _ time.Time) (string, error) {
	return s.addKey(user, name, time.Time{}, time.Time{})
}

func (s *cc) removeByHand(_ string, k truth) error {
	id, err := strconv.ParseInt(k.id, 10, 64)
	if err != nil {
		return err
	}
	return s.SetKeyStatus(id, "revoked")
}

func (*cc) declaration(label string) rotator.UserSpec {
	return rotator.UserSpec{Kind: rotator.ServiceKind, Email: contact(label)}
}

// contact is what a service user is told by where its name is the provider's choice.
func contact(label string) string { return label + "@example.com" }

func (s *cc) usersOf(label string) (ids []string) {
	for _, id := range s.ServiceUsersOf(contact(label)) {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return ids
}

type d1 struct {
	*emulator.DigiCertOne
	a Account
}

func newD1(a Account, now func() time.Time) *d1 {
	return &d1{emulator.NewDigiCertOne(emulator.DigiCertOneOptions{
		Now: now, Rates: emulated(a.Rates), NewTokenRefusedFor: a.RefusedFor, NewListedAfter: a.ListedAfter, DisabledAcceptedFor: a.RevokedFor,
	}), a}
}

func (s *d1) orders() *emulator.Faults { return &s.Faults }

func (s *d1) provider(t http.RoundTripper, clock rotator.Clock) (provider, error) {
	rates := make([]digicertone.Rate, 0, len(s.a.Rates))
	for _, r := range s.a.Rates {
		rates = append(rates, digicertone.Rate(r))
	}
	return digicertone.New(digicertone.Options{BaseURL: "https://issuer.example", Key: fixed(s.ManagerSecret()), Rates: rates,
		Propagation: s.a.Propagation, Transport: t, Clock: clock})
}

func (s *d1) login(secret string) (path string, header http.Header) {
	return s.BasePath() + "/user/me", http.Header{"X-Api-Key": {secret}}
}

// addUser gives the user a name that the system takes; policies match its e-mail address as well.
func (s *d1) addUser(name, email string) (string, error) {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune("@.+", r) {
			return '-'
		}
		return r
	}, name)
	id, _, err := s.AddServiceUser(emulator.DigiCertOneUser{FriendlyName: name, Email: email})
	return id, err
}

const dateOnly = "2006-01-02"

func (s *d1) addKey(user, name string, created, expires time.Time) (string, error) {
	end := ""
	if !expires.IsZero() {
		end = expires.UTC().Format(dateOnly)
	}
	_, secret, err := s.AddToken(emulator.DigiCertOneToken{UserID: user, Name: name, Created: created, EndDate: end})
	return secret, err
}

func (s *d1) keys(user string) []truth {
	var list []truth
	for _, k := range s.Tokens(user) {
		t := truth{id: k.ID, name: k.Name, created: k.Created, off: k.Disabled}
		if end, err := time.Parse(dateOnly, k.EndDate); err == nil {
			t.expires = end.Add(day1 - time.Second)
		}
		list = append(list, t)
	}
	return list
}

func (s *d1) removeUser(id string) { _ = s.RemoveUser(id) } // a stranger that is gone already may stay gone

func (s *d1) makeByHand(user, name string, expires time.Time) (string, error) {
	return s.addKey(user, name, time.Time{}, expires)
}

func (s *d1) removeByHand(_ string, k truth) error { return s.RemoveToken(k.id) }

// The ids of a manager and of a role that the emulated instance has.
const (
	managerOfUsers = "a9900000-0000-4000-8000-000000000001"
	roleOfUsers    = "401e0000-0000-4000-8000-000000000001"
)

func (s *d1) declaration(label string) rotator.UserSpec {
	return rotator.UserSpec{Kind: rotator.ServiceKind, Name: label, Email: contact(label), Accounts: s.Users()[0].Accounts, Managers: []string{managerOfUsers},
		Roles: []string{roleOfUsers}}
}

func (s *d1) usersOf(label string) (ids []string) {
	for _, u := range s.Users() {
		if u.FriendlyName == label {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

const tenant = "ACME"

type ds struct {
	*emulator.Dataspot
	a        Account
	declared []dataspot.DeclaredKey
}

func newDS(a Account, now func() time.Time) *ds {
	return &ds{Dataspot: emulator.NewDataspot(emulator.DataspotOptions{
		Now: now, ShowKeys: a.System == Dataspot, NewKeyRefusedFor: a.RefusedFor, NewKeyListedAfter: a.ListedAfter,
		RemovedKeyAcceptedFor: a.RevokedFor, Rates: emulated(a.Rates), SendRetryAfter: true,
	}), a: a}
}

func (s *ds) orders() *emulator.Faults { return &s.Faults }

func (s *ds) provider(t http.RoundTripper, clock rotator.Clock) (provider, error) {
	o := dataspot.Options{Name: s.a.Name, BaseURL: "https://issuer.example", Database: s.Database(), Tenant: tenant, Key: fixed(s.ManagerSecret(tenant)),
		TenantHeader: "dataspot-tenant", Propagation: s.a.Propagation, Transport: t, Clock: clock, ListsKeys: s.a.System == Dataspot}
	for _, r := range s.a.Rates {
		o.Rates = append(o.Rates, dataspot.Rate(r))
	}
	if !o.ListsKeys {
		o.Keys = s.declared
	}
	return dataspot.New(o)
}

func (s *ds) login(secret string) (path string, header http.Header) {
	return "/rest/" + s.Database() + "/tenants/" + tenant, http.Header{"Dataspot-Access-Key": {secret}, "Dataspot-Tenant": {tenant}}
}

func (s *ds) addUser(name, _ string) (string, error) { return s.AddServiceUser(tenant, name) }

func (s *ds) addKey(user, name string, created, expires time.Time) (string, error) {
	_, secret, err := s.AddKey(emulator.DataspotKey{UserID: user, Name: name, Created: created, Expires: expires})
	s.declared = append(s.declared, dataspot.DeclaredKey{User: user, Name: name, Created: created, Expires: expires})
	return secret, err
}

func (s *ds) keys(user string) []truth {
	var list []truth
	for _, k := range s.Keys(user) {
		list = append(list, truth{id: k.ID, name: k.Name, created: k.Created, expires: k.Expires, off: !k.Removed.IsZero()})
	}
	return list
}

func (s *ds) removeUser(id string) { s.RemoveUser(id) }

func (s *ds) makeByHand(user, name string, expires time.Time) (string, error) {
	return s.MakeKeyInPage(tenant, user, name, expires)
}

func (s *ds) removeByHand(user string, k truth) error { return s.RemoveKeyInPage(tenant, user, k.name) }

func (*ds) declaration(label string) rotator.UserSpec {
	return rotator.UserSpec{Kind: rotator.ServiceKind, Name: label, LoginID: label}
}

func (s *ds) usersOf(label string) (ids []string) {
	for _, u := range s.Users(tenant) {
		if u.LoginID == label {
			ids = append(ids, u.ID)
		}
	}
	return ids
}
