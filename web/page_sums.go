package web

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/rotator"
)

const (
	sumsStale = time.Minute
	// sumsWait is how long a page waits for a count that is under way before it goes without.
	sumsWait  = 40 * time.Millisecond
	sumsLimit = time.Minute
)

// sums are counts over all keys that are active.
type sums struct {
	At    time.Time
	Total int
	age   [len(ageWords)]int
	left  [len(leftWords)]int
}

// The buckets; the last but one is for all beyond, the last for times that are not known.
var (
	ageWords  = [...]string{"under 2 days", "under 7 days", "under 30 days", "under 90 days", "under 180 days", "under a year", "a year or more", "not known"}
	ageEnds   = [...]int{2, 7, 30, 90, 180, 365}
	leftWords = [...]string{"expired", "under 2 days", "under 7 days", "under 30 days", "under 90 days", "under a year", "a year or more", "never"}
	leftEnds  = [...]int{0, 2, 7, 30, 90, 365}
)

func (s *sums) add(c rotator.AgeCount) {
	s.Total += c.Keys
	s.age[bucket(c.NoAge, c.Age, ageEnds[:])] += c.Keys
	s.left[bucket(c.NoExpiry, c.Left, leftEnds[:])] += c.Keys
}

// bucket finds the place of a number of days.
func bucket(unknown bool, days int, ends []int) int {
	if unknown {
		return len(ends) + 1
	}
	for i, end := range ends {
		if days < end {
			return i
		}
	}
	return len(ends)
}

// tally counts keys in the background, one count at a time, so that no page waits for it in a large fleet.
type tally struct {
	mu      sync.Mutex
	last    *sums
	running chan struct{}
}

// get returns the latest count, or nil if there is none yet. It begins another if the latest is stale.
func (t *tally) get(ctx context.Context, journal Reader, now time.Time) *sums {
	t.mu.Lock()
	if t.running == nil && (t.last == nil || now.Sub(t.last.At) > sumsStale) {
		t.running = make(chan struct{})
		go t.count(context.WithoutCancel(ctx), journal, now)
	}
	last, running := t.last, t.running
	t.mu.Unlock()
	if last != nil || running == nil {
		return last
	}
	select {
	case <-running:
	case <-time.After(sumsWait):
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *tally) count(ctx context.Context, journal Reader, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, sumsLimit)
	defer cancel()
	fresh := &sums{At: now}
	counts, err := journal.FleetAges(ctx, now)
	for _, c := range counts {
		fresh.add(c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.last = fresh
	}
	close(t.running)
	t.running = nil
}

// bars is a bar chart that is drawn by the server.
type bars struct {
	Words  string
	Height int
	Bars   []bar
}

type bar struct {
	Label     string
	Count     int
	W, CountX float64
	Y, TextY  int
}

func chart(words string, labels []string, counts []int) bars {
	most := 1
	for _, n := range counts {
		most = max(most, n)
	}
	b := bars{Words: words + ":", Height: 22 * len(counts)}
	for i, n := range counts {
		w := 54 * float64(n) / float64(most)
		b.Bars = append(b.Bars, bar{Label: labels[i], Count: n, W: w, CountX: 32 + w, Y: 22 * i, TextY: 22*i + 13})
		b.Words += fmt.Sprintf(" %s %d;", labels[i], n)
	}
	return b
}

func (s *sums) ages() bars { return chart("Keys by age", ageWords[:], s.age[:]) }

func (s *sums) lefts() bars {
	return chart("Keys by the time until they expire", leftWords[:], s.left[:])
}
