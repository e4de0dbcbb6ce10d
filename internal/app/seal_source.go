package app

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/transit"
	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/seal"
	"github.com/rotatord/rotatord/sinks/vault/session"
)

// openSealed opens the journal and, unless the seal key has to be asked for over the network, its seal. A key in a file is
// read first: without it there is no use in touching the journal.
func (a *App) openSealed(ctx context.Context, c *config.Config) error {
	wrapper, keys, err := sealSource(c)
	if err != nil {
		return err
	}
	if err := a.openStore(ctx, c); err != nil {
		return err
	}
	a.seal = &sealing{sealer: new(seal.Sealer), store: a.store, log: a.log, wrapper: wrapper}
	if wrapper != nil {
		return nil // see awaitSeal
	}
	return a.seal.use(ctx, keys, "")
}

// sealSource returns what unwraps the seal key, or the keys themselves.
func sealSource(c *config.Config) (*transit.Transit, *seal.Sealer, error) {
	if o := c.Store.Seal.VaultTransit; o != nil {
		wrapper, err := newTransit(o)
		return wrapper, nil, err
	}
	keys, err := readSeal(c.Store.Seal.Key)
	return nil, keys, err
}

func newTransit(c *config.VaultTransit) (*transit.Transit, error) {
	return transit.New(transit.Options{
		Options: session.Options{Address: c.Address, Namespace: c.Namespace, CAFile: c.CAFile, CertFile: c.CertFile, KeyFile: c.KeyFile,
			ServerName: c.ServerName, Auth: vaultAuth(&c.Auth), Timeout: c.Timeout.Std()},
		Mount: c.Mount, Key: c.Key,
	})
}

// reloadSeal gets the seal keys anew and, if the first is another one, has it seal from now on. While the service that unwraps
// the key is away, the key in memory stays in force.
func (a *App) reloadSeal(ctx context.Context, c *config.Config) error {
	wrapper, keys, err := sealSource(c)
	if err != nil {
		return err
	}
	if wrapper == nil {
		return a.seal.use(ctx, keys, "")
	}
	if a.seal.sealer.Ready() && !a.seal.keeps(wrapper) {
		return a.seal.draw(ctx, wrapper)
	}
	err = a.seal.unwrap(ctx, wrapper)
	if err == nil {
		return nil
	}
	a.log.Warn("the seal key cannot be looked at in Vault; the one in memory stays in force", zap.Error(err))
	return nil
}

// keeps reports whether the key in memory is one that wrapper wrapped, as far as the configuration can tell.
func (s *sealing) keeps(wrapper *transit.Transit) bool {
	return s.wrapper != nil && s.wrapper.String() == wrapper.String()
}

// unwrap gets the seal key from the wrapper: the one that the journal keeps in its wrapped form, or a new one where it keeps none
// or the wrapping key was rotated since.
func (s *sealing) unwrap(ctx context.Context, wrapper *transit.Transit) error {
	st, err := s.store.SealState(ctx)
	if err != nil {
		return err
	}
	if st.WrappedKey == "" {
		return s.draw(ctx, wrapper)
	}
	key, err := wrapper.Unwrap(ctx, st.WrappedKey)
	if err != nil {
		return err
	}
	defer key.Wipe()
	keys, err := seal.New(key.Reveal())
	if err != nil {
		return err
	}
	if err := s.use(ctx, keys, st.WrappedKey); err != nil {
		return err
	}
	s.wrapper = wrapper
	stale, err := wrapper.Stale(ctx, st.WrappedKey)
	if err != nil {
		s.log.Warn("it could not be found out whether the key that wraps the seal key was rotated; it is asked again at the next reload", zap.Error(err))
		return nil
	}
	if stale {
		return s.draw(ctx, wrapper)
	}
	return nil
}

// draw exchanges the seal key for a new one, whose wrapped form enters the journal together with what it seals.
func (s *sealing) draw(ctx context.Context, wrapper *transit.Transit) error {
	key, wrapped, err := wrapper.Draw(ctx)
	if err != nil {
		return err
	}
	defer key.Wipe()
	keys, err := seal.New(key.Reveal())
	if err != nil {
		return err
	}
	if err := s.use(ctx, keys, wrapped); err != nil {
		return err
	}
	s.wrapper = wrapper
	return nil
}

// sealRetry is the longest pause between two attempts to get the seal key.
const sealRetry = 15 * time.Second

// awaitSeal gets the seal key from the service that unwraps it, as long as it takes: nothing can be rotated without it, and a
// daemon that ended would only be started again. It gives up where waiting is no help.
func (a *App) awaitSeal(ctx context.Context) error {
	pause := a.o.Retry.Base
	for !a.seal.sealer.Ready() {
		err := a.unwrapOnce(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to stop while waiting
		}
		if kind := rotator.KindOf(err); kind == rotator.Conflict || kind == rotator.Invalid {
			return fmt.Errorf("the seal key cannot be had: %w", err)
		}
		why := fmt.Sprintf("waiting for the seal key: %v", err)
		a.server.SetUnready(why)
		a.log.Warn("rotatord is waiting for its seal key; nothing is rotated before it is there", zap.String("listen", a.Addr()), zap.Error(err), zap.Duration("again_in", pause))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
			pause = min(2*pause, sealRetry)
		}
	}
	if err := a.seal.sealer.Swappable(); err != nil {
		a.log.Debug("key material is not locked in memory", zap.Error(err))
	}
	a.sayLost(ctx)
	return nil
}

// unwrapOnce keeps a reload out while it tries.
func (a *App) unwrapOnce(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seal.sealer.Ready() {
		return nil // a reload was faster
	}
	return a.seal.unwrap(ctx, a.seal.wrapper)
}
