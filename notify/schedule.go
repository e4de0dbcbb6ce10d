package notify

import (
	"cmp"
	"slices"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

// assemble makes messages of due notices: those that were in a message before stay in it, the others are put together by
// recipient. A message is left out while its oldest notice came about within the time to gather, unless it is full: others may still
// join it. A notice that comes from the future was written by a clock that was wrong.
func assemble(due []rotator.Notice, now time.Time, gather time.Duration) []Message {
	slices.SortStableFunc(due, func(a, b rotator.Notice) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID))
	})
	var ready []Message
	known := map[string]int{} // by message
	fresh := map[string]int{} // by recipient
	for _, n := range due {
		into, of, key := known, n.Message, n.Message
		if n.Message == "" {
			into, of, key = fresh, n.ID, n.To
		}
		i, open := into[key]
		if !open || n.Message == "" && len(ready[i].Notices) == most {
			i = len(ready)
			into[key] = i
			ready = append(ready, Message{ID: of, To: n.To})
		}
		ready[i].Notices = append(ready[i].Notices, n)
	}
	return slices.DeleteFunc(ready, func(m Message) bool { return !isReady(m, now, gather) })
}

func isReady(m Message, now time.Time, gather time.Duration) bool {
	first := m.Notices[0]
	return first.Message != "" || len(m.Notices) == most || !first.At.After(now.Add(-gather)) || first.At.After(now)
}

// The pace of retries: a minute after the first failure, twice that after each further one, and never more than a quarter
// of an hour; after a day, once an hour.
const (
	firstRetry   = time.Minute
	longestRetry = 15 * time.Minute
	patient      = 24 * time.Hour
	patientRetry = time.Hour
)

// retryAt is when a message that just failed is tried again.
func retryAt(notices []rotator.Notice, now time.Time) time.Time {
	failures, oldest := 0, now
	for _, n := range notices {
		failures = max(failures, n.Attempt)
		if n.At.Before(oldest) {
			oldest = n.At
		}
	}
	if now.Sub(oldest) >= patient {
		return now.Add(patientRetry)
	}
	pause := longestRetry
	if failures < 4 {
		pause = firstRetry << failures
	}
	return now.Add(min(pause, longestRetry))
}
