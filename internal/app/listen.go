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
	a.listener, err = listenerOf(ctx, c.Server.Listen)
	return err
}

// listenerOf is the socket that systemd hands over; if there is none, one at the address.
func listenerOf(ctx context.Context, address string) (net.Listener, error) {
	handed, err := activation.Listeners()
	switch {
	case err != nil:
		return nil, fmt.Errorf("the sockets that systemd hands over: %w", err)
	case len(handed) == 1 && handed[0] != nil:
		return handed[0], nil
	case len(handed) > 0:
		return nil, fmt.Errorf("systemd hands over %d sockets, and rotatord takes one that listens: keep one ListenStream= in its socket unit, and Accept=no", len(handed))
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("server.listen: %w", err)
	}
	return l, nil
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
