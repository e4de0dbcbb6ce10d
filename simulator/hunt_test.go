package simulator_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/simulator"
)

// TestGuaranteesHoldInWorlds plays the worlds of the seeds that are kept: the same in every run. In them every kind of fault and of
// incident happens, and replicas lose their leases, or the test fails. What comes too late of replicas that stand still is made certain by
// TestStalledReplicasWriteAndCallLate in package mutants. SIMULATE_SEED replays one seed.
func TestGuaranteesHoldInWorlds(t *testing.T) {
	if v := os.Getenv("SIMULATE_SEED"); v != "" {
		seed, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("SIMULATE_SEED: %v", err)
		}
		play(t, t.Context(), seed, 1)
		return
	}
	var mu sync.Mutex
	happened, worlds := map[string]int{}, 0
	t.Run("kept", func(t *testing.T) {
		for _, seed := range kept[:keptHere] {
			t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
				t.Parallel()
				score := play(t, t.Context(), seed, 1)
				mu.Lock()
				defer mu.Unlock()
				worlds++
				for what, n := range score.Happened {
					happened[what] += n
				}
			})
		}
	})
	t.Log(counts(happened))
	if worlds < len(kept) {
		return // under the race detector, or because somebody asked for one of them
	}
	if missing := simulator.Missing(happened); len(missing) > 0 {
		t.Errorf("never happened in the kept worlds: %v", missing)
	}
	for what, never := range map[string]string{
		"takeover": "no replica took over from another one", "drill_of_the_calendar": "no drill of the calendar came to its end",
		"hook_told": "no hook told anybody of a new key", "hook_awaited": "no rotation waited for a hook",
	} {
		if happened[what] == 0 {
			t.Error(never)
		}
	}
}

// TestGuaranteesHoldInFreshWorlds plays worlds that nobody has seen: for SIMULATE_FOR, as "make simulate" and CI do, or else just one.
func TestGuaranteesHoldInFreshWorlds(t *testing.T) {
	seed := simulator.NewSeed()
	v := os.Getenv("SIMULATE_FOR")
	if v == "" {
		play(t, t.Context(), seed, 1)
		return
	}
	limit, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("SIMULATE_FOR: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	score := play(t, ctx, seed, 0)
	t.Log(counts(score.Happened))
	if score.Worlds == 0 {
		t.Errorf("no world was over within %s: nothing was checked", limit)
	}
}

// counts are words for what happened, most of all first.
func counts(happened map[string]int) string {
	names := slices.SortedFunc(maps.Keys(happened), func(a, b string) int {
		if d := happened[b] - happened[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "%s %d, ", strings.ReplaceAll(name, "_", " "), happened[name])
	}
	return "happened: " + strings.TrimSuffix(b.String(), ", ")
}

// play hunts for a breach, and tells the story of one.
func play(t *testing.T, ctx context.Context, seed uint64, most int) simulator.Score {
	t.Helper()
	find, score, err := simulator.Hunt(ctx, seed, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from seed %d on: %s", seed, score)
	if find != nil {
		t.Errorf("replay with: SIMULATE_SEED=%d go test ./simulator -run TestGuaranteesHoldInWorlds\n%s", find.Seed, tell(t, find))
	}
	return score
}

// tell shrinks a find and writes its story.
func tell(t *testing.T, find *simulator.Find) string {
	t.Helper()
	if os.Getenv("SIMULATE_TOLD") == "no" { // it is enough to know that there is one
		return fmt.Sprintf("seed %d breaks %s", find.Seed, find.Breach)
	}
	var b strings.Builder
	if os.Getenv("SIMULATE_TOLD") == "whole" {
		find.Tell(&b, math.MaxInt32)
		return b.String()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	simulator.Shrink(ctx, find).Tell(&b, simulator.Lines)
	return b.String()
}
