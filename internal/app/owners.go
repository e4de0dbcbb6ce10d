package app

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/engine"
	"github.com/rotatord/rotatord/web/metrics"
)

// owners are the configured providers, each alone and with every policy that may select keys there.
func (a *App) owners() []metrics.Owner {
	setup := a.setup.Load()
	var all []metrics.Owner
	for _, acc := range setup.Accounts {
		for _, policy := range append([]string{""}, policiesAt(setup, acc.Name)...) {
			all = append(all, metrics.Owner{Provider: acc.Name, Policy: policy, Labels: a.keySettings(acc.Name, policy).Labels})
		}
	}
	return all
}

func policiesAt(setup *engine.Setup, provider string) []string {
	var names []string
	for _, p := range setup.Policies {
		if p.SelectsProvider(provider) {
			names = append(names, p.Name)
		}
	}
	return names
}

// nextDue is when the provider's next step is due, by the clock that the journal keeps.
func (a *App) nextDue(ctx context.Context, provider string) (time.Time, error) {
	return a.store.NextDue(ctx, provider, false)
}

func (a *App) nextScan(last time.Time) time.Time { return a.setup.Load().Scan.Next(last) }

// nextVerification is when the schedule has the verification that follows one at last; zero where there is no schedule.
func (a *App) nextVerification(last time.Time) time.Time {
	schedule := a.setup.Load().Verify
	if schedule.IsZero() || last.IsZero() {
		return time.Time{}
	}
	return schedule.Next(last)
}

// proofDue is by when the drills of the calendar have to have proven that rotating works at the provider, if that was proven last
// at last: the end of the first window after it, and the time that a rotation there takes to end. It is zero where none is drilled.
func (a *App) proofDue(provider string, last time.Time) time.Time {
	setup := a.setup.Load()
	if last.Before(a.began) {
		last = a.began // a drill that is new has had no window yet
	}
	var due time.Time
	for i := range setup.Drills {
		d := &setup.Drills[i]
		if !d.SelectsProvider(provider) || byHand(setup, provider) {
			continue
		}
		if end := d.Window.Opens.Next(last).Add(d.Window.For); due.IsZero() || end.Before(due) {
			due = end
		}
	}
	if due.IsZero() {
		return due
	}
	return due.Add(longest(setup, provider))
}

// byHand reports whether a person makes or removes the provider's keys.
func byHand(setup *engine.Setup, provider string) bool {
	for _, acc := range setup.Accounts {
		if limits := acc.Provider.Limits(); acc.Name == provider {
			return limits.Supplied || limits.RemovedByHand
		}
	}
	return true
}

// longest is for how long a rotation at the provider waits, by the most patient of its policies.
func longest(setup *engine.Setup, provider string) time.Duration {
	var most time.Duration
	for _, p := range setup.Policies {
		if p.SelectsProvider(provider) && !p.Observe {
			most = max(most, max(p.Grace, p.Idle)+p.Soak)
		}
	}
	return most
}

// sinkTokens are the ends of the tokens for sinks that the daemon cannot replace by itself.
func (a *App) sinkTokens() map[string]time.Time {
	ends := map[string]time.Time{}
	for name, s := range a.setup.Load().Sinks {
		if t, ok := s.(interface{ CredentialEnds() time.Time }); ok {
			ends[name] = t.CredentialEnds()
		}
	}
	return ends
}

// ready reports whether this process does its work.
func (a *App) ready() bool { return a.server != nil && a.server.Ready() }

// ownEvery is how long what was found out about the daemon's own credential at a provider is good: it changes when somebody
// exchanges it, and asking costs a call.
const ownEvery = time.Hour

// ownKeys remembers when each provider was asked whose credential the daemon works with.
type ownKeys map[string]time.Time

// look finds out when the daemon's own credential at the provider ends, after a scan of it, if that is not known of late.
func (o ownKeys) look(ctx context.Context, a *App, provider string) {
	if now := time.Now(); now.Sub(o[provider]) < ownEvery {
		return
	}
	for _, acc := range a.setup.Load().Accounts {
		self, ok := acc.Provider.(rotator.SelfAware)
		if acc.Name != provider || !ok {
			continue
		}
		ends, err := a.ownEnd(ctx, provider, self)
		if err != nil {
			if ctx.Err() == nil {
				a.log.Info("when the daemon's own credential ends could not be found out; the next scan asks again", zap.String("provider", provider), zap.Error(err))
			}
			return
		}
		a.metrics.OwnCredential(provider, ends)
		o[provider] = time.Now()
	}
}

// ownMost bounds how many credentials of the daemon's own user are looked at.
const ownMost = 100

// ownEnd is when the first of the active keys ends that the user has as whom the daemon signs in: which of them it signs in with,
// nobody tells, and mostly there is one.
func (a *App) ownEnd(ctx context.Context, provider string, self rotator.SelfAware) (time.Time, error) {
	user, _, err := self.Self(ctx)
	if err != nil {
		return time.Time{}, err
	}
	keys, err := a.store.FindCredentials(ctx, provider, user, "", ownMost)
	if err != nil {
		return time.Time{}, err
	}
	var ends time.Time
	for _, k := range keys {
		if k.UserID == user && k.State == rotator.KeyActive && !k.Expires.IsZero() && (ends.IsZero() || k.Expires.Before(ends)) {
			ends = k.Expires
		}
	}
	return ends, nil
}
