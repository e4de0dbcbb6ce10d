package hooks

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// most is how many runs go in one call.
const most = 100

// group is a call that may be made now or later.
type group struct {
	Call
	target string
	// readyAt is when to make it.
	readyAt time.Time
	// trouble is why it cannot be made; nil if it can.
	trouble error
}

// assemble makes calls of runs: those that are in a call whose outcome is unknown stay in it, the others are put together by
// their targets.
func assemble(h *Hook, runs []rotator.HookRun, now time.Time) []group {
	slices.SortStableFunc(runs, func(a, b rotator.HookRun) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	var groups []group
	open := map[string]int{}
	for _, r := range runs {
		target, err := h.Target(&r)
		key := "call " + r.Call
		switch {
		case err != nil:
			key = "bad " + r.ID
		case r.Call == "":
			key = "target " + target
		}
		i, found := open[key]
		if !found || r.Call == "" && len(groups[i].Runs) == most {
			i = len(groups)
			open[key] = i
			groups = append(groups, group{Call: Call{ID: cmp.Or(r.Call, callID(&r)), Hook: h.Name}, target: target, trouble: err,
				readyAt: readyAt(h, &r, now)})
		}
		g := &groups[i]
		g.Runs = append(g.Runs, r)
		if at := readyAt(h, &r, now); at.Before(g.readyAt) {
			g.readyAt = at
		}
		if len(g.Runs) == most {
			g.readyAt = now
		}
	}
	return groups
}

// callID names a call by its first run and by how often that was begun: a call that failed for certain and is made with other
// runs has another name.
func callID(r *rotator.HookRun) string {
	if r.Attempt == 0 {
		return r.ID
	}
	return r.ID + "/" + strconv.Itoa(r.Attempt+1)
}

// readyAt is when a call for the run is to be made. A run that comes from the future was written by a clock that was wrong.
func readyAt(h *Hook, r *rotator.HookRun, now time.Time) time.Time {
	switch {
	case r.Attempt > 0 && r.NextAt.Sub(now) <= 2*patientRetry: // what is farther away was put off by a clock that was ahead
		return r.NextAt
	case r.Attempt > 0:
		return now
	case r.Urgent() || r.At.After(now):
		return now
	default:
		return r.At.Add(h.Debounce)
	}
}

// The pace of retries: half a minute after the first failure, twice that after each further one, and never more than a
// quarter of an hour; after a day, once an hour.
const (
	firstRetry   = 30 * time.Second
	longestRetry = 15 * time.Minute
	patient      = 24 * time.Hour
	patientRetry = time.Hour
)

// retryAt is when runs that just failed are tried again.
func retryAt(runs []rotator.HookRun, now time.Time) time.Time {
	failures, oldest := 0, now
	for _, r := range runs {
		failures = max(failures, r.Attempt)
		if r.At.Before(oldest) {
			oldest = r.At
		}
	}
	if now.Sub(oldest) >= patient {
		return now.Add(patientRetry)
	}
	pause := longestRetry
	if failures < 5 {
		pause = min(firstRetry<<failures, longestRetry)
	}
	return now.Add(pause)
}
