package hooks

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// Call is what a consumer is told at a time.
type Call struct {
	// ID names the call: the ID of its first run. A call whose outcome nobody knows is made again under the same name with
	// the same runs; one that failed for certain may come again under another.
	ID string
	// Hook is the hook's name.
	Hook string
	// Runs are the new keys, in the order of time; there is at least one.
	Runs []rotator.HookRun
}

// Caller tells consumers in one way. Its methods are safe for concurrent use.
type Caller interface {
	// Target says what a call for the run would do. Runs with the same target are told in one call. The error says why there
	// can be no call for it.
	Target(r *rotator.HookRun) (string, error)
	// Do makes the call and says in a few words what came of it. An error of kind [rotator.UnknownOutcome] means that the
	// consumer may have been told. Neither the words nor the error hold a secret.
	Do(ctx context.Context, c Call) (detail string, err error)
}

// Hook is a configured hook. It is never changed once handed over.
type Hook struct {
	Name string
	Caller
	// Debounce is how long a run waits for others with the same target.
	Debounce time.Duration
	// Timeout bounds one call.
	Timeout time.Duration
	// Concurrent is how many calls are made at the same time; never two with the same target.
	Concurrent int
}

// Result is what may become of an attempt at a run.
type Result string

// The results.
const (
	Done    Result = "done"    // the consumer was told
	Failed  Result = "failed"  // it is tried again
	Dropped Result = "dropped" // the hook is not in the configuration any more
)

// Results lists every result.
func Results() []Result { return []Result{Done, Failed, Dropped} }
