package app

import (
	"context"
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
	for _, a := range setup.Accounts {
		f := Finding{Name: "provider " + a.Name, OK: true, Detail: "its key may do its work"}
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
