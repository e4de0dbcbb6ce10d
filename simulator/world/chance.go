package world

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// chance draws what strikes which call. A draw is a hash of the seed, of what the call is about and of how often that was called
// before, and not the next number of a sequence: so two calls at the same instant can change places, and a fault can be left out,
// without any other draw being another.
type chance struct {
	seed  uint64
	odds  map[Fault]float64
	muted map[string]bool

	mu     sync.Mutex
	counts map[string]int
	struck []string
	quiet  bool // from now on nothing strikes
}

func newChance(s *Scenario) *chance {
	return &chance{seed: s.Seed, odds: s.Odds, muted: s.Muted, counts: map[string]int{}}
}

// hush lets nothing strike any more.
func (c *chance) hush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quiet = true
}

// strikes returns the first of the faults that strikes the call, if any, and a source for whatever else is to be drawn about it.
func (c *chance) strikes(call string, faults ...Fault) (Fault, *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.quiet || len(c.odds) == 0 {
		return "", nil
	}
	c.counts[call]++
	id := fmt.Sprintf("%s#%d", call, c.counts[call])
	for _, f := range faults {
		p := c.odds[f]
		if p == 0 {
			continue
		}
		draw := c.source(string(f) + " " + id)
		if draw.Float64() >= p || c.muted[string(f)+" "+id] {
			continue
		}
		c.struck = append(c.struck, string(f)+" "+id)
		return f, draw
	}
	return "", nil
}

func (c *chance) source(of string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(of))                      // a hash takes everything
	return rand.New(rand.NewPCG(c.seed, h.Sum64())) //nolint:gosec // replayable by design
}

// latency is how long one leg of a call takes: a few milliseconds, and some nanoseconds of its own, so that no two calls end at the
// same instant and the order of things is the fake clock's and not the scheduler's.
func (c *chance) latency(call string) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(call)) // a hash takes everything
	c.mu.Lock()
	c.counts["latency "+call]++
	n := uint64(c.counts["latency "+call]) //nolint:gosec // a count
	c.mu.Unlock()
	x := (h.Sum64() ^ c.seed ^ n*0x9e3779b97f4a7c15) % uint64(40*time.Millisecond)
	return 5*time.Millisecond + time.Duration(x)
}
