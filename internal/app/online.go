package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/rotator"
)

// Finding is what a check of one provider or sink found.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// onlineTime bounds the check of one provider or sink.
const onlineTime = 30 * time.Second

// CheckOnline asks every provider whether the daemon's key may do its work, and every sink that can be asked whether it
// answers. It only reads.
func CheckOnline(ctx context.Context, c *config.Config, version string) []Finding {
	b := newBuilder(version, DefaultRetry, func(string, string, string, time.Duration) {})
	setup, err := b.setup(c)
	if err != nil {
		return []Finding{{Name: "configuration", Detail: err.Error()}}
	}
	var found []Finding
	if f, elsewhere := checkStore(ctx, c); elsewhere {
		found = append(found, f)
	}
	for _, a := range setup.Accounts {
		f := Finding{Name: "provider " + a.Name, OK: true, Detail: "its key may do its work"}
		if _, asks := a.Provider.(rotator.Preflighter); !asks {
			f.Detail = "there is nothing to ask: it makes no calls with a key of its own"
		}
		if troubles := bounded(ctx, func(ctx context.Context) []string { return Preflight(ctx, a.Provider) }); len(troubles) > 0 {
			f.OK, f.Detail = false, strings.Join(troubles, "; ")
		}
		found = append(found, f)
	}
	for _, s := range c.Sinks {
		found = append(found, bounded(ctx, func(ctx context.Context) Finding { return ping(ctx, s.Name, setup.Sinks[s.Name]) }))
	}
	return found
}

func bounded[T any](ctx context.Context, f func(context.Context) T) T {
	ctx, stop := context.WithTimeout(ctx, onlineTime)
	defer stop()
	return f(ctx)
}

func ping(ctx context.Context, name string, s rotator.Sink) Finding {
	f := Finding{Name: "sink " + name, OK: true, Detail: "it answers"}
	p, ok := s.(pinger)
	if !ok {
		f.Detail = "it cannot be asked without writing"
		return f
	}
	if err := p.Ping(ctx); err != nil {
		f.OK, f.Detail = false, err.Error()
	}
	return f
}

// Directory returns the provider of that name as one whose users can be listed and created. Without a name it is the only
// one there is, whose name is returned.
func Directory(c *config.Config, name, version string) (string, rotator.Directory, error) {
	b := newBuilder(version, DefaultRetry, func(string, string, string, time.Duration) {})
	var able []string
	for _, p := range c.Providers {
		if p.Name != name && name != "" {
			continue
		}
		made, err := b.provider(p)
		if err != nil {
			return "", nil, fmt.Errorf("provider %s: %w", p.Name, err)
		}
		directory, ok := made.(rotator.Directory)
		switch {
		case ok && (p.Name == name || len(c.Providers) == 1):
			return p.Name, directory, nil
		case ok:
			able = append(able, p.Name)
		case name != "":
			return "", nil, fmt.Errorf("provider %s (%s) has no users that could be listed", p.Name, p.Type)
		}
	}
	if name != "" {
		return "", nil, fmt.Errorf("there is no provider %q in the configuration", name)
	}
	return "", nil, fmt.Errorf("say which provider: %s", strings.Join(able, ", "))
}

// KeyLifetime is how long the first key of a service user is to be good, by the policy that selects it; 0 for no end.
func KeyLifetime(c *config.Config, provider string, s rotator.UserSpec, credential string) time.Duration {
	all, err := policies(c.Policies)
	if err != nil {
		return 0 // such a configuration does not load
	}
	user := rotator.ServiceUser{Name: s.Name, Email: s.Email, Login: s.LoginID, Active: true}
	if p := rotator.FirstMatch(all, provider, user, credential); p != nil {
		return p.Lifetime
	}
	return 0
}
