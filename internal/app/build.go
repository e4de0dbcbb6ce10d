package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/rotator/outbound"
)

// requests is told about every request to a provider.
type requests func(provider, operation, code string, took time.Duration)

// builder makes providers and sinks from configuration. It keeps those whose configuration did not change, so that a
// reload resets no rate limiter and logs in nowhere anew.
type builder struct {
	observe   requests
	retry     engine.Backoff
	userAgent string
	providers map[string]built[config.Provider, rotator.Provider]
	sinks     map[string]built[config.Sink, rotator.Sink]
}

type built[C, T any] struct {
	from C
	made T
}

func newBuilder(version string, retry engine.Backoff, observe requests) *builder {
	return &builder{observe: observe, retry: retry, userAgent: "rotatord/" + version}
}

// keep puts into next what was made before from the same configuration, or makes it.
func keep[C, T any](known, next map[string]built[C, T], name string, from C, build func(C) (T, error)) (T, error) {
	if b, ok := known[name]; ok && reflect.DeepEqual(b.from, from) {
		next[name] = b
		return b.made, nil
	}
	made, err := build(from)
	if err == nil {
		next[name] = built[C, T]{from: from, made: made}
	}
	return made, err
}

// setup makes of a configuration what the engine runs on. Only if all of it can be made does the builder remember it in
// place of what it made before.
func (b *builder) setup(c *config.Config) (*engine.Setup, error) {
	s := &engine.Setup{
		Sinks: make(map[string]rotator.Sink, len(c.Sinks)), Retry: b.retry,
		Cap:        rotator.CapLimits{MaxShare: float64(c.Limits.MaxSharePerScan), AlwaysAllowed: c.Limits.AlwaysAllowed},
		Concurrent: c.Limits.ConcurrentRotations, HaltAfter: c.Limits.HaltAfterFailures,
		Notify: notices(c.Notifications),
	}
	providers, sinks := map[string]built[config.Provider, rotator.Provider]{}, map[string]built[config.Sink, rotator.Sink]{}
	var err error
	if s.Scan, err = rotator.ParseSchedule(c.Scan.Schedule, c.Scan.Timezone); err != nil {
		return nil, err
	}
	for _, p := range c.Providers {
		made, err := keep(b.providers, providers, p.Name, p, b.provider)
		if err != nil {
			return nil, fmt.Errorf("provider %s: %w", p.Name, err)
		}
		s.Accounts = append(s.Accounts, engine.Account{Name: p.Name, Provider: made, MaxKeys: p.Traits().MaxKeys,
			Declared: declared(c.ServiceUsers, p.Name)})
	}
	for _, k := range c.Sinks {
		if s.Sinks[k.Name], err = keep(b.sinks, sinks, k.Name, k, newSink); err != nil {
			return nil, fmt.Errorf("sink %s: %w", k.Name, err)
		}
	}
	if s.Policies, err = policies(c.Policies); err != nil {
		return nil, err
	}
	if s.Drills, err = drills(c.Drills); err != nil {
		return nil, err
	}
	if v := c.Verify; v != nil {
		if s.Verify, err = rotator.ParseSchedule(v.Schedule, v.Timezone); err != nil {
			return nil, fmt.Errorf("verify: %w", err)
		}
	}
	for _, f := range c.Freezes {
		s.Freezes = append(s.Freezes, rotator.Freeze{From: f.From.Start(), To: f.To.End(), Reason: f.Reason,
			UnlessExpiresWithin: time.Duration(f.UnlessExpiresWithin)})
	}
	b.providers, b.sinks = providers, sinks
	return s, nil
}

func (b *builder) provider(p config.Provider) (rotator.Provider, error) {
	switch {
	case p.CertCentral != nil:
		return b.certcentral(p.Name, p.CertCentral)
	case p.DigiCertOne != nil:
		return b.digicertone(p.Name, p.DigiCertOne)
	case p.Dataspot != nil:
		return b.dataspot(p.Name, p.Dataspot)
	case p.Manual != nil:
		return b.manual(p.Name, p.Manual)
	default:
		return nil, fmt.Errorf("type %q is not known", p.Type)
	}
}

// observed tells b's observer about the requests of one provider.
func (b *builder) observed(provider string) func(operation, code string, took time.Duration) {
	return func(operation, code string, took time.Duration) { b.observe(provider, operation, code, took) }
}

// newTransport trusts the system's certificates, or those in caFile alone. The proxy comes from the environment.
func newTransport(caFile string) (*http.Transport, error) {
	pool, err := trusted(caFile)
	if err != nil {
		return nil, err
	}
	return outbound.Transport(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}), nil
}

// trusted are the certificates in caFile; nil, for the system's, where there is no such file.
func trusted(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca_file %s holds no certificate in PEM", caFile)
	}
	return pool, nil
}

// declared are the service users that must exist at the provider.
func declared(users []config.ServiceUser, provider string) []rotator.DeclaredUser {
	var d []rotator.DeclaredUser
	for i := range users {
		if users[i].Provider == provider {
			d = append(d, users[i].Declared())
		}
	}
	return d
}

func newSink(s config.Sink) (rotator.Sink, error) {
	switch {
	case s.Vault != nil:
		return newVault(s.Vault)
	case s.File != nil:
		return newFile(s.File)
	default:
		return nil, fmt.Errorf("type %q is not known", s.Type)
	}
}

func policies(from []config.Policy) ([]*rotator.Policy, error) {
	made := make([]*rotator.Policy, 0, len(from))
	for _, p := range from {
		m := &rotator.Policy{
			Name:        p.Name,
			Match:       match(&p.Match),
			RenewBefore: time.Duration(p.RenewBefore), MaxAge: time.Duration(p.MaxAge), Lifetime: time.Duration(p.Lifetime),
			Grace: time.Duration(p.Grace), Idle: time.Duration(p.Idle), Soak: time.Duration(p.Soak), Jitter: float64(p.Jitter),
			Sinks: p.Sinks, Hooks: p.Hooks, RequiredHooks: p.RequiredHooks, Labels: p.Labels, Extend: p.Extend, Observe: p.ObserveOnly,
		}
		var err error
		if m.Window, err = window(p.Window); err != nil {
			return nil, fmt.Errorf("policy %s: %w", p.Name, err)
		}
		made = append(made, m)
	}
	return made, nil
}

func match(m *config.Match) rotator.Match {
	return rotator.Match{Providers: m.Providers, ServiceUsers: m.ServiceUsers, Keys: m.Keys, Exclude: m.Exclude}
}

// window is nil where there is none.
func window(w *config.Window) (*rotator.Window, error) {
	if w == nil {
		return nil, nil //nolint:nilnil // none is wanted
	}
	opens, err := rotator.ParseSchedule(w.Cron, w.Timezone)
	if err != nil {
		return nil, fmt.Errorf("window: %w", err)
	}
	return &rotator.Window{Opens: opens, For: time.Duration(w.For)}, nil
}

func drills(from []config.Drill) ([]rotator.DrillSchedule, error) {
	made := make([]rotator.DrillSchedule, 0, len(from))
	for i := range from {
		d := &from[i]
		w, err := window(d.Window)
		if err != nil {
			return nil, fmt.Errorf("drill %s: %w", d.Name, err)
		}
		made = append(made, rotator.DrillSchedule{Name: d.Name, Match: match(&d.Match), Window: *w, Limit: d.Limit})
	}
	return made, nil
}
