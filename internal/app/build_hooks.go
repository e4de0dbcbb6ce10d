package app

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/hooks"
	"github.com/rotatord/rotatord/hooks/command"
	"github.com/rotatord/rotatord/hooks/systemd"
	"github.com/rotatord/rotatord/hooks/webhook"
	signed "github.com/rotatord/rotatord/notify/webhook"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
)

// newHooks makes the hooks that the configuration names.
func newHooks(c *config.Config, version string) ([]hooks.Hook, error) {
	all := make([]hooks.Hook, 0, len(c.Hooks))
	for _, h := range c.Hooks {
		caller, err := newCaller(h, version)
		if err != nil {
			return nil, fmt.Errorf("hook %s: %w", h.Name, err)
		}
		all = append(all, hooks.Hook{Name: h.Name, Caller: caller, Debounce: h.Debounce.Std(), Timeout: h.Timeout.Std(), Concurrent: h.Concurrent})
	}
	return all, nil
}

func newCaller(h config.Hook, version string) (hooks.Caller, error) {
	switch {
	case h.Webhook != nil:
		return newHookWebhook(h.Webhook, h.Timeout.Std(), version)
	case h.Command != nil:
		return command.New(command.Options{Argv: h.Command.Command, KeepOutput: h.Command.KeepOutput})
	case h.Systemd != nil:
		return systemd.New(systemd.Options{Units: h.Systemd.Units, Action: systemd.Action(h.Systemd.Action)})
	default:
		return nil, fmt.Errorf("type %q is not known", h.Type)
	}
}

func newHookWebhook(w *config.HookWebhook, timeout time.Duration, version string) (hooks.Caller, error) {
	pool, err := trusted(w.CAFile)
	if err != nil {
		return nil, err
	}
	o := signed.Options{URL: w.URL.Resolve, RootCAs: pool, Timeout: timeout, Agent: "rotatord/" + version}
	if !w.SigningSecret.IsZero() {
		o.Secret = w.SigningSecret.Resolve
	}
	return webhook.New(o), nil
}

func (a *App) hookNames() []string {
	var names []string
	for _, h := range a.config.Load().Hooks {
		names = append(names, h.Name)
	}
	return names
}

// told has the rotations looked at that waited for a consumer to be told.
func (a *App) told(ctx context.Context, runs []rotator.HookRun) {
	for i := range runs {
		if !runs[i].Required {
			continue
		}
		if err := a.engine.HookDone(ctx, &runs[i]); err != nil && ctx.Err() == nil {
			a.log.Warn("a rotation that waited for a hook is looked at within minutes, not at once", zap.String("rotation", runs[i].Rotation), zap.Error(err))
		}
	}
}

// hookWaker has the hooks looked at as soon as there is something for them.
type hookWaker struct {
	engine.Unobserved
	wake func()
}

// Moved implements [engine.Observer].
func (h hookWaker) Moved(_ rotator.Stage, r *rotator.Rotation, _ string) {
	if r.Stage == rotator.StageConfirmed {
		h.wake()
	}
}
