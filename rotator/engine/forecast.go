package engine

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
	"github.com/rotatord/rotatord/rotator/forecast"
)

// Forecast says what will happen until then, and what would be in the way. At most limit single actions are listed, the
// soonest. It changes nothing and calls nobody; it costs by what comes up in the span.
func (e *Engine) Forecast(ctx context.Context, until time.Time, limit int) (*forecast.Plan, error) {
	s, now := e.setup.Load(), e.clock.Now().UTC()
	facts := e.forecastFacts(s, now, until)
	var err error
	if facts.Freezes, err = e.freezes(ctx, now); err != nil {
		return nil, err
	}
	if facts.Drills, err = e.forecastDrills(ctx, s, now); err != nil {
		return nil, err
	}
	f := forecast.New(facts, limit)
	for i := range s.Accounts {
		name := s.Accounts[i].Name
		err := e.store.UpcomingKeys(ctx, name, now, until, func(k rotator.UpcomingKey) error {
			f.Key(k)
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
		err = e.store.UpcomingRotations(ctx, name, now, until, func(r rotator.Rotation, h *rotator.Hold) error {
			f.Rotation(r, h)
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return f.Plan(), nil
}

func (e *Engine) forecastFacts(s *Setup, now, until time.Time) forecast.Facts {
	facts := forecast.Facts{Now: now, Until: until, Scan: s.Scan, Cap: s.Cap, Concurrent: s.Concurrent,
		Accounts: map[string]forecast.Account{}, Policies: map[string]*rotator.Policy{}}
	for i := range s.Accounts {
		facts.Accounts[s.Accounts[i].Name] = e.forecastAccount(&s.Accounts[i])
	}
	for _, p := range s.Policies {
		facts.Policies[p.Name] = p
	}
	return facts
}

func (e *Engine) forecastAccount(c *Account) forecast.Account {
	limits := c.Provider.Limits()
	f := forecast.Account{KeysPerCredential: c.MaxKeys, KeysPerUser: limits.MaxKeysPerUser, CallsPerHour: limits.CallsPerHour, Supplied: limits.Supplied, RemovedByHand: limits.RemovedByHand}
	_, f.Disables = c.Provider.(rotator.Disabler)
	_, f.Extends = c.Provider.(rotator.Extender)
	if a, ok := e.account(c.Name); ok {
		state := a.snapshot()
		f.Managed, f.PausedUntil = state.Managed, state.PausedUntil
	}
	return f
}

// forecastDrills are the drills of the calendar at each provider that they select and where nobody has to lend a hand.
func (e *Engine) forecastDrills(ctx context.Context, s *Setup, now time.Time) ([]forecast.Drill, error) {
	var drills []forecast.Drill
	for i := range s.Accounts {
		name := s.Accounts[i].Name
		limits := s.Accounts[i].Provider.Limits()
		for _, d := range s.Drills {
			if !d.SelectsProvider(name) || limits.Supplied || limits.RemovedByHand {
				continue
			}
			drill := forecast.Drill{DrillSchedule: d, Provider: name}
			if a, ok := e.account(name); ok {
				if opened, open := d.Window.Opened(now); open {
					var err error
					if drill.Begun, err = e.drilledSince(ctx, a, &d, opened); err != nil {
						return nil, err
					}
				}
			}
			drills = append(drills, drill)
		}
	}
	return drills, nil
}
