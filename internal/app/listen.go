package app

import (
	"context"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/web"
	"github.com/rotatord/rotatord/web/bearer"
)

// listen makes the web server and its listener: the one that systemd hands over, or the configured address.
func (a *App) listen(ctx context.Context, c *config.Config, registry *prometheus.Registry) error {
	verifier, err := bearerOf(c.Server.OIDC)
	if err != nil {
		return err
	}
	a.server, err = web.New(web.Options{
		Bearer: verifier, Journal: a.store, Operator: a.engine, Forecaster: a.engine, Freezer: a.engine, Prover: a.engine, Incidents: a.store, Providers: a.providerNames, Policies: a.policyNames, KeySettings: a.keySettings, Metrics: registry, Version: a.o.Version,
		WebConfigFile: c.Server.WebConfigFile, Reload: a.takeOver, Audit: a.store, Log: a.log, JournalTrouble: a.trouble.now, Seal: a.seal.status, Leases: a.leaseStates(),
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

// bearerOf makes what verifies tokens; nil where none are taken.
func bearerOf(o *config.OIDC) (web.Bearer, error) {
	if o == nil {
		return nil, nil //nolint:nilnil // none is wanted
	}
	transport, err := newTransport(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("server.oidc.ca_file: %w", err)
	}
	return bearer.New(bearer.Settings{Issuer: o.Issuer, Audience: o.Audience, GroupsClaim: o.GroupsClaim,
		Viewers: o.Viewers, Operators: o.Operators, Transport: transport}), nil
}
