package app

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
)

// supervise tells systemd that the daemon is ready and, as often as it wants to hear it, that it is alive: alive means
// that the journal answers. Without systemd it only waits.
func (a *App) supervise(ctx context.Context) {
	a.notify(daemon.SdNotifyReady)
	defer a.notify(daemon.SdNotifyStopping)
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		a.log.Warn("the watchdog's settings cannot be read; running without it", zap.Error(err))
	}
	if interval <= 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(interval / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.alive(ctx); err != nil {
				a.log.Error("the journal does not answer; not telling the watchdog that all is well", zap.Error(err))
				continue
			}
			a.notify(daemon.SdNotifyWatchdog)
		}
	}
}

func (a *App) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.log.Warn("systemd cannot be told", zap.String("state", state), zap.Error(err))
	}
}

// alive asks the journal something small.
func (a *App) alive(ctx context.Context) error {
	_, err := a.store.HighestVersion(ctx, rotator.CredentialID{})
	return err
}

// preflight asks each provider whether its own credential may do what will be asked of it, and says what may not. It
// runs beside the rest: what is allowed now need not be what is allowed when it is needed.
func (a *App) preflight(ctx context.Context) {
	for _, acc := range a.setup.Load().Accounts {
		for _, trouble := range Preflight(ctx, acc.Provider) {
			a.log.Warn("preflight: "+trouble, zap.String("provider", acc.Name))
		}
	}
}

// Preflight returns one sentence for each thing that will not work at the provider.
func Preflight(ctx context.Context, p rotator.Provider) []string {
	flier, ok := p.(rotator.Preflighter)
	if !ok {
		return nil
	}
	troubles, err := flier.Preflight(ctx)
	if err != nil && ctx.Err() == nil {
		troubles = append(troubles, "it could not be found out whether the daemon's key may do its work: "+err.Error())
	}
	return troubles
}
