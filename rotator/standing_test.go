package rotator_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/rotator"
)

func TestRenewalWindow(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for _, c := range []struct {
		name                   string
		policy                 string
		due, deadline, expires time.Time
		want                   []rotator.Renewal
	}{
		{"not due", "ci", now.Add(time.Second), now.Add(day), time.Time{}, nil},
		{"no policy", "", now.Add(-day), now.Add(day), time.Time{}, nil},
		{"no deadline", "ci", now.Add(-day), time.Time{}, time.Time{}, nil},
		{"due now", "ci", now, now.Add(day), time.Time{}, []rotator.Renewal{{Provider: "p", Policy: "ci", Due: 1}}},
		{"three tenths", "ci", now.Add(-9 * day), now.Add(21 * day), now.Add(21 * day), []rotator.Renewal{{Provider: "p", Policy: "ci", Due: 1, Used: 0.3}}},
		{"past an age", "ci", now.Add(-30 * day), now.Add(-day), now.Add(day), []rotator.Renewal{{Provider: "p", Policy: "ci", Due: 1, Used: 30.0 / 29}}},
		{"expired", "ci", now.Add(-30 * day), now, now, []rotator.Renewal{{Provider: "p", Policy: "ci", Due: 1, Expired: 1, Used: 1}}},
		{"a window of no length", "ci", now, now, time.Time{}, []rotator.Renewal{{Provider: "p", Policy: "ci", Due: 1, Used: 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s rotator.Standing
			s.AddDue("p", c.policy, c.due, c.deadline, c.expires, now)
			near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })
			if diff := cmp.Diff(c.want, s.Renewals, near); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStandingKeepsTheOldest(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var s rotator.Standing
	for _, at := range []time.Time{now, {}, now.Add(-time.Hour), now.Add(time.Hour)} {
		s.AddBlock("p", "ci", rotator.BlockHeld, at)
		s.AddStep("p", "ci", rotator.StageDelivering, at)
	}
	s.AddBlock("p", "other", rotator.BlockHeld, now)
	want := rotator.Standing{
		Blocks: []rotator.Blockage{
			{Provider: "p", Policy: "ci", Reason: rotator.BlockHeld, Count: 4, Since: now.Add(-time.Hour)},
			{Provider: "p", Policy: "other", Reason: rotator.BlockHeld, Count: 1, Since: now},
		},
		Steps: []rotator.Pace{{Provider: "p", Policy: "ci", Stage: rotator.StageDelivering, Count: 4, Since: now.Add(-time.Hour)}},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
}

func TestReplacedStages(t *testing.T) {
	for _, s := range rotator.Stages() {
		want := s != rotator.StagePlanned && s != rotator.StageMinting && s != rotator.StageMinted && s != rotator.StageTesting &&
			s != rotator.StageDelivering && s != rotator.StageExtending && s != rotator.StageAbandoning && s != rotator.StageAbandoned
		if s.Replaced() != want {
			t.Errorf("%s.Replaced() is %v", s, s.Replaced())
		}
	}
}
