package metrics_test

import (
	"testing"

	"github.com/rotatord/rotatord/hooks"
)

func TestHooksAreCounted(t *testing.T) {
	f := setUp(busy(), nil)
	f.want(t, "hook_runs_pending", labels{"hook": "reload"}, 0)
	f.want(t, "hook_runs_failing", labels{"hook": "reload"}, 0)
	f.absent(t, "hook_oldest_timestamp_seconds", labels{"hook": "reload"})
	for _, result := range []string{"done", "failed", "dropped"} {
		f.want(t, "hook_runs_total", labels{"hook": "reload", "result": result}, 0)
	}
	f.HookRan("reload", hooks.Failed, 3)
	f.HookRan("reload", hooks.Done, 2)
	f.want(t, "hook_runs_total", labels{"hook": "reload", "result": "failed"}, 3)
	f.want(t, "hook_runs_total", labels{"hook": "reload", "result": "done"}, 2)
}

// TestAHookThatWasTakenOutIsShownWhileSomethingWaitsForIt.
func TestAHookThatWasTakenOutIsShownWhileSomethingWaitsForIt(t *testing.T) {
	f := setUp(busy(), nil)
	f.want(t, "hook_runs_pending", labels{"hook": "gone"}, 1)
	f.want(t, "hook_runs_failing", labels{"hook": "gone"}, 1)
	f.want(t, "hook_oldest_timestamp_seconds", labels{"hook": "gone"}, float64(noon.Unix()))
}

// TestAHookThatIsGoneIsCountedBeforeAnythingIsDropped: the first increase of a series that did not exist is invisible to increase(), and after a
// restart the hook is in no configuration.
func TestAHookThatIsGoneIsCountedBeforeAnythingIsDropped(t *testing.T) {
	full(t).want(t, "hook_runs_total", labels{"hook": "gone", "result": "dropped"}, 0)
}
