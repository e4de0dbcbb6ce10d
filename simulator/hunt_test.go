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

// budget is for how long fresh worlds are played.
const budget = 75 * time.Second

// TestGuaranteesHoldInFreshWorlds plays worlds that nobody has seen. SIMULATE_SEED replays one or begins there; SIMULATE_FOR sets
// another budget.
func TestGuaranteesHoldInFreshWorlds(t *testing.T) {
	seed, most, limit := simulator.NewSeed(), 0, budget
	if v := os.Getenv("SIMULATE_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("SIMULATE_SEED: %v", err)
		}
		seed, most = n, 1
	}
	if v := os.Getenv("SIMULATE_FOR"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil {
			t.Fatalf("SIMULATE_FOR: %v", err)
		}
		limit, most = d, 0
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	find, score, err := simulator.Hunt(ctx, seed, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from seed %d on: %s", seed, score)
	if find == nil {
		return
	}
	t.Errorf("replay with: SIMULATE_SEED=%d go test ./simulator -run %s\n%s", find.Seed, t.Name(), tell(t, find))
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
