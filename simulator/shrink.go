package simulator

import (
	"context"
	"maps"
	"slices"

	"github.com/rotatord/rotatord/simulator/world"
)

// Shrink leaves out of a find whatever it can, as long as the same guarantee breaks: kinds of fault, single faults, incidents,
// credentials, consumers, time. It stops when ctx ends, with the smallest that it has.
//
// A run may differ from its repetition where goroutines meet at the same instant: what does not break again is taken for needed.
func Shrink(ctx context.Context, f *Find) *Find {
	s := &shrinker{ctx: ctx, best: f}
	s.again(f.Scenario) // so that the story is that of a repetition
	for _, step := range []func(){s.sooner, s.climate, s.incidents, s.credentials, s.consumers, s.strikes, s.incidents, s.sooner} {
		step()
	}
	return s.best
}

type shrinker struct {
	ctx    context.Context
	best   *Find
	struck []string
}

// again keeps the scenario if it breaks the same guarantee.
func (s *shrinker) again(try *world.Scenario) bool {
	if s.ctx.Err() != nil {
		return false
	}
	o, err := world.Run(s.ctx, try)
	if err != nil || o.Breach == nil || o.Breach.Guarantee != s.best.Breach.Guarantee {
		return false
	}
	s.best = &Find{Seed: s.best.Seed, Scenario: try, Breach: o.Breach, Story: o.Story}
	s.struck = o.Struck
	return true
}

func (s *shrinker) with(change func(*world.Scenario)) bool {
	next := *s.best.Scenario
	change(&next)
	return s.again(&next)
}

// sooner ends the run at the breach, where that needs no calm before it.
func (s *shrinker) sooner() {
	span := s.best.Breach.At.Sub(s.best.Scenario.Start) + day
	if span > 0 && span < s.best.Scenario.Span-s.best.Scenario.Calm {
		s.with(func(n *world.Scenario) { n.Span, n.Calm = span, 0 })
	}
}

// climate leaves out kinds of fault: all of them, or one after the other.
func (s *shrinker) climate() {
	if s.with(func(n *world.Scenario) { n.Odds = nil }) {
		return
	}
	for _, f := range world.Faults() {
		if s.best.Scenario.Odds[f] == 0 {
			continue
		}
		s.with(func(n *world.Scenario) {
			n.Odds = maps.Clone(n.Odds)
			delete(n.Odds, f)
		})
	}
}

func (s *shrinker) incidents() {
	if s.with(func(n *world.Scenario) { n.Incidents = nil }) {
		return
	}
	for i := len(s.best.Scenario.Incidents) - 1; i >= 0; i-- {
		s.with(func(n *world.Scenario) { n.Incidents = slices.Delete(slices.Clone(n.Incidents), i, i+1) })
	}
}

// credentials leaves out the last ones, so that the others keep their numbers, and then those before.
func (s *shrinker) credentials() {
	for i := len(s.best.Scenario.Credentials) - 1; i >= 0 && len(s.best.Scenario.Credentials) > 1; i-- {
		s.with(func(n *world.Scenario) {
			n.Credentials = slices.Delete(slices.Clone(n.Credentials), i, i+1)
			n.Incidents = withoutCredential(n.Incidents, i)
		})
	}
}

// withoutCredential keeps the incidents that are not about the credential, and numbers the others anew.
func withoutCredential(list []world.Incident, gone int) []world.Incident {
	var kept []world.Incident
	for _, i := range list {
		if i.Kind.About() == world.AboutCredential {
			if i.Target == gone {
				continue
			}
			if i.Target > gone {
				i.Target--
			}
		}
		kept = append(kept, i)
	}
	return kept
}

func (s *shrinker) consumers() {
	for i := range s.best.Scenario.Credentials {
		s.with(func(n *world.Scenario) {
			n.Credentials = slices.Clone(n.Credentials)
			n.Credentials[i].Consumers = nil
		})
	}
}

// strikes mutes single faults, half of them at a time and then less.
func (s *shrinker) strikes() {
	for size := (len(s.struck) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(s.struck); {
			part := s.struck[from:min(from+size, len(s.struck))]
			ok := s.with(func(n *world.Scenario) {
				n.Muted = maps.Clone(n.Muted)
				if n.Muted == nil {
					n.Muted = map[string]bool{}
				}
				for _, id := range part {
					n.Muted[id] = true
				}
			})
			if !ok {
				from += size
			}
		}
	}
}
