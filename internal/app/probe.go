package app

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// probeEvery is how often every sink is asked whether it would work. It also keeps their logins alive: a token that is
// renewed only when it is used lapses on a sink that is not used for weeks.
const probeEvery = time.Minute

// probeTime bounds one question.
const probeTime = 20 * time.Second

// probeSinks asks every sink, now and then, whether it would work, so that a sink that is down is known before a key is
// in trouble.
func (a *App) probeSinks(ctx context.Context) {
	down := map[string]bool{}
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		for name, err := range a.probe(ctx) {
			if ctx.Err() != nil {
				return
			}
			a.observer().Probed(name, err)
			if (err != nil) != down[name] {
				a.tellProbe(name, err)
			}
			down[name] = err != nil
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *App) tellProbe(name string, err error) {
	if err == nil {
		a.log.Info("the sink answers again", zap.String("sink", name))
		return
	}
	a.log.Warn("the sink does not answer; deliveries to it are retried until it does, old keys stay meanwhile",
		zap.String("sink", name), zap.Error(err))
}

// probe asks all sinks at once.
func (a *App) probe(ctx context.Context) map[string]error {
	ctx, stop := context.WithTimeout(ctx, probeTime)
	defer stop()
	var mu sync.Mutex
	var wg sync.WaitGroup
	found := map[string]error{}
	for name, sink := range a.setup.Load().Sinks {
		p, ok := sink.(pinger)
		if !ok {
			continue
		}
		wg.Go(func() {
			err := p.Ping(ctx)
			mu.Lock()
			defer mu.Unlock()
			found[name] = err
		})
	}
	wg.Wait()
	return found
}

// pinger is a sink that can be asked whether it would work.
type pinger interface {
	Ping(ctx context.Context) error
}
