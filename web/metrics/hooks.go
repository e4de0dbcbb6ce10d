package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/hooks"
)

const zeroForHooks = "0 for every configured hook"

var (
	hookRuns    = counter("hook_runs_total", "Attempts to tell a consumer of a new key, by how they ended.", zeroForHooks+" and every result", "hook", "result")
	hookPending = gauge("hook_runs_pending", "New keys that the hook has still to tell its consumers of.", zeroForHooks, "hook")
	hookFailing = gauge("hook_runs_failing", "New keys among those whose last attempt failed.", zeroForHooks, "hook")
	hookOldest  = gauge("hook_oldest_timestamp_seconds",
		"When the key that the hook has to tell of the longest was in all its places, in seconds since 1970.", "absent while none waits", "hook")
)

// HookRan notes what became of an attempt to tell a consumer of some new keys.
func (m *Metrics) HookRan(hook string, r hooks.Result, runs int) {
	m.hookRuns.WithLabelValues(clean(hook), string(r)).Add(float64(runs))
}

func (m *Metrics) collectHooks(ctx context.Context, ch chan<- prometheus.Metric) error {
	if m.o.PendingHooks == nil {
		return nil
	}
	counts, err := m.o.PendingHooks(ctx)
	if err != nil {
		return err
	}
	pending, failing := map[string]int{}, map[string]int{}
	for _, name := range m.o.Hooks() {
		pending[name] = 0
	}
	for _, c := range counts {
		pending[c.Hook], failing[c.Hook] = c.Pending, c.Failing
		send(ch, hookOldest, seconds(c.Oldest), c.Hook)
	}
	for name, n := range pending {
		for _, result := range hooks.Results() { // also of a hook that left the configuration, before anything of it is dropped
			m.hookRuns.WithLabelValues(clean(name), string(result))
		}
		send(ch, hookPending, float64(n), name)
		send(ch, hookFailing, float64(failing[name]), name)
	}
	return nil
}
