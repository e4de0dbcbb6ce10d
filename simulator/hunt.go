package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/rotatord/rotatord/simulator/oracle"
	"github.com/rotatord/rotatord/simulator/world"
)

// Find is a scenario in which a guarantee breaks.
type Find struct {
	Seed     uint64
	Scenario *world.Scenario
	Breach   *oracle.Breach
	Story    []world.Line
}

// Score is what a hunt came to.
type Score struct {
	Worlds          int
	CredentialYears float64
	Took            time.Duration
	// Happened counts what struck and was done in all of them; see [world.Outcome].
	Happened map[string]int
}

// Missing names the kinds of fault and of incident that can be drawn and never happened, in the order of their lists.
func Missing(happened map[string]int) []string {
	var missing []string
	for _, f := range world.Faults() {
		if happened[string(f)] == 0 {
			missing = append(missing, string(f))
		}
	}
	for _, k := range world.Kinds() {
		if k != world.Restore && happened[string(k)] == 0 { // only the worlds of mutants have that one
			missing = append(missing, string(k))
		}
	}
	return missing
}

// PerMinute is how many credential-years were simulated in a minute.
func (s Score) PerMinute() float64 { return s.CredentialYears / s.Took.Minutes() }

// String is a line for people.
func (s Score) String() string {
	return fmt.Sprintf("%d worlds, %.0f credential-years in %s: %.0f a minute", s.Worlds, s.CredentialYears, s.Took.Round(time.Second), s.PerMinute())
}

// Hunt plays the worlds of seed, seed+1 and so on, as many at a time as there are processors, until ctx ends, most have been played
// (0 for no bound) or a guarantee breaks. It returns nil if none did. The error is about the simulator itself.
func Hunt(ctx context.Context, seed uint64, most int) (*Find, Score, error) {
	began := time.Now()
	h := &hunt{score: Score{Happened: map[string]int{}}, next: seed, last: seed + uint64(most), bounded: most > 0} //nolint:gosec // a small number
	ctx, h.stop = context.WithCancel(ctx)
	defer h.stop()
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() { h.work(ctx) })
	}
	wg.Wait()
	h.score.Took = time.Since(began)
	return h.find, h.score, h.err
}

type hunt struct {
	stop    context.CancelFunc
	bounded bool

	mu         sync.Mutex
	next, last uint64
	find       *Find
	score      Score
	err        error
}

func (h *hunt) take() (uint64, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	seed := h.next
	h.next++
	return seed, !h.bounded || seed < h.last
}

func (h *hunt) work(ctx context.Context) {
	for ctx.Err() == nil {
		seed, more := h.take()
		if !more {
			return
		}
		s := Draw(seed)
		o, err := world.Run(ctx, s)
		if ctx.Err() != nil {
			return // the time is over, or another world has ended the hunt
		}
		h.note(seed, s, o, err)
	}
}

func (h *hunt) note(seed uint64, s *world.Scenario, o *world.Outcome, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.err = errors.Join(h.err, fmt.Errorf("seed %d: %w", seed, err))
		h.stop()
		return
	}
	h.score.Worlds++
	h.score.CredentialYears += o.CredentialYears
	for what, n := range o.Happened {
		h.score.Happened[what] += n
	}
	if o.Breach != nil && h.find == nil {
		h.find = &Find{Seed: seed, Scenario: s, Breach: o.Breach, Story: o.Story}
		h.stop()
	}
}

// NewSeed draws a seed that was not used before.
func NewSeed() uint64 { return rand.Uint64N(1 << 40) } //nolint:gosec // chance, not a secret
