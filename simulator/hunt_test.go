package simulator_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator"
)

// TestGuaranteesHoldInWorlds plays the worlds of the seeds that are kept: the same in every run. SIMULATE_FOR plays worlds that
// nobody has seen, for that long (make simulate does); SIMULATE_SEED replays one.
func TestGuaranteesHoldInWorlds(t *testing.T) {
	if v := os.Getenv("SIMULATE_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("SIMULATE_SEED: %v", err)
		}
		play(t, t.Context(), seed, 1)
		return
	}
	if v := os.Getenv("SIMULATE_FOR"); v != "" {
		limit, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("SIMULATE_FOR: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		play(t, ctx, simulator.NewSeed(), 0)
		return
	}
	for _, seed := range kept[:keptHere] {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			play(t, t.Context(), seed, 1)
		})
	}
}

// play hunts for a breach, and tells the story of one.
func play(t *testing.T, ctx context.Context, seed uint64, most int) {
	t.Helper()
	find, score, err := simulator.Hunt(ctx, seed, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from seed %d on: %s", seed, score)
	if find != nil {
		t.Errorf("replay with: SIMULATE_SEED=%d go test ./simulator -run TestGuaranteesHoldInWorlds\n%s", find.Seed, tell(t, find))
	}
}

// tell shrinks a find and writes its story.
func tell(t *testing.T, find *simulator.Find) string {
	t.Helper()
	if os.Getenv("SIMULATE_TOLD") == "no" { // it is enough to know that there is one
		return fmt.Sprintf("seed %d breaks %s", find.Seed, find.Breach)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var b strings.Builder
	simulator.Shrink(ctx, find).Tell(&b)
	return b.String()
}
