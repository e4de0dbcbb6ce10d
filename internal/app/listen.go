package app

import (
	"context"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web"
)

// listen makes the web server and its listener: the one that systemd hands over, or the configured address.
func (a *App) listen(ctx context.Context, c *config.Config, registry *prometheus.Registry) error {
	var err error
	a.server, err = web.New(web.Options{
		Journal: a.store, Operator: a.engine, Forecaster: a.engine, Providers: a.providerNames, Policies: a.policyNames, KeySettings: a.keySettings, Metrics: registry, Version: a.o.Version,
		WebConfigFile: c.Server.WebConfigFile, Reload: a.takeOver, Audit: a.store, Log: a.log, JournalTrouble: a.trouble.now, Seal: a.seal.status,
		Allow: func() web.Allow {
			allow := a.config.Load().Server.Allow
			return web.Allow{Read: allow.Read, Act: allow.Act}
		},
	})
	if err != nil {
		return err
	}
	handed, err := activation.Listeners()
	if err == nil && len(handed) == 1 && handed[0] != nil {
		a.listener = handed[0]
		return nil
	}
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Server.Listen); err != nil {
		return fmt.Errorf("server.listen: %w", err)
	}
	return nil
}
